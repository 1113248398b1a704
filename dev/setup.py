"""Bring a fresh clone to where the platform can start; runs on the machine's own Python."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements-dev.lock"
POM = ROOT / "pom.xml"
PYTHON_MIN = (3, 11)
END_SECONDS_MAX = 5


class Missing(Exception):
    """A prerequisite is not there; the text is the one sentence that says what to install."""


def kafka_version() -> str:
    found = re.search(r"<kafka\.version>(.+)</kafka\.version>", POM.read_text(encoding="utf-8"))
    if found is None:
        raise Missing("pom.xml has no property kafka.version: it says which Kafka to fetch.")
    return found.group(1)


def kafka_image() -> str:
    return f"apache/kafka:{kafka_version()}"


def kafka_libs() -> Path:
    return CACHE / f"kafka-{kafka_version()}" / "libs"


def docker_answers() -> bool:
    return shutil.which("docker") is not None and _succeeds("docker", "info")


def docker_has(image: str) -> bool:
    return _succeeds("docker", "image", "inspect", image)


def check() -> None:
    """Say what is missing before anything is downloaded. Raises Missing."""
    if not _venv_is_usable():
        _check_python()
    if not (kafka_libs().is_dir() or shutil.which("mvn") or docker_answers()):
        raise Missing(
            "Neither Maven nor a Docker engine is here: install Maven (`apt install maven`) or start Docker."
        )


def ensure_kafka() -> None:
    """Have Kafka's jars, or where Maven is missing its image."""
    if kafka_libs().is_dir():
        return
    if shutil.which("mvn"):
        _fetch_jars()
    elif not docker_has(kafka_image()):
        _say(f"Maven is not here: pulling {kafka_image()}")
        _run("docker", "pull", kafka_image())


def kafka_archive() -> Path:
    """Kafka's classes as Java maps them into memory, beside the jars that they come from."""
    return kafka_libs().with_name("classes.jsa")


def ensure_archive() -> None:
    """Have the archive of Kafka's classes, where Kafka runs from its jars."""
    if kafka_libs().is_dir() and not kafka_archive().is_file():
        _say("making the archive of Kafka's classes, which more than halves its start (once)")
        _run(_venv_python(), "-m", "dev.archive")


def _fetch_jars() -> None:
    _say(f"fetching Apache Kafka {kafka_version()} with Maven (about 45 MB, once)")
    arriving = kafka_libs().with_name("arriving")
    shutil.rmtree(arriving, ignore_errors=True)
    _run(
        *("mvn", "-B", "-f", str(POM), "dependency:copy-dependencies"),
        *("-DincludeScope=runtime", f"-DoutputDirectory={arriving}"),
    )
    # Renamed when complete: a download that died half-way is not mistaken for Kafka.
    arriving.rename(kafka_libs())


def ensure_venv() -> None:
    """Have `.venv` with what the lock names, installed again only when the lock changes."""
    stamp = VENV / ".installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    usable = _venv_is_usable()
    if usable and stamp.is_file() and stamp.read_text() == wanted:
        return
    if not usable:
        _say(f"making .venv with Python {sys.version.split()[0]}")
        _run(sys.executable, "-m", "venv", "--clear", str(VENV))
    _say("installing the Python packages of requirements-dev.lock into .venv (about 250 MB, once per lock)")
    _run(
        *(_venv_python(), "-m", "pip", "install", "--disable-pip-version-check"),
        *("--require-hashes", "-r", str(LOCK)),
    )
    # It fits one build of Java only, which may have changed.
    kafka_archive().unlink(missing_ok=True)
    stamp.write_text(wanted)


def _venv_is_usable() -> bool:
    return _succeeds(_venv_python(), "-c", f"import pip, sys; sys.exit(sys.version_info < {PYTHON_MIN})")


def _check_python() -> None:
    if sys.version_info < PYTHON_MIN:
        have = ".".join(map(str, sys.version_info[:2]))
        raise Missing(
            f"Python 3.11 or newer is needed and this is {have}: install it and `make PYTHON=python3.11`."
        )
    # Debian ships Python without them, and venv's own message is a page long.
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise Missing(
            "This Python cannot make virtual environments: install its venv (`apt install python3-venv`)."
        )


def _venv_python() -> str:
    return str(VENV / "bin" / "python")


def _succeeds(*command: str) -> bool:
    with contextlib.suppress(OSError):
        return (
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode
            == 0
        )
    return False


def _run(*command: str) -> None:
    """Run it to its end; interrupted, end it with all that it has started. Raises CalledProcessError."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=ROOT, start_new_session=True) as running:
        try:
            code = running.wait()
        except KeyboardInterrupt:
            _end(running)
            raise
    if code:
        raise subprocess.CalledProcessError(code, command)


def _end(running: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(END_SECONDS_MAX)


def _say(what: str) -> None:
    print(f"setup: {what}", flush=True)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let a second `make` wait for the first instead of installing into the same place."""
    import fcntl  # Not on Windows, where this Python must still be able to say what it lacks.

    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "setup.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _terminated(signal_number: int, frame: FrameType | None) -> None:
    # As an exception it reaches subprocess.run, which then ends the download that it waits for.
    raise KeyboardInterrupt


def main() -> int:
    from dev.tether import end_with_make  # Not on Windows, where this Python must still say what it lacks.

    signal.signal(signal.SIGTERM, _terminated)
    end_with_make()
    try:
        with _alone():
            check()
            ensure_venv()
            ensure_kafka()
            ensure_archive()
    except Missing as missing:
        print(f"setup: {missing}", file=sys.stderr)
    except subprocess.CalledProcessError as failed:
        print(
            f"setup: `{os.path.basename(failed.cmd[0])}` failed: what it said stands above.", file=sys.stderr
        )
    except KeyboardInterrupt:
        print("setup: interrupted; the next start goes on from here.", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())

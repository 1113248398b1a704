"""Apache Kafka, one KRaft node: its jars on the JRE of a wheel, or its image where the jars are missing."""

import functools
import hashlib
import logging
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dev import java
from dev.parts import Part
from dev.places import free_port
from dev.setup import kafka_archive, kafka_image, kafka_libs

# librdkafka would tell on standard error of every attempt before the broker listens.
SILENT = logging.getLogger("dev.kafka.attempts")
SILENT.disabled = True

LOG_CONFIG = Path(__file__).with_name("kafka-log4j2.properties")
JAVA_OPTIONS = ("-Xms128m", "-Xmx300m", f"-Dlog4j2.configurationFile={LOG_CONFIG}")
CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"

# The largest that a producer of ours sends; what is larger is refused before it is stored.
MESSAGE_BYTES_MAX = 9 * 1024 * 1024

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    # By default a topic makes itself, with one partition, when somebody mistypes its name.
    "auto.create.topics.enable": "false",
    # With the defaults a broker that was killed stays deaf for 12.7 s after it is back, with these for 4.9 s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "message.max.bytes": str(MESSAGE_BYTES_MAX),
    "replica.fetch.max.bytes": str(MESSAGE_BYTES_MAX),
    "log.segment.bytes": str(64 * 1024 * 1024),
}


@dataclass(frozen=True)
class Kafka:
    """Where the broker listens; the second port is for its own controller."""

    port: int
    controller_port: int

    @classmethod
    def on(cls, port: int | None = None) -> "Kafka":
        return cls(port or free_port(), free_port())

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answers(self) -> bool:
        client = AdminClient({"bootstrap.servers": self.bootstrap}, logger=SILENT)
        try:
            return bool(client.list_topics(timeout=1).brokers)
        except KafkaException:
            return False


def part(data: Path, kafka: Kafka) -> Part:
    """The broker over `data`, which is formatted when it is not there."""
    if not kafka_libs().is_dir():
        return _in_container(data, kafka)
    archive = kafka_archive()
    return from_jars(data, kafka, (f"-XX:SharedArchiveFile={archive}",) if archive.is_file() else ())


def from_jars(data: Path, kafka: Kafka, options: tuple[str, ...]) -> Part:
    config = data / "server.properties"

    def before() -> None:
        data.mkdir(parents=True, exist_ok=True)
        lines = (f"{name}={value}\n" for name, value in _settings(kafka, data / "log").items())
        config.write_text("".join(lines))
        if not (data / "log" / "meta.properties").is_file():
            _format(config)

    return Part(
        name="kafka",
        command=java.program("kafka.Kafka", str(config), options=(*JAVA_OPTIONS, *options)),
        environment={"PATH": os.defpath},
        before=before,
        ready=kafka.answers,
        stop_seconds=20,
    )


def _settings(kafka: Kafka, log: Path) -> dict[str, str]:
    return SETTINGS | {
        "listeners": f"PLAINTEXT://127.0.0.1:{kafka.port},CONTROLLER://127.0.0.1:{kafka.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{kafka.bootstrap}",
        "controller.quorum.voters": f"1@127.0.0.1:{kafka.controller_port}",
        "log.dirs": str(log),
    }


def _format(config: Path) -> None:
    arguments = ("format", "--ignore-formatted", "-t", CLUSTER_ID, "-c", str(config))
    subprocess.run(
        java.program("kafka.tools.StorageTool", *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )


def container_environment(kafka: Kafka) -> dict[str, str]:
    """The settings as the image takes them; the host reaches it at `kafka.bootstrap`."""
    settings = SETTINGS | {
        "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{kafka.bootstrap}",
        "controller.quorum.voters": "1@localhost:9093",
        "log.dirs": "/var/lib/kafka/data",
    }
    variables = {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in settings.items()}
    return variables | {"CLUSTER_ID": CLUSTER_ID}


def _in_container(data: Path, kafka: Kafka) -> Part:
    name = f"recepta-kafka-{kafka.port}"
    return Part(
        name="kafka",
        command=(
            *("docker", "run", "--rm", "--name", name, "--publish", f"{kafka.bootstrap}:9092"),
            *("--volume", f"{volume(data)}:/var/lib/kafka/data"),
            *(f"--env={key}={value}" for key, value in container_environment(kafka).items()),
            kafka_image(),
        ),
        environment=dict(os.environ),
        before=functools.partial(_remove_container, name),
        ready=kafka.answers,
        # `docker run` hands this signal on to the container; killed, it would leave the container running.
        orphan_signal=signal.SIGTERM,
        after=functools.partial(_remove_container, name),
        stop_seconds=20,
    )


def volume(data: Path) -> str:
    """The name of the Docker volume that stands for the folder `data`."""
    return f"recepta-kafka-{hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]}"


def _remove_container(name: str) -> None:
    subprocess.run(("docker", "rm", "--force", name), capture_output=True, check=False)


def forget(data: Path) -> None:
    """Remove what a container kept for `data`; nothing may run on it."""
    if shutil.which("docker"):
        subprocess.run(("docker", "volume", "rm", "--force", volume(data)), capture_output=True, check=False)


def console_consumer(bootstrap: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs Kafka's own consumer, a client that shares no code with ours."""
    asked = ("--bootstrap-server", bootstrap, *arguments)
    if kafka_libs().is_dir():
        return java.program("org.apache.kafka.tools.consumer.ConsoleConsumer", *asked, options=("-Xmx128m",))
    script = "/opt/kafka/bin/kafka-console-consumer.sh"
    return ("docker", "run", "--rm", "--network", "host", kafka_image(), script, *asked)

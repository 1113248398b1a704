"""The platform's surroundings as `make run` starts them: killed, restarted, stopped, found again."""

import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import asyncpg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from dev.platform import Platform, forget
from tests import infrastructure
from tests.infrastructure import until


@pytest.fixture(scope="module")
def surroundings() -> Iterator[Platform]:
    with infrastructure.running_platform(chosen=()) as running:
        yield running


async def test_killed_postgres_is_back_with_what_it_had_confirmed(surroundings: Platform) -> None:
    conn = await asyncpg.connect(surroundings.database_urls["signing"])
    await conn.execute("CREATE TABLE kept AS SELECT 1 AS row")
    await conn.close()

    surroundings.kill("postgres")
    surroundings.until_ready("postgres", seconds=10)

    conn = await asyncpg.connect(surroundings.database_urls["signing"])
    assert await conn.fetchval("SELECT row FROM kept") == 1
    await conn.close()


async def test_killed_kafka_takes_messages_again_within_ten_seconds(surroundings: Platform) -> None:
    admin = AdminClient({"bootstrap.servers": surroundings.kafka.bootstrap})
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(10)
    confirmed: list[object] = []

    surroundings.kill("kafka")
    producer = Producer({"bootstrap.servers": surroundings.kafka.bootstrap, "acks": "all", "log_level": 0})
    producer.produce("kept", b"still here", on_delivery=lambda error, message: confirmed.append(error))

    producer.flush(10)
    assert confirmed == [None]


async def test_a_mail_is_a_whole_file_once_it_is_accepted(surroundings: Platform) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "clinic@example.org", "ana@example.org", "Receta"
    mail.set_content("Tomar con agua.")

    with smtplib.SMTP("127.0.0.1", surroundings.smtp_port) as smtp:
        smtp.send_message(mail)

    (kept,) = surroundings.mail.iterdir()
    assert kept.suffix == ".eml"
    assert b"Tomar con agua." in kept.read_bytes()


@pytest.fixture
def run_dir() -> Iterator[Path]:
    with infrastructure.home("run") as path:
        yield path
        forget(path)


def start_run(run_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-m", "dev", "run", "--services", "none"),
        env=os.environ | {"RECEPTA_RUN_DIR": str(run_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def test_a_run_says_where_it_is_and_leaves_nothing_behind(run_dir: Path) -> None:
    run = start_run(run_dir)
    await until((run_dir / "env").exists, seconds=60)
    lines = dict(line.split("=", 1) for line in (run_dir / "env").read_text().splitlines())
    assert AdminClient({"bootstrap.servers": lines["RECEPTA_KAFKA"]}).list_topics(timeout=5).brokers

    second = start_run(run_dir)
    refusal, _ = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"is running already, as process {run.pid}" in refusal

    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    assert run.returncode == 0
    assert not (run_dir / "env").exists()
    assert list(processes_over(run_dir)) == []


async def test_a_run_killed_while_it_starts_leaves_nothing_behind(run_dir: Path) -> None:
    run = start_run(run_dir)
    await until(lambda: any(processes_over(run_dir)), seconds=30)

    run.kill()
    run.communicate(timeout=10)

    await until(lambda: not any(processes_over(run_dir)), seconds=10)


def processes_over(folder: Path) -> Iterator[str]:
    """Programs whose command line names a folder."""
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = command.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            yield words.replace("\0", " ")

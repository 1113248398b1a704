"""The chassis under kill -9: two processes, thousands of messages, and a count of what came of each."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.catalog import TOPICS
from contracts.message import Envelope
from shared import database, outbox, topics
from shared.database import Pool
from tests.chassis_service import CATALOGUE, EFFECTS, Answered, happened
from tests.infrastructure import Database, until
from tests.service.chassis.ground import OUTCOMES, begin_at_the_end

MESSAGES = 3_000
THINGS = 50
KILLS = 8
# Longer than a partition waits for a process that was killed.
STILL_SECONDS = 12


@dataclass
class Processes:
    """Two slots of the service, each restarted when it is killed."""

    environment: dict[str, str]
    group: str
    log: Path
    _running: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, slot: int) -> None:
        environment = self.environment | {"CHASSIS_INSTANCE": f"chassis-{slot}"}
        with self.log.open("ab") as output:
            self._running[slot] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.chassis_service", env=environment, stdout=output, stderr=output
            )

    async def kill(self, slot: int) -> None:
        """As a power cut would."""
        self._running[slot].kill()
        await self._running[slot].wait()

    async def end(self) -> None:
        for process in self._running.values():
            if process.returncode is None:
                process.kill()
                await process.wait()


@dataclass(frozen=True)
class Counted:
    """What came of the messages: effects in order, and which announcements exist of each."""

    numbers: list[int]
    by_thing: dict[UUID, list[int]]
    announced: dict[int, set[str]]


@asynccontextmanager
async def two_processes(kafka: str, url: str, tmp_path: Path, **more: str) -> AsyncIterator[Processes]:
    await topics.create(kafka)
    group = f"kills-{tmp_path.name}"
    environment = dict(os.environ) | {
        "CHASSIS_DATABASE_URL": url,
        "CHASSIS_KAFKA_BOOTSTRAP": kafka,
        "CHASSIS_GROUP": group,
        **more,
    }
    processes = Processes(environment, group, tmp_path / "log")
    try:
        yield processes
    finally:
        await processes.end()


async def count(kafka: str, pool: Pool, begun: dict[TopicPartition, int]) -> Counted:
    rows = await pool.fetch("SELECT thing, number FROM effect ORDER BY place")
    by_thing: dict[UUID, list[int]] = {}
    for row in rows:
        by_thing.setdefault(row["thing"], []).append(row["number"])
    announced: dict[int, set[str]] = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        consumer.assign(list(begun))
        ends = await consumer.end_offsets(list(begun))
        for partition, offset in begun.items():
            consumer.seek(partition, offset)
        while [one for one in begun if await consumer.position(one) < ends[one]]:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    number = Answered.model_validate_json(record.value).number
                    announced.setdefault(number, set()).add(Envelope.read(record.headers).id)
    finally:
        await consumer.stop()
    return Counted([row["number"] for row in rows], by_thing, announced)


async def run_with_kills(kafka: str, url: str, tmp_path: Path, **more: str) -> Counted:
    pool = await database.open_pool(url, max_size=4)
    try:
        await pool.execute(EFFECTS)
        async with two_processes(kafka, url, tmp_path, **more) as processes:
            ends = await begin_at_the_end(kafka, processes.group)
            begun = {partition: end for partition, end in ends.items() if partition.topic == OUTCOMES}
            for slot in range(2):
                await processes.start(slot)
            sending = asyncio.create_task(_send(pool))
            for kill in range(KILLS):
                await _reached(pool, MESSAGES * (kill + 1) // (KILLS + 2))
                await processes.kill(kill % 2)
                await processes.start(kill % 2)
            await sending
            await _settled(pool)
        return await count(kafka, pool, begun)
    finally:
        await pool.close()


async def _send(pool: Pool) -> None:
    for start in range(0, MESSAGES, 20):
        async with database.transaction(pool) as conn:
            await outbox.send(
                conn, *(happened(number=start + one, thing=(start + one) % THINGS) for one in range(20))
            )
        await asyncio.sleep(0.05)


async def _reached(pool: Pool, number: int) -> None:
    await until(lambda: _at_least(pool, number), seconds=60)


async def _at_least(pool: Pool, number: int) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM effect") >= number)


async def _settled(pool: Pool) -> None:
    """Until all is done, or nothing has moved for a while: with a planted fault the count is never full."""
    still, before = 0, (-1, -1)
    while still < STILL_SECONDS:
        done = await pool.fetchval("SELECT count(*) FROM effect")
        waiting = await pool.fetchval("SELECT count(*) FROM outbox")
        if done >= MESSAGES and not waiting:
            break
        still = still + 1 if (done, waiting) == before else 0
        before = (done, waiting)
        await asyncio.sleep(1)


@pytest.fixture
async def url(database: Callable[[str], Awaitable[Database]], monkeypatch: pytest.MonkeyPatch) -> str:
    for name, topic in CATALOGUE.items():
        monkeypatch.setitem(TOPICS, name, topic)
    return (await database("chassis")).url


async def test_killed_again_and_again_every_message_has_its_effect_once_and_in_order(
    kafka: str, url: str, tmp_path: Path
) -> None:
    counted = await run_with_kills(kafka, url, tmp_path)

    assert sorted(counted.numbers) == list(range(MESSAGES))
    assert {number: len(ids) for number, ids in counted.announced.items()} == dict.fromkeys(
        range(MESSAGES), 1
    )
    for numbers in counted.by_thing.values():
        assert numbers == sorted(numbers)


@pytest.mark.parametrize("fault", ["commit_first", "outbox_outside"])
async def test_a_planted_fault_is_found(kafka: str, url: str, tmp_path: Path, fault: str) -> None:
    counted = await run_with_kills(kafka, url, tmp_path, CHASSIS_FAULT=fault)

    whole = sorted(counted.numbers) == list(range(MESSAGES)) and len(counted.announced) == MESSAGES
    assert not whole, f"the count did not notice {fault}"

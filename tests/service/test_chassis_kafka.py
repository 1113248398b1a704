"""The subscriber and the relay on a real Kafka, tested once for all services."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

from contracts.catalog import TOPICS
from contracts.message import Envelope
from dev import kafka as dev_kafka
from dev.kafka import Kafka
from dev.supervisor import Supervisor
from shared import database, outbox, service, topics
from shared.database import Connection, Pool
from shared.errors import Unavailable
from shared.messaging import Handlers
from shared.outbox import Outbox
from shared.records import Stored
from shared.service import Running
from shared.settings import Settings
from shared.topics import WrongTopics
from tests.chassis_service import CATALOGUE, EFFECTS, Happened, handlers_for, happened
from tests.infrastructure import Database, until
from tests.service.conftest import Deliver

EVENTS = "chassis-events-v1"
OUTCOMES = "chassis-outcomes-v1"
GROUPS = itertools.count()


@dataclass
class Ground:
    """A broker with topics, a database, and a group that begins behind what other tests wrote."""

    kafka: str
    url: str
    pool: Pool
    group: str
    outcomes_from: dict[TopicPartition, int] = field(default_factory=dict)

    @asynccontextmanager
    async def running(
        self, instance: str = "chassis-0", *, handlers: Handlers | None = None, **more: object
    ) -> AsyncIterator[Running]:
        settings = Settings.model_validate(
            {"database_url": self.url, "kafka_bootstrap": self.kafka, "instance": instance, **more}
        )
        async with service.started(handlers or handlers_for(self.group), settings) as one:
            await until(lambda: one.arrivals.assigned, seconds=30)
            yield one

    async def send(self, *events: Happened) -> None:
        """As a service would: through the outbox, and its relay."""
        async with database.transaction(self.pool) as conn:
            await outbox.send(conn, *events)

    async def write(self, *records: Stored) -> None:
        """As a stranger would: straight to the broker."""
        async with self.producing() as producer:
            for one in records:
                await producer.send_and_wait(
                    one.topic, one.value, one.key, partition=one.partition, headers=list(one.headers)
                )

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, max_request_size=9 * 1024 * 1024)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()

    async def numbers(self) -> list[int]:
        rows = await self.pool.fetch("SELECT number FROM effect ORDER BY place")
        return [row["number"] for row in rows]

    async def handled(self, count: int) -> bool:
        return bool(await self.pool.fetchval("SELECT count(*) FROM effect") >= count)

    async def said_all(self) -> bool:
        return not await self.pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")

    async def read(self, topic: str) -> list[Any]:
        """All records of a topic since this test began."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka, max_partition_fetch_bytes=10 * 1024 * 1024)
        await consumer.start()
        try:
            found: list[Any] = []
            partitions = _partitions(topic)
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            for one in partitions:
                consumer.seek(one, self.outcomes_from.get(one, 0))
            while [one for one in partitions if await consumer.position(one) < ends[one]]:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
            return found
        finally:
            await consumer.stop()

    async def committed(self, topic: str) -> int:
        """How far the group has come, over all partitions."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, group_id=self.group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            partitions = _partitions(topic)
            consumer.assign(partitions)
            return sum([await consumer.committed(one) or 0 for one in partitions])
        finally:
            await consumer.stop()


def _partitions(topic: str) -> list[TopicPartition]:
    count = topics.DEAD_PARTITIONS if topic.endswith("-dead") else TOPICS[topic].partitions
    return [TopicPartition(topic, number) for number in range(count)]


async def prepare(kafka: str, url: str, pool: Pool) -> Ground:
    await topics.create(kafka)
    await pool.execute(EFFECTS)
    ground = Ground(kafka, url, pool, f"chassis-{next(GROUPS)}")
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=ground.group, enable_auto_commit=False)
    await consumer.start()
    try:
        for topic in [*CATALOGUE, f"{EVENTS}-dead"]:
            partitions = _partitions(topic)
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            ground.outcomes_from |= ends
            await consumer.commit(ends)
    finally:
        await consumer.stop()
    return ground


@pytest.fixture
async def made(
    database: Callable[[str], Awaitable[Database]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[str, Pool]]:
    for name, topic in CATALOGUE.items():
        monkeypatch.setitem(TOPICS, name, topic)  # type: ignore[misc]
    url = (await database("chassis")).url
    pool = await open_pool(url)
    yield url, pool
    await pool.close()


async def open_pool(url: str) -> Pool:
    return await database.open_pool(url, max_size=5)


@pytest.fixture
async def ground(kafka: str, made: tuple[str, Pool]) -> Ground:
    return await prepare(kafka, *made)


class TestRoad:
    async def test_what_is_announced_is_handled_and_announced_on_in_order(self, ground: Ground) -> None:
        async with ground.running():
            await ground.send(*(happened(number=number, thing=number % 5) for number in range(500)))
            await until(lambda: ground.handled(500), seconds=30)
            await until(ground.said_all, seconds=10)

        told = [Envelope.read(one.headers) for one in await ground.read(OUTCOMES)]
        assert len({one.id for one in told}) == 500
        rows = await ground.pool.fetch("SELECT thing, number FROM effect ORDER BY place")
        for thing in range(5):
            mine = [row["number"] for row in rows if row["thing"] == UUID(int=thing)]
            assert mine == sorted(mine)

    async def test_an_orderly_stop_commits_what_was_handled(self, ground: Ground) -> None:
        before = await ground.committed(EVENTS)

        async with ground.running():
            await ground.send(*(happened(number=number, thing=number) for number in range(50)))
            await until(lambda: ground.handled(50), seconds=30)

        assert await ground.committed(EVENTS) == before + 50

    async def test_an_outage_of_one_thing_holds_its_partition_and_ends_with_it(self, ground: Ground) -> None:
        outage = [True]
        handlers = Handlers(ground.group)

        @handlers.on(Happened)
        async def on_happened(event: Happened, conn: Connection, outbox: Outbox) -> None:
            if event.number == 0 and outage[0]:
                raise Unavailable("away")
            await conn.execute(
                "INSERT INTO effect (thing, what, number) VALUES ($1, $2, $3)",
                event.prescription_id,
                event.what,
                event.number,
            )

        async with ground.running(handlers=handlers):
            await ground.send(happened(number=0), happened(number=1))
            await ground.send(*(happened(number=number, thing=number) for number in range(100, 120)))
            # Some of the twenty others may share the partition of the one that waits.
            await until(lambda: ground.handled(10), seconds=30)
            held = await ground.numbers()
            outage[0] = False
            await until(lambda: ground.handled(22), seconds=30)

        assert not {0, 1} & set(held)
        mine = [number for number in await ground.numbers() if number < 100]
        assert mine == [0, 1]

    async def test_a_database_that_comes_back_finds_everything_handled_once(
        self, ground: Ground, postgres: Any
    ) -> None:
        async with ground.running():
            for number in range(200):
                await ground.send(happened(number=number, thing=number % 7))
                if number % 50 == 25:
                    await _cut_all(postgres.url(), ground.pool)
            await until(lambda: ground.handled(200), seconds=30)
            await until(ground.said_all, seconds=15)

        assert sorted(await ground.numbers()) == list(range(200))
        told = [Envelope.read(one.headers).id for one in await ground.read(OUTCOMES)]
        assert len(set(told)) == 200


async def _cut_all(admin: str, pool: Pool) -> None:
    """End every session of this database, as a restart of the server would."""
    name = await pool.fetchval("SELECT current_database()")
    conn = await asyncpg.connect(admin)
    try:
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = $1 AND pid <> pg_backend_pid()",
            name,
        )
    finally:
        await conn.close()
    # The test's own pool finds out here, and not in its next send.
    await pool.expire_connections()
    for _ in range(20):
        try:
            await pool.fetchval("SELECT 1")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            continue


class TestPoison:
    @pytest.mark.parametrize(
        "value",
        [None, b"", b'{"number": ' + b"9" * 5_000 + b"}", b"[" * 100_000, b"x" * (8 * 1024 * 1024 - 4_096)],
        ids=["null", "empty", "digits", "nested", "8 MiB"],
    )
    async def test_no_record_stops_its_partition(self, ground: Ground, value: bytes | None) -> None:
        good = _record(ground, happened(number=1, thing=3))
        poison = replace(good, key=None, value=value, headers=[("null", None), ("bytes", b"\xff")])
        if value is None:
            poison = replace(poison, key=b"k")

        async with ground.running():
            await ground.write(poison, good)
            await until(lambda: ground.handled(1), seconds=30)
            await until(ground.said_all, seconds=15)

        buried = await ground.read(f"{EVENTS}-dead")
        assert [one.value for one in buried] == [value]
        assert ("bytes", b"\xff") in buried[0].headers

    async def test_a_header_name_that_is_no_text_stops_no_partition(self, ground: Ground) -> None:
        good = _record(ground, happened(number=1, thing=3))
        async with ground.producing() as producer:
            batch = _Misspelt(b"zz", b"\xff\xfe")
            batch.append(timestamp=None, key=b"k", value=good.value, headers=[("zz", b"1")])
            batch.append(
                timestamp=None, key=good.key, value=good.value, headers=[("zz", b"2"), *good.headers]
            )
            await (await producer.send_batch(batch, EVENTS, partition=0))
        after = _record(ground, happened(number=2, thing=3))

        async with ground.running():
            await ground.write(after)
            await until(lambda: ground.handled(2), seconds=30)

        assert sorted(await ground.numbers()) == [1, 2]

    @pytest.mark.parametrize("compression", ["gzip"])
    async def test_a_compressed_record_is_read(self, ground: Ground, compression: str) -> None:
        good = _record(ground, happened(number=1, thing=3))
        producer = AIOKafkaProducer(bootstrap_servers=ground.kafka, compression_type=compression)
        await producer.start()
        try:
            await producer.send_and_wait(EVENTS, good.value, good.key, headers=list(good.headers))
        finally:
            await producer.stop()

        async with ground.running():
            await until(lambda: ground.handled(1), seconds=30)


class _Misspelt(BatchBuilder):  # type: ignore[misc]
    """A batch in which one name of a header is spelt in bytes that no library of ours would write."""

    def __init__(self, name: bytes, spelling: bytes) -> None:
        super().__init__(1 << 20, 0)
        self._name, self._spelling = name, spelling

    def _build(self) -> Any:
        if self._buffer is None:
            made = bytearray(super()._build()).replace(self._name, self._spelling)
            made[17:21] = struct.pack(">I", calc_crc32c(bytes(made[21:])))
            self._buffer = made
        return self._buffer


def _record(ground: Ground, event: Happened) -> Stored:
    return Deliver(handlers_for(ground.group), ground.pool).record(event)


class TestSeveralProcesses:
    async def test_when_the_relay_goes_another_takes_over(self, ground: Ground) -> None:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(ground.running("chassis-0"))
            second = await stack.enter_async_context(ground.running("chassis-1"))
            assert [first.relay.active, second.relay.active] == [True, False]

            await first.relay.stop()
            await until(lambda: second.relay.active, seconds=5)
            await ground.send(happened(number=1))
            await until(lambda: ground.handled(1), seconds=20)
            await until(ground.said_all, seconds=10)

    async def test_crossed_things_cost_a_retry_and_no_more(self, ground: Ground) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(ground.running("chassis-0"))
            await stack.enter_async_context(ground.running("chassis-1"))
            await ground.send(
                *(
                    happened("crossed", number=number, thing=number % 6, other=UUID(int=(number + 3) % 6))
                    for number in range(120)
                )
            )
            await until(lambda: ground.handled(120), seconds=40)

        assert sorted(await ground.numbers()) == list(range(120))
        assert await ground.pool.fetchval("SELECT count(*) FROM grave") == 0

    async def test_a_rolling_restart_loses_and_doubles_nothing_and_stops_nobody_for_long(
        self, ground: Ground
    ) -> None:
        sending = asyncio.create_task(_send_steadily(ground, 300))
        longest = 0.0
        async with AsyncExitStack() as all_of_them:
            stacks = []
            for slot in range(2):
                stack = await all_of_them.enter_async_context(AsyncExitStack())
                await stack.enter_async_context(ground.running(f"chassis-{slot}"))
                stacks.append(stack)
            for slot, stack in enumerate(stacks):
                began = asyncio.get_running_loop().time()
                more = partial(ground.handled, len(await ground.numbers()) + 1)
                await stack.aclose()
                await stack.enter_async_context(ground.running(f"chassis-{slot}"))
                await until(more, seconds=10)
                longest = max(longest, asyncio.get_running_loop().time() - began)
            await sending
            await until(lambda: ground.handled(300), seconds=30)

        assert sorted(await ground.numbers()) == list(range(300))
        assert longest < 10

    async def test_two_processes_that_name_no_slot_get_one_each(self, ground: Ground) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(ground.running("auto"))
            await stack.enter_async_context(ground.running("auto"))
            held = await ground.pool.fetch(
                "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted"
                "   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                " ORDER BY objid",
                0x736C_6F74,
            )

        assert [row["objid"] for row in held] == [0, 1]


async def _send_steadily(ground: Ground, count: int) -> None:
    for number in range(count):
        await ground.send(happened(number=number, thing=number))
        await asyncio.sleep(0.02)


class TestRefusals:
    async def test_a_service_that_finds_another_partition_count_refuses_to_start(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrong = replace(CATALOGUE[EVENTS], partitions=11)
        monkeypatch.setitem(TOPICS, EVENTS, wrong)  # type: ignore[misc]

        with pytest.raises(WrongTopics, match=f"{EVENTS} has 12 partitions instead of 11"):
            async with ground.running():
                raise AssertionError("it started")

    async def test_a_service_whose_inbox_forgets_too_early_refuses_to_start(self, ground: Ground) -> None:
        with pytest.raises(WrongTopics, match="a message could have its effect twice"):
            async with ground.running(inbox_days=7):
                raise AssertionError("it started")

    async def test_a_service_without_its_topics_waits_and_then_refuses(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        missing = replace(CATALOGUE[EVENTS], name="chassis-missing-v1")
        monkeypatch.setitem(TOPICS, missing.name, missing)  # type: ignore[misc]

        class Missed(Happened):
            topic: ClassVar[str] = missing.name

        handlers = Handlers(ground.group)

        @handlers.on(Missed)
        async def on_missed(event: Missed, conn: Connection, outbox: Outbox) -> None:
            raise AssertionError("it started")

        with pytest.raises(Unavailable, match="chassis-missing-v1"):
            async with ground.running(handlers=handlers, start_seconds_max=1):
                raise AssertionError("it started")

    async def test_topics_are_as_the_catalogue_says(self, ground: Ground) -> None:
        async with topics._admin(ground.kafka) as admin:
            partitions = await topics._partitions(admin, set(TOPICS))
            kept = await topics._settings(admin, [name for name in TOPICS if not TOPICS[name].compacted])

        assert partitions == {name: topic.partitions for name, topic in TOPICS.items()}
        for name, found in kept.items():
            assert timedelta(milliseconds=int(found["retention.ms"])) == TOPICS[name].kept


class TestBrokerRestart:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Iterator[tuple[Kafka, Supervisor]]:
        """A broker of this test's own, to be restarted."""
        broker, supervisor = Kafka.on(), Supervisor(lambda name, line: None)
        try:
            supervisor.start([dev_kafka.part(tmp_path / "kafka", broker)])
            yield broker, supervisor
        finally:
            supervisor.stop()

    async def test_a_broker_that_is_killed_costs_no_message_no_order_and_no_second_effect(
        self, own: tuple[Kafka, Supervisor], made: tuple[str, Pool]
    ) -> None:
        broker, supervisor = own
        ground = await prepare(broker.bootstrap, *made)

        async with ground.running():
            sending = asyncio.create_task(_send_steadily(ground, 400))
            await until(lambda: ground.handled(50), seconds=30)
            await asyncio.to_thread(supervisor.hold_down, "kafka")
            await asyncio.sleep(2)
            await asyncio.to_thread(supervisor.restart, "kafka")
            count = len(await ground.numbers())
            await until(lambda: ground.handled(count + 1), seconds=10)
            await ground.send(*(happened(number=1_000 + number) for number in range(100)))
            await sending
            await until(lambda: ground.handled(500), seconds=30)
            await until(ground.said_all, seconds=10)

        found = await ground.numbers()
        assert sorted(found) == [*range(400), *range(1_000, 1_100)]
        assert [number for number in found if number >= 1_000] == list(range(1_000, 1_100))
        told = [Envelope.read(one.headers).id for one in await ground.read(OUTCOMES)]
        assert len(set(told)) == 500

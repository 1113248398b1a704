"""The subscriber on a real Kafka, tested once for all services: the road, poison, refusals to start."""

from __future__ import annotations

import asyncio
import contextlib
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import httpx
import pytest
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Producer
from faststream.asgi import AsgiFastStream

from contracts.catalog import TOPICS
from contracts.message import Envelope
from shared import arrivals, database, health, outbox, service, topics
from shared.database import Connection, Pool
from shared.errors import Unavailable
from shared.messaging import Handlers
from shared.outbox import Outbox, Row
from shared.records import Stored
from shared.service import Running
from shared.topics import WrongTopics
from tests.chassis_service import CATALOGUE, Happened, handlers_for, happened
from tests.infrastructure import until
from tests.service.chassis.ground import EVENTS, OUTCOMES, Ground
from tests.service.conftest import Deliver


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

    async def test_what_waits_is_tried_again_as_soon_as_the_database_is_back(
        self, ground: Ground, postgres: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However long a partition would wait by itself."""
        monkeypatch.setattr(arrivals, "WAIT_SECONDS_MIN", 120.0)
        event = Deliver(handlers_for(ground.group), ground.pool).record(happened(number=1))

        async with ground.running() as running:
            async with _shut(postgres.url(), ground.pool):
                await ground.write(event)
                await until(lambda: running.arrivals.waiting, seconds=30)
                await asyncio.sleep(2 * service.WATCH_SECONDS + 1)
            await until(lambda: ground.handled(1), seconds=15)

        assert await ground.numbers() == [1]


@contextlib.asynccontextmanager
async def _shut(admin: str, pool: Pool) -> AsyncIterator[None]:
    """A database that lets nobody in."""
    name = await pool.fetchval("SELECT current_database()")
    conn = await asyncpg.connect(admin)
    try:
        await conn.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        try:
            yield
        finally:
            await conn.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    finally:
        await conn.close()
    await pool.expire_connections()


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

    async def test_the_largest_record_that_a_topic_takes_is_buried_whole(self, ground: Ground) -> None:
        """The copy says more than the record did, so its topic and the relay take more."""
        good = _record(ground, happened(number=1, thing=3))

        async with ground.running():
            size = await _write_largest(ground, replace(good, key=b"k", headers=[]))
            await ground.write(good)
            await until(lambda: ground.handled(1), seconds=30)
            await until(ground.said_all, seconds=30)

        assert size > 8 * 1024 * 1024 - 1_000
        assert [len(one.value) for one in await ground.read(f"{EVENTS}-dead")] == [size]
        assert await ground.pool.fetchval("SELECT count(*) FROM outbox_refused") == 0

    async def test_the_largest_message_that_may_be_said_is_heard(self, ground: Ground) -> None:
        room = outbox.ROW_BYTES_MAX - outbox.Outbox()._row(happened(number=1)).bytes

        async with ground.running():
            await ground.send(happened(number=1, text="x" * (room - 100)))
            await until(lambda: ground.handled(1), seconds=30)

        assert room > 7 * 1024 * 1024 - 10_000

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

    @pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
    async def test_a_record_is_read_however_its_sender_compressed_it(
        self, ground: Ground, compression: str
    ) -> None:
        good = _record(ground, happened(number=1, thing=3))
        sender = Producer({"bootstrap.servers": ground.kafka, "compression.type": compression})
        sender.produce(EVENTS, good.value, good.key, headers=list(good.headers))
        await asyncio.to_thread(sender.flush, 10)

        async with ground.running():
            await until(lambda: ground.handled(1), seconds=30)

    async def test_what_the_broker_never_takes_is_set_aside_and_stops_nobody(self, ground: Ground) -> None:
        key = str(UUID(int=7)).encode()
        too_large = Row(EVENTS, key, [], b"x" * (8 * 1024 * 1024 + 100_000), burial=True)

        async with ground.running():
            async with database.transaction(ground.pool) as conn:
                await outbox.send(conn, happened(number=1))
                await outbox.write(conn, [too_large])
                await outbox.send(conn, happened(number=2))
            await until(lambda: ground.handled(2), seconds=30)

        assert await ground.numbers() == [1, 2]
        refused = await ground.pool.fetch("SELECT topic, error FROM outbox_refused")
        assert [tuple(row) for row in refused] == [(EVENTS, "MessageSizeTooLargeError")]


async def _write_largest(ground: Ground, record: Stored) -> int:
    """Write the largest value that the broker takes with this record, and say how large it was."""
    for size in range(8 * 1024 * 1024 - 64, 0, -16):
        with contextlib.suppress(MessageSizeTooLargeError):
            await ground.write(replace(record, value=b"x" * size))
            return size
    raise AssertionError("the broker takes nothing")


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


class TestHealth:
    async def test_a_stop_lets_the_batch_in_hand_end_and_commits_it(self, ground: Ground) -> None:
        begun = asyncio.Event()
        handlers = _slow(ground, begun, seconds=1.5)
        before = await ground.committed(EVENTS)

        async with ground.running(handlers=handlers):
            await ground.send(happened(number=1))
            await begun.wait()

        assert await ground.numbers() == [1]
        assert await ground.committed(EVENTS) == before + 1

    async def test_a_batch_that_never_ends_is_no_life_and_all_else_is_said(
        self, ground: Ground, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "BATCH_SECONDS_MAX", 0.3)
        begun = asyncio.Event()

        async with (
            ground.running(handlers=_slow(ground, begun, seconds=3)) as running,
            asking(running) as client,
        ):
            well = [(await client.get(f"/health/{one}")).status_code for one in ("live", "ready")]
            await ground.send(happened(number=1))
            await begun.wait()
            await asyncio.sleep(0.5)
            stuck = await client.get("/health/live")
            metrics = (await client.get("/metrics")).text

        assert well == [200, 200]
        assert (stuck.status_code, stuck.json()) == (503, {"status": "failing", "stuck": ["batch"]})
        age = re.search(r"^recepta_oldest_unhandled_message_seconds (.+)$", metrics, re.M)
        assert age is not None
        assert float(age.group(1)) > 0.4

    async def test_without_its_database_a_service_is_not_ready_and_alive(self, ground: Ground) -> None:
        async with ground.running() as running:
            running.pool.terminate()
            async with asking(running) as client:
                ready = await client.get("/health/ready")
                live = await client.get("/health/live")

        assert (ready.status_code, ready.json()["lacking"]) == (503, ["database"])
        assert live.status_code == 200


def _slow(ground: Ground, begun: asyncio.Event, *, seconds: float) -> Handlers:
    handlers = Handlers(ground.group)

    @handlers.on(Happened)
    async def on_happened(event: Happened, conn: Connection, outbox: Outbox) -> None:
        begun.set()
        await asyncio.sleep(seconds)
        await conn.execute(
            "INSERT INTO effect (thing, what, number) VALUES ($1, $2, $3)",
            event.prescription_id,
            event.what,
            event.number,
        )

    return handlers


@asynccontextmanager
async def asking(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A client of what the service serves."""
    app = AsgiFastStream(running.broker, asgi_routes=health.routes(running))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chassis") as client:
        yield client


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

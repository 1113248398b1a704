"""What the chassis's own tests stand on: a broker, a database, and what one can see of them afterwards."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.catalog import TOPICS
from shared import database, outbox, service, topics
from shared.database import Pool
from shared.messaging import Handlers
from shared.records import Stored
from shared.service import Running
from shared.settings import Settings
from tests.chassis_service import CATALOGUE, EFFECTS, Answered, Happened, handlers_for
from tests.infrastructure import until
from tests.service.conftest import Said, said

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
    group = f"chassis-{next(GROUPS)}"
    return Ground(kafka, url, pool, group, await begin_at_the_end(kafka, group))


async def begin_at_the_end(kafka: str, group: str) -> dict[TopicPartition, int]:
    """Have a consumer group begin behind what other tests wrote; gives where that is."""
    begun: dict[TopicPartition, int] = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        for topic in [*CATALOGUE, f"{EVENTS}-dead"]:
            partitions = _partitions(topic)
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            begun |= ends
            await consumer.commit(ends)
    finally:
        await consumer.stop()
    return begun


async def effects(pool: Pool) -> list[str]:
    return [row["what"] for row in await pool.fetch("SELECT what FROM effect ORDER BY place")]


async def numbers(pool: Pool) -> list[int]:
    return [row["number"] for row in await pool.fetch("SELECT number FROM effect ORDER BY place")]


async def answers(pool: Pool) -> list[str]:
    return [one.message.how for one in await said(pool) if isinstance(one.message, Answered)]


async def dead(pool: Pool) -> list[Said]:
    return [one for one in await said(pool) if one.topic.endswith("-dead")]


async def headers_of_dead(pool: Pool) -> dict[str, bytes | None]:
    row = await pool.fetchrow("SELECT headers FROM outbox WHERE topic LIKE '%-dead' ORDER BY seq LIMIT 1")
    assert row is not None
    return dict(outbox.unpack(row["headers"]))

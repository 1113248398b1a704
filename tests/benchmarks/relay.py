"""How many messages a second the relay publishes, beside one that goes row by row, in the same run."""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer

from contracts.catalog import TOPICS
from contracts.prescription_events import PrescriptionChanged
from dev.postgres import Postgres
from shared import database, migrations, outbox, topics
from shared.database import Pool
from shared.outbox import Row
from shared.relay import Relay
from tests.infrastructure import until

TOPIC: Final = PrescriptionChanged.topic
WARM_UP: Final = 2_000
MESSAGES: Final = 20_000
SINGLE_MESSAGES: Final = 500
# An event with the state of a prescription of five items.
VALUE: Final = b"{" + b" " * 2_046 + b"}"
ROWS_AT_ONCE: Final = 1_000
DATABASE: Final = "relay_benchmark"


async def measure(kafka: str, postgres: Postgres) -> dict[str, Any]:
    """Messages a second of both; the relay's bars are 5,000 a second and ten times the other."""
    assert TOPIC in TOPICS
    await topics.create(kafka)
    url = await _made(postgres)
    pool = await database.open_pool(url, max_size=4)
    try:
        await _relayed(pool, kafka, WARM_UP)
        ours = await _relayed(pool, kafka, MESSAGES)
        single = await _row_by_row(pool, kafka, SINGLE_MESSAGES)
    finally:
        await pool.close()
        await _dropped(postgres)
    return {
        "messages_per_second": round(ours),
        "row_by_row_per_second": round(single),
        "times": round(ours / single, 1),
        "bars": {"messages_per_second": 5_000, "times": 10},
    }


async def _relayed(pool: Pool, kafka: str, count: int) -> float:
    await _fill(pool, count)
    relay = Relay(pool, kafka, client="benchmark-relay")
    began = time.perf_counter()
    relay.start()
    await until(lambda: _empty(pool), seconds=120)
    seconds = time.perf_counter() - began
    await relay.stop()
    return count / seconds


async def _empty(pool: Pool) -> bool:
    return not await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")


async def _row_by_row(pool: Pool, kafka: str, count: int) -> float:
    """The plain way: read one row, send it, wait for the broker, delete it."""
    await _fill(pool, count)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    began = time.perf_counter()
    try:
        while row := await pool.fetchrow(
            "SELECT seq, topic, key, headers, value FROM outbox ORDER BY seq LIMIT 1"
        ):
            await producer.send_and_wait(
                row["topic"], row["value"], row["key"], headers=outbox.unpack(row["headers"])
            )
            await pool.execute("DELETE FROM outbox WHERE seq = $1", row["seq"])
        return count / (time.perf_counter() - began)
    finally:
        await producer.stop()


async def _fill(pool: Pool, count: int) -> None:
    headers = [(f"ce_{number}", b"x" * 36) for number in range(11)]
    for start in range(0, count, ROWS_AT_ONCE):
        size = min(ROWS_AT_ONCE, count - start)
        rows = [Row(TOPIC, str(UUID(int=start + one)).encode(), headers, VALUE) for one in range(size)]
        async with database.transaction(pool) as conn:
            await outbox.write(conn, rows)


async def _made(postgres: Postgres) -> str:
    await _dropped(postgres)
    conn = await asyncpg.connect(postgres.url())
    try:
        await conn.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await conn.close()
    await migrations.migrate(postgres.url(DATABASE), "benchmark")
    return postgres.url(DATABASE)


async def _dropped(postgres: Postgres) -> None:
    conn = await asyncpg.connect(postgres.url())
    try:
        await conn.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    finally:
        await conn.close()

"""The relay: one process of a service publishes its outbox in order and deletes what was confirmed."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidMessageError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.partitioner import murmur2

from shared import database, outbox, telemetry
from shared.database import Connection, Pool
from shared.errors import Unavailable

LOCK: Final = 0x7265_6C61  # "rela": one advisory lock in each database
BATCH_MAX: Final = 500
BATCH_BYTES_MAX: Final = 16 * 1024 * 1024
REQUEST_BYTES_MAX: Final = 9 * 1024 * 1024
PRODUCER_BATCH_BYTES: Final = 256 * 1024
SWEEP_SECONDS: Final = 1.0
STANDBY_SECONDS: Final = 0.5
RETRY_SECONDS_MIN: Final = 0.2
RETRY_SECONDS_MAX: Final = 2.0
CONFIRM_SECONDS: Final = 5.0
ABANDON_SECONDS_MAX: Final = 3.0
FINISH_SECONDS_MAX: Final = 5.0
STUCK_SECONDS: Final = 60.0
MEASURE_SECONDS: Final = 5.0
DEPTH_COUNTED_MAX: Final = 100_000
HASHES_KEPT_MAX: Final = 10_000

# What a broker says of one record, whatever the circumstances: no other attempt will fare better.
_NEVER: Final = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidMessageError)

log = structlog.get_logger()


@dataclass(frozen=True)
class _Waiting:
    seq: int
    row: outbox.Row


class Relay:
    """Of all processes of a service one holds the lock and publishes; the others stand by."""

    def __init__(self, pool: Pool, bootstrap: str, *, client: str) -> None:
        self._pool = pool
        self._bootstrap = bootstrap
        self._client = client
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        # Confirmed by the broker and not yet deleted, should the database go away in between.
        self._confirmed: set[int] = set()
        # Rows to publish one by one, after a batch in which something failed.
        self._singly = 0
        self._told: type[Exception] | None = None
        self._measured_at = 0.0
        self._turned_at = time.monotonic()
        self.active = False

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Publish what is there, for at most five seconds, and let another take over."""
        self._stopping = True
        self._wake.set()
        if self._task is None:
            return
        done, _ = await asyncio.wait([self._task], timeout=FINISH_SECONDS_MAX)
        if not done:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def stuck(self) -> bool:
        """Whether nothing has moved for a minute, not even the waiting for a broker or a database."""
        if self._task is None:
            return False
        return self._task.done() or time.monotonic() - self._turned_at > STUCK_SECONDS

    async def _run(self) -> None:
        pause = RETRY_SECONDS_MIN
        while not self._stopping:
            began = time.monotonic()
            try:
                await self._in_office()
            except Exception as error:
                self._tell(error)
                # An office that lasted was a good one: what ended it is news.
                pause = RETRY_SECONDS_MIN if time.monotonic() - began > RETRY_SECONDS_MAX else pause * 2
                await asyncio.sleep(min(pause, RETRY_SECONDS_MAX))
            self._turned_at = time.monotonic()

    def _tell(self, error: Exception) -> None:
        """Once for each outage, not for each attempt during it."""
        if type(error) is not self._told:
            log.warning("relay_interrupted", **telemetry.failure(error))
        self._told = type(error)

    async def _in_office(self) -> None:
        async with self._connection() as conn:
            while not await conn.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                # Waiting in Postgres would hold a snapshot, and keep every dead row of the outbox in place.
                await asyncio.sleep(STANDBY_SECONDS)
                self._turned_at = time.monotonic()
                if self._stopping:
                    return
            await conn.add_listener(outbox.CHANNEL, self._notified)
            async with self._producing() as producer, self._announced():
                await self._empty(conn, producer)

    @contextlib.asynccontextmanager
    async def _connection(self) -> Any:
        async with self._pool.acquire(timeout=database.ACQUIRE_SECONDS_MAX) as conn:
            try:
                yield conn
            finally:
                # With its session go the lock and the listening.
                conn.terminate()

    @contextlib.asynccontextmanager
    async def _producing(self) -> Any:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client,
            acks="all",  # The default confirms what one broker alone has seen.
            enable_idempotence=True,  # The default repeats and reorders when it retries.
            max_request_size=REQUEST_BYTES_MAX,
            max_batch_size=PRODUCER_BATCH_BYTES,
            linger_ms=0,
            partitioner=partition_of,
        )
        try:
            await producer.start()
            # Without a leader it would give up a message in time, and go on with the next of the same key.
            producer._message_accumulator._batch_ttl = math.inf
            yield producer
        finally:
            await _abandon(producer)

    @contextlib.asynccontextmanager
    async def _announced(self) -> Any:
        """This process wakes itself while it is in office; others notify."""
        outbox.relayed_by(self._pool, self._wake.set)
        self.active = True
        self._told = None
        telemetry.relay_active.set(1)
        log.info("relay_active")
        try:
            yield
        finally:
            outbox.relayed_by(self._pool, None)
            self.active = False
            telemetry.relay_active.set(0)

    def _notified(self, *_: object) -> None:
        self._wake.set()

    async def _empty(self, conn: Connection, producer: AIOKafkaProducer) -> None:
        if self._confirmed:
            await self._delete(conn, self._confirmed)
        while True:
            self._turned_at = time.monotonic()
            self._wake.clear()
            waiting = await _next(conn, 1 if self._singly else BATCH_MAX)
            if waiting:
                await self._publish(conn, producer, waiting)
                self._singly = max(0, self._singly - 1)
            await self._measure(conn)
            if len(waiting) >= BATCH_MAX or self._singly or self._wake.is_set():
                continue
            if self._stopping:
                return
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), SWEEP_SECONDS)

    async def _publish(
        self, conn: Connection, producer: AIOKafkaProducer, waiting: Sequence[_Waiting]
    ) -> None:
        sent: list[tuple[_Waiting, asyncio.Future[Any]]] = []
        failed: Exception | None = None
        for one in waiting:
            row = one.row
            try:
                future = await producer.send(row.topic, row.value, row.key, headers=row.headers)
            except KafkaError as error:
                failed = error
                break  # What comes later with this key must not overtake it.
            sent.append((one, future))
        failed = await self._confirmations(sent) or failed
        if self._confirmed:
            await self._delete(conn, self._confirmed)
        if failed is None:
            return
        if len(waiting) == 1 and isinstance(failed, _NEVER):
            await _set_aside(conn, waiting[0], type(failed).__name__)
            return
        # A new producer begins where the first failure was; singly, so that one bad record is found.
        self._singly = len(waiting)
        raise Unavailable(f"the broker refused with {type(failed).__name__}") from failed

    async def _confirmations(self, sent: Sequence[tuple[_Waiting, asyncio.Future[Any]]]) -> Exception | None:
        """Wait for the broker's word on each, however long; gives the first failure."""
        open_futures = {future for _, future in sent}
        while open_futures:
            _, open_futures = await asyncio.wait(open_futures, timeout=CONFIRM_SECONDS)
            self._turned_at = time.monotonic()
        failed: Exception | None = None
        for one, future in sent:
            error = future.exception()
            if error is None:
                self._confirmed.add(one.seq)
                telemetry.of(telemetry.published, one.row.topic).inc()
            elif failed is None and isinstance(error, Exception):
                failed = error
        return failed

    async def _delete(self, conn: Connection, seqs: set[int]) -> None:
        await conn.execute("DELETE FROM outbox WHERE seq = ANY ($1::bigint[])", list(seqs))
        self._confirmed.clear()

    async def _measure(self, conn: Connection) -> None:
        if time.monotonic() - self._measured_at < MEASURE_SECONDS:
            return
        self._measured_at = time.monotonic()
        row = await conn.fetchrow(
            """
            SELECT count(*) AS depth,
                   coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS age
              FROM (SELECT created_at FROM outbox ORDER BY seq LIMIT $1) AS waiting
            """,
            DEPTH_COUNTED_MAX,
        )
        assert row is not None
        telemetry.outbox_depth.set(row["depth"])
        telemetry.outbox_age_seconds.set(row["age"])


# One prescription's messages come a few at a time, and aiokafka hashes in Python.
@lru_cache(HASHES_KEPT_MAX)
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(key: bytes | None, partitions: list[int], available: list[int]) -> int:
    """The partition of a key, as aiokafka's own partitioner and Kafka's choose it."""
    if key is None:
        return random.choice(available or partitions)
    return partitions[_hash(key) % len(partitions)]


async def _next(conn: Connection, count: int) -> list[_Waiting]:
    rows = await conn.fetch(
        """
        SELECT seq, topic, key, headers, value
          FROM (SELECT *,
                       coalesce(sum(octet_length(value)) OVER (
                           ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
                  FROM (SELECT * FROM outbox ORDER BY seq LIMIT $1) AS waiting) AS summed
         WHERE before < $2
         ORDER BY seq
        """,
        count,
        BATCH_BYTES_MAX,
    )
    return [
        _Waiting(
            one["seq"], outbox.Row(one["topic"], one["key"], outbox.unpack(one["headers"]), one["value"])
        )
        for one in rows
    ]


async def _set_aside(conn: Connection, one: _Waiting, error: str) -> None:
    """Keep for an operator what the broker will never take, so that it stops nobody else."""
    log.critical("outbox_refused", seq=one.seq, topic=one.row.topic, error=error)
    await conn.execute(
        """
        WITH refused AS (
            DELETE FROM outbox WHERE seq = $1 RETURNING seq, topic, key, headers, value)
        INSERT INTO outbox_refused (seq, topic, key, headers, value, error)
        SELECT seq, topic, key, headers, value, $2 FROM refused
        """,
        one.seq,
        error,
    )


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Stop without waiting for a broker that may never answer: what is unconfirmed is still in the outbox."""
    sender = producer._sender
    if sender is not None and sender.sender_task is not None:
        sender.sender_task.cancel()
    try:
        await asyncio.wait_for(producer.stop(), ABANDON_SECONDS_MAX)
    except (TimeoutError, KafkaError, OSError, asyncpg.PostgresError):
        with contextlib.suppress(asyncio.TimeoutError, KafkaError, OSError):
            await asyncio.wait_for(producer.client.close(), ABANDON_SECONDS_MAX)

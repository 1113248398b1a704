"""Graves: events that could not be handled, and what came after them with the same key, until replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from contracts.catalog import Topic
from shared import database, errors, outbox, telemetry
from shared.database import Connection
from shared.outbox import Row
from shared.records import Record, Stored, digs_graves, topic_of

FOLLOWS = "follows_a_buried_message"
NOT_KEPT = b"{}"

log = structlog.get_logger()


@dataclass(frozen=True)
class Buried:
    """A record in its grave."""

    seq: int
    record: Stored
    error: str
    buried_at: datetime


async def among(conn: Connection, records: Sequence[Record]) -> bool:
    """Whether any of these follows a buried one."""
    asked = [one for one in records if digs_graves(one.topic)]
    if not asked:
        return False
    found = await conn.fetchval(
        """
        SELECT EXISTS (
               SELECT
                 FROM grave
                 JOIN unnest($1::text[], $2::bytea[]) AS asked (topic, key)
                USING (topic, key))
        """,
        [one.topic for one in asked],
        [one.key or b"" for one in asked],
    )
    return bool(found)


async def holds(conn: Connection, record: Record) -> bool:
    """Whether this record follows a buried one; if so its grave stays as it is until the transaction ends."""
    if not digs_graves(record.topic):
        return False
    return await _lock(conn, record.topic, record.key or b"")


async def _lock(conn: Connection, topic: str, key: bytes) -> bool:
    row = await conn.fetchrow(
        """
        SELECT topic
          FROM grave
         WHERE (topic, key) = ($1, $2)
           FOR UPDATE
        """,
        topic,
        key,
    )
    return row is not None


async def bury(
    conn: Connection, record: Record, *, consumer: str, error: str, client: str | None = None
) -> list[Row]:
    """Keep the record where its kind is kept; gives the copy for its `-dead` topic."""
    if digs_graves(record.topic):
        await _dig(conn, record, error)
    database.after_commit(partial(_mourn, record, error, client))
    return [_copy(record, consumer=consumer, error=error, client=client)]


def _mourn(record: Record, error: str, client: str | None) -> None:
    telemetry.dead_letters.labels(record.topic, error).inc()
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    log.error("buried", error=error, client=client, **place)


async def _dig(conn: Connection, record: Record, error: str) -> None:
    key = record.key or b""
    await conn.execute(
        """
        INSERT INTO grave (topic, key)
        VALUES ($1, $2)
            ON CONFLICT (topic, key) DO NOTHING
        """,
        record.topic,
        key,
    )
    await conn.execute(
        """
        INSERT INTO grave_record (topic, key, partition, record_offset, recorded_at, headers, value, error)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        record.topic,
        key,
        record.partition,
        record.offset,
        datetime.fromtimestamp(max(record.timestamp, 0) / 1000, UTC),
        outbox.pack(record.headers),
        record.value,
        error,
    )


def _copy(record: Record, *, consumer: str, error: str, client: str | None) -> Row:
    topic = topic_of(record)
    headers = list(record.headers)
    if topic is not None and topic.inbound:
        headers = [
            (name, b"removed") if name.lower() == "authorization" else (name, value)
            for name, value in headers
        ]
        if client is not None:
            headers.append(("recepta-client", client.encode()))
    headers += [("recepta-consumer", consumer.encode()), ("recepta-error", error.encode())]
    value = record.value
    if topic is not None and _perishable(topic, record):
        value = NOT_KEPT
        headers.append(("recepta-value", b"removed"))
    # Kafka takes no record without key and value; ours says so with an empty key.
    key = b"" if record.key is None and value is None else record.key
    return Row(f"{record.topic}-dead", key, headers, value, burial=True)


def _perishable(topic: Topic, record: Record) -> bool:
    """Whether its type says that its value must not be kept."""
    types = {value for name, value in record.headers if name == "ce_type"}
    return any(one.perishable and one.ce_type.encode() in types for one in topic.messages)


async def first(conn: Connection, topic: str, key: bytes) -> Buried | None:
    """The record of a grave that comes next; the grave is held until the transaction ends."""
    return await _held(conn, topic, key, None)


async def find(conn: Connection, topic: str, key: bytes, seq: int) -> Buried | None:
    """One record of a grave; the grave is held until the transaction ends."""
    return await _held(conn, topic, key, seq)


async def _held(conn: Connection, topic: str, key: bytes, seq: int | None) -> Buried | None:
    if not await _lock(conn, topic, key):
        return None
    row = await conn.fetchrow(
        """
        SELECT seq, topic, key, partition, record_offset, recorded_at, headers, value, error, buried_at
          FROM grave_record
         WHERE (topic, key) = ($1, $2)
           AND ($3::bigint IS NULL OR seq = $3)
         ORDER BY seq
         LIMIT 1
        """,
        topic,
        key,
        seq,
    )
    if row is None:
        return None
    record = Stored(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["record_offset"],
        timestamp=int(row["recorded_at"].timestamp() * 1000),
        key=row["key"],
        value=row["value"],
        headers=outbox.unpack(row["headers"]),
    )
    return Buried(row["seq"], record, row["error"], row["buried_at"])


async def release(conn: Connection, buried: Buried) -> bool:
    """Take a record out; True if it was the last, and the grave is lifted."""
    topic, key = buried.record.topic, buried.record.key or b""
    await conn.execute("DELETE FROM grave_record WHERE seq = $1", buried.seq)
    lifted = await conn.execute(
        """
        DELETE FROM grave
         WHERE (topic, key) = ($1, $2)
           AND NOT EXISTS (SELECT FROM grave_record WHERE (topic, key) = ($1, $2))
        """,
        topic,
        key,
    )
    return lifted == "DELETE 1"


def told(error: BaseException) -> str:
    """What a grave and a dead letter say of an error: its code, or its class."""
    return errors.code(error)

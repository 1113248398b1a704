"""The outbox: what is to be published, written in the transaction that makes it true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import orjson

from contracts.catalog import TOPICS
from contracts.message import Command, Envelope, Message, headers
from shared import clock, database, ids, telemetry
from shared.database import Connection, Pool
from shared.errors import TooLarge, Unavailable

ROW_BYTES_MAX: Final = 7 * 1024 * 1024
CHANNEL: Final = "outbox"
PUBLISHED_LOOKS_SECONDS: Final = 0.02

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Row:
    """One record to publish. `burial`: it was larger than we may write ourselves, and goes on as it is."""

    topic: str
    key: bytes | None
    headers: Headers
    value: bytes | None
    burial: bool = False

    @cached_property
    def bytes(self) -> int:
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


# Relays active in this process, by the pool whose outbox they empty: woken without a word to Postgres.
_relays: dict[Pool, Callable[[], None]] = {}


# Pools that fill the same outbox as another one, as another role.
_filled: dict[Pool, Pool] = {}


class Outbox:
    """The outbox of the message in hand: it knows its cause, and is written with all others of the batch."""

    def __init__(self, cause: Envelope | None = None, *, traceparent: str | None = None) -> None:
        self._cause = cause
        self._traceparent = traceparent or (cause.traceparent if cause else None)
        self.rows: list[Row] = []

    @property
    def cause(self) -> Envelope:
        if self._cause is None:
            raise LookupError("nothing caused this: it began here")
        return self._cause

    def announce(self, *messages: Message) -> None:
        """To be published, in this order, when the transaction commits. Raises TooLarge above 7 MiB."""
        for message in messages:
            self.rows.append(self._row(message))

    def _row(self, message: Message, *, correlation: str | None = None, source: str | None = None) -> Row:
        cause = self._cause
        correlation = correlation or (cause.correlationid if cause else None)
        if correlation is None and isinstance(message, Command):
            correlation = str(message.request_id)
        topic = TOPICS.get(message.topic)
        # What strangers read says nothing of what led to it, or for whom.
        public = topic is not None and topic.public
        named = headers(
            id=str(ids.new()),
            type=message.ce_type,
            source=source or message.source,
            subject=message.subject,
            time=clock.now(),
            correlationid=None if public else correlation,
            causationid=None if public or cause is None else cause.id,
            tenantid=None if public else message.tenant,
            traceparent=self._traceparent or telemetry.traceparent(),
        )
        row = Row(message.topic, message.key.encode(), named, message.to_json())
        if row.bytes > ROW_BYTES_MAX:
            raise TooLarge(f"{message.ce_type} of {row.bytes} bytes is above {ROW_BYTES_MAX}")
        return row


async def send(
    conn: Connection,
    *messages: Message,
    source: str | None = None,
    correlation: str | None = None,
    traceparent: str | None = None,
) -> None:
    """Announce outside a handler: an HTTP request, a clock, a command of an operator."""
    said = rows(*messages, source=source, correlation=correlation, traceparent=traceparent)
    await write(conn, said)


def rows(
    *messages: Message,
    source: str | None = None,
    correlation: str | None = None,
    traceparent: str | None = None,
) -> list[Row]:
    """What `send` would write, to be written with others'. Raises TooLarge."""
    outbox = Outbox(traceparent=traceparent)
    return [outbox._row(one, correlation=correlation, source=source) for one in messages]


async def write(conn: Connection, rows: Sequence[Row]) -> None:
    """All that a transaction has to say, in one statement, and a relay woken when it commits."""
    if not rows:
        return
    for row in rows:
        if not row.burial and row.bytes > ROW_BYTES_MAX:
            raise TooLarge(f"a message of {row.bytes} bytes for {row.topic} is above {ROW_BYTES_MAX}")
    await conn.execute(
        """
        INSERT INTO outbox (topic, key, headers, value)
        SELECT topic, key, headers, value
          FROM unnest($1::text[], $2::bytea[], $3::text[], $4::bytea[])
               WITH ORDINALITY AS said (topic, key, headers, value, place)
         ORDER BY place
        """,
        [row.topic for row in rows],
        [row.key for row in rows],
        [pack(row.headers) for row in rows],
        [row.value for row in rows],
    )
    await _wake(conn)


async def _wake(conn: Connection) -> None:
    pool = database.pool_in_use()
    wake = _relays.get(_filled.get(pool, pool)) if pool is not None else None
    if wake is not None and database.after_commit(wake):
        return
    # The relay is another process. A notification makes commits queue: sent only when nothing else will do.
    await conn.execute(f"NOTIFY {CHANNEL}")


async def until_published(pool: Pool, *, seconds_max: float) -> None:
    """Wait until all that the outbox holds now is published: others go in between. Raises Unavailable."""
    until = time.monotonic() + seconds_max
    newest = await _asked(pool, "SELECT coalesce(max(seq), 0) FROM outbox")
    while await _asked(pool, "SELECT EXISTS (SELECT FROM outbox WHERE seq <= $1)", newest):
        if time.monotonic() > until:
            raise Unavailable("the relay has not published the last piece yet")
        await asyncio.sleep(PUBLISHED_LOOKS_SECONDS)


async def _asked(pool: Pool, query: str, *values: object) -> object:
    async with database.transaction(pool) as conn:
        return await conn.fetchval(query, *values)


def relayed_by(pool: Pool, wake: Callable[[], None] | None) -> None:
    """Say that the relay of this pool's outbox runs in this process, or no longer does."""
    if wake is None:
        _relays.pop(pool, None)
    else:
        _relays[pool] = wake


@contextmanager
def filled_by(pool: Pool, *, relayed_with: Pool) -> Iterator[None]:
    """Say that transactions of one pool fill the outbox which another pool's relay empties."""
    _filled[pool] = relayed_with
    try:
        yield
    finally:
        del _filled[pool]


def pack(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """Headers as one text that keeps every byte: JSON, each byte of a value one character."""
    pairs = [(name, None if value is None else value.decode("latin-1")) for name, value in headers]
    return orjson.dumps(pairs).decode()


def unpack(headers: str) -> list[tuple[str, bytes | None]]:
    return [
        (name, None if value is None else value.encode("latin-1")) for name, value in orjson.loads(headers)
    ]

"""What tests of one service use: records handed to `Delivery`, and what the outbox holds."""

from __future__ import annotations

import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from contracts.catalog import TOPICS
from contracts.message import Envelope, Message, named
from shared import clock, database, outbox
from shared.database import Pool
from shared.messaging import Delivery, Handlers, Place
from shared.outbox import Outbox
from shared.records import Record, Stored
from tests.infrastructure import Database

PARTITION = 0


@dataclass(frozen=True)
class Said:
    """A message in the outbox, read back from its bytes as its consumers will read it."""

    topic: str
    ce_type: str
    message: Message | bytes | None
    envelope: Envelope | None


@dataclass
class Deliver:
    """`await Deliver(handlers, pool)(message, …)`: one batch, as `bring` would hand it over."""

    handlers: Handlers
    pool: Pool
    waits: dict[Place, int] = field(default_factory=dict)
    _offsets: itertools.count[int] = field(default_factory=itertools.count)

    async def __call__(self, *messages: Message | Record) -> None:
        records = [self.record(one) if isinstance(one, Message) else one for one in messages]
        self.waits = await Delivery(self.handlers, self.pool).run(records)

    def record(self, message: Message) -> Stored:
        """The record that its producer would make of a message."""
        made = Outbox()
        made.announce(message)
        (row,) = made.rows
        return Stored(
            topic=row.topic,
            partition=PARTITION,
            offset=next(self._offsets),
            timestamp=int(clock.now().timestamp() * 1000),
            key=row.key,
            value=row.value,
            headers=row.headers,
        )


async def said(pool: Pool) -> list[Said]:
    """All that the outbox holds, in order."""
    rows = await pool.fetch("SELECT topic, headers, value FROM outbox ORDER BY seq")
    return [_said(row["topic"], row["headers"], row["value"]) for row in rows]


def _said(topic: str, headers: str, value: bytes | None) -> Said:
    envelope = None if topic.endswith("-dead") else Envelope.read(outbox.unpack(headers))
    known = named(TOPICS[topic].messages) if topic in TOPICS else {}
    if envelope is None or value is None or envelope.type not in known:
        return Said(topic, envelope.type if envelope else "", value, envelope)
    return Said(topic, envelope.type, known[envelope.type].model_validate_json(value), envelope)


def kinds(found: Sequence[Said]) -> list[str]:
    """The message classes, for tests that are about what was said and not about its content."""
    return [type(one.message).__name__ for one in found]


@pytest.fixture
async def open_pool(
    database: Callable[[str], Awaitable[Database]],
) -> AsyncIterator[Callable[..., Awaitable[Pool]]]:
    """`await open_pool("prescription")`: a pool on a migrated database of this test's own."""
    opened: list[Pool] = []

    async def make(service: str, *, role: str | None = None, max_size: int = 5) -> Pool:
        made = await database(service)
        opened.append(await open_pool_at(made.url, role=role, max_size=max_size))
        return opened[-1]

    yield make
    for pool in opened:
        await pool.close()


async def open_pool_at(url: str, *, role: str | None = None, max_size: int = 5) -> Pool:
    return await database.open_pool(url, role=role, max_size=max_size)


# Each reconnect is a line of its own there, thousands in a test that restarts a broker.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

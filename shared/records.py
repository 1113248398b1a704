"""A record as Kafka brought it, and as a handler can use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from contracts.catalog import TOPICS, Topic
from contracts.message import Command, Envelope


class Record(Protocol):
    """What the chassis uses of aiokafka's ConsumerRecord."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


@dataclass(frozen=True)
class Stored:
    """A record that was kept, byte for byte."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Arrived:
    """A record of a topic that outsiders write; `timestamp` is when the broker appended it."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    key: bytes | None
    envelope: Envelope
    headers: Mapping[str, str]
    value: bytes
    record: Record
    """As it came, byte for byte."""


def arrived(record: Record, envelope: Envelope) -> Arrived:
    headers: dict[str, str] = {}
    for name, value in record.headers:
        if value is not None:
            headers.setdefault(name, value.decode("utf-8", errors="replace"))
    return Arrived(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        key=record.key,
        envelope=envelope,
        headers=headers,
        value=record.value or b"",
        record=record,
    )


def place(record: Record) -> str:
    """Topic, partition and offset: an id for what has no other that we may trust."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def topic_of(record: Record) -> Topic | None:
    return TOPICS.get(record.topic)


def digs_graves(topic: str) -> bool:
    """Whether what follows a buried record of this topic waits for it: events do.

    A command is answered instead, an outsider holds up nobody, of a compacted key the latest record says all.
    """
    known = TOPICS.get(topic)
    if known is None:
        return True
    commands = any(issubclass(one, Command) for one in known.messages)
    return not (commands or known.inbound or known.compacted)

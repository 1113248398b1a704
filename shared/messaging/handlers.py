"""Handlers: which function handles what."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from contracts.message import Command, Envelope, Message
from shared.database import Connection
from shared.errors import Rejected
from shared.outbox import Outbox
from shared.records import Record, arrived

Handler: TypeAlias = Callable[..., Awaitable[None]]
F = TypeVar("F", bound=Handler)


@dataclass(frozen=True)
class Registered:
    function: Handler
    message: type[Message] | None
    extra: str | None

    async def call(self, one: InHand, conn: Connection, outbox: Outbox) -> None:
        first = arrived(one.record, one.envelope) if self.message is None else one.message
        if self.extra == "envelope":
            await self.function(first, conn, outbox, envelope=one.envelope)
        elif self.extra == "record":
            await self.function(first, conn, outbox, record=arrived(one.record, one.envelope))
        else:
            await self.function(first, conn, outbox)


@dataclass(frozen=True)
class InHand:
    """A record that has a handler: read, and named for the inbox (None: it takes no place there)."""

    record: Record
    envelope: Envelope
    message: Message | None
    inbox_id: str | None
    handler: Registered

    @property
    def type(self) -> str:
        """For counters: never a stranger's text, of which there is no end."""
        return self.record.topic if self.handler.message is None else self.handler.message.ce_type


class Handlers:
    """What a service does when asked, or told. Registering hands a function back untouched."""

    def __init__(self, service: str, *, refusal: type[Exception] | tuple[type[Exception], ...] = ()) -> None:
        self.service = service
        self.refusals: tuple[type[Exception], ...] = (
            Rejected,
            *(refusal if isinstance(refusal, tuple) else (refusal,)),
        )
        self._by_type: dict[tuple[str, str], Registered] = {}
        self._by_topic: dict[str, Registered] = {}
        self._hold: Callable[[Connection, Sequence[Message]], Awaitable[None]] | None = None
        self._settle: Callable[[Connection], Awaitable[None]] | None = None
        self._refused: Handler | None = None
        self._replayed: Handler | None = None

    def on(self, message: type[Message]) -> Callable[[F], F]:
        """Handle a message: async (message, conn, outbox), with `envelope` or `record` if it names one."""

        def register(function: F) -> F:
            place = (message.topic, message.ce_type)
            if place in self._by_type:
                raise ValueError(f"{message.__name__} has a handler already")
            self._by_type[place] = Registered(function, message, _extra(function))
            return function

        return register

    def on_record(self, topic: str) -> Callable[[F], F]:
        """Handle every record of a topic that outsiders write: async (record: Arrived, conn, outbox)."""

        def register(function: F) -> F:
            if topic in self._by_topic:
                raise ValueError(f"{topic} has a handler already")
            self._by_topic[topic] = Registered(function, None, None)
            return function

        return register

    def hold(self, function: F) -> F:
        """Lock what these messages are about, in one order for all: async (conn, messages)."""
        self._hold = function
        return function

    def settle(self, function: F) -> F:
        """Write down together what the handlers of a batch have decided: async (conn), at its end."""
        self._settle = function
        return function

    def refused(self, function: F) -> F:
        """Answer a command that is refused or given up: async (command, error, conn, outbox)."""
        self._refused = function
        return function

    def replayed(self, function: F) -> F:
        """Say in the history that a message was handled late: async (message, conn, outbox)."""
        self._replayed = function
        return function

    @property
    def topics(self) -> frozenset[str]:
        return frozenset(topic for topic, _ in self._by_type) | frozenset(self._by_topic)

    @property
    def messages(self) -> frozenset[type[Message]]:
        return frozenset(one.message for one in self._by_type.values() if one.message is not None)

    def find(self, topic: str, ce_type: str) -> Registered | None:
        return self._by_topic.get(topic) or self._by_type.get((topic, ce_type))

    async def take_hold(self, conn: Connection, messages: Sequence[Message]) -> None:
        if self._hold is not None and messages:
            await self._hold(conn, messages)

    async def settled(self, conn: Connection) -> None:
        if self._settle is not None:
            await self._settle(conn)

    @property
    def answers(self) -> bool:
        return self._refused is not None

    async def answer(self, command: Command, error: Exception, conn: Connection, outbox: Outbox) -> None:
        if self._refused is not None:
            await self._refused(command, error, conn, outbox)

    async def note_replay(self, message: Message, conn: Connection, outbox: Outbox) -> None:
        if self._replayed is not None:
            await self._replayed(message, conn, outbox)


def _extra(function: Handler) -> str | None:
    named = inspect.signature(function).parameters
    return next((name for name in ("envelope", "record") if name in named), None)

"""From records to handlers: which function handles what, and delivery of a batch together or one by one."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias, TypeVar

import structlog
from pydantic import ValidationError

from contracts.message import Command, Envelope, Message
from contracts.message import Unreadable as UnreadableEnvelope
from shared import database, errors, graves, inbox, outbox, telemetry
from shared.database import Connection, Pool
from shared.errors import GaveUp, Rejected, TooLarge, Unavailable, Unreadable
from shared.outbox import Outbox, Row
from shared.records import Record, arrived, place, topic_of

ATTEMPTS_MAX: Final = 3
ATTEMPT_PAUSE_SECONDS: Final = 0.02

Handler: TypeAlias = Callable[..., Awaitable[None]]
F = TypeVar("F", bound=Handler)
Place: TypeAlias = tuple[str, int]

log = structlog.get_logger()


class Fate(StrEnum):
    """What becomes of a message, run alone, whose handler raised."""

    BURIED = "buried at once; a command is answered"
    WAITS = "its partition waits"
    RETRIED = "three attempts, then buried; a command is answered"


ON_ERROR: Final[Mapping[type[Exception], Fate]] = {
    Rejected: Fate.BURIED,
    errors.Unreadable: Fate.BURIED,
    errors.NotFound: Fate.BURIED,
    errors.Conflict: Fate.BURIED,
    errors.TooLarge: Fate.BURIED,
    errors.GaveUp: Fate.BURIED,
    Unavailable: Fate.WAITS,
    Exception: Fate.RETRIED,
}


@dataclass(frozen=True)
class _Registered:
    function: Handler
    message: type[Message] | None
    extra: str | None

    async def call(self, one: _InHand, conn: Connection, outbox: Outbox) -> None:
        first = arrived(one.record, one.envelope) if self.message is None else one.message
        if self.extra == "envelope":
            await self.function(first, conn, outbox, envelope=one.envelope)
        elif self.extra == "record":
            await self.function(first, conn, outbox, record=arrived(one.record, one.envelope))
        else:
            await self.function(first, conn, outbox)


@dataclass(frozen=True)
class _InHand:
    """A record that has a handler: read, and named for the inbox (None: it takes no place there)."""

    record: Record
    envelope: Envelope
    message: Message | None
    inbox_id: str | None
    handler: _Registered

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
        self._by_type: dict[tuple[str, str], _Registered] = {}
        self._by_topic: dict[str, _Registered] = {}
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
            self._by_type[place] = _Registered(function, message, _extra(function))
            return function

        return register

    def on_record(self, topic: str) -> Callable[[F], F]:
        """Handle every record of a topic that outsiders write: async (record: Arrived, conn, outbox)."""

        def register(function: F) -> F:
            if topic in self._by_topic:
                raise ValueError(f"{topic} has a handler already")
            self._by_topic[topic] = _Registered(function, None, None)
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

    def find(self, topic: str, ce_type: str) -> _Registered | None:
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


class Delivery:
    """Takes records to their handlers: all in one transaction, or, if anything is raised, each in its own."""

    def __init__(self, handlers: Handlers, pool: Pool) -> None:
        self.handlers = handlers
        self.pool = pool

    async def run(self, records: Sequence[Record]) -> dict[Place, int]:
        """Handle what has arrived; gives the partitions that must wait, and the offset each waits at."""
        telemetry.batch_size.observe(len(records))
        if len(records) > 1:
            try:
                await self._in_one_transaction(records)
            except Exception as error:
                log.info("run_singly", messages=len(records), **telemetry.failure(error))
            else:
                return {}
        waits: dict[Place, int] = {}
        for record in records:
            partition = (record.topic, record.partition)
            if partition in waits:
                continue
            try:
                await self._alone(record)
            except Unavailable as error:
                log.warning(
                    "waits", topic=record.topic, partition=record.partition, **telemetry.failure(error)
                )
                waits[partition] = record.offset
        return waits

    async def _in_one_transaction(self, records: Sequence[Record]) -> None:
        read = [one for record in records if (one := self._read(record)) is not None]
        if not read:
            return
        async with database.transaction(self.pool) as conn:
            new = await self._claim(conn, read)
            if await graves.among(conn, [one.record for one in new]):
                raise Rejected("a message of this batch follows a buried one")
            await self._hold(conn, new)
            said: list[Row] = []
            for one in new:
                said += await self._handle(one, conn)
            await self.handlers.settled(conn)
            await outbox.write(conn, said)
        taken = {id(one) for one in new}
        for one in read:
            _count(one.record, one.type, "handled" if id(one) in taken else "known")

    async def _claim(self, conn: Connection, read: Sequence[_InHand]) -> list[_InHand]:
        """Those without effect yet. An id twice in one batch counts once, the first time."""
        ids = {one.inbox_id for one in read if one.inbox_id is not None}
        new = await inbox.claim(conn, ids) if ids else set()
        chosen = []
        for one in read:
            if one.inbox_id is None:
                chosen.append(one)
            elif one.inbox_id in new:
                new.discard(one.inbox_id)
                chosen.append(one)
        return chosen

    async def _hold(self, conn: Connection, new: Iterable[_InHand]) -> None:
        await self.handlers.take_hold(conn, [one.message for one in new if one.message is not None])

    async def _handle(self, one: _InHand, conn: Connection) -> list[Row]:
        started = time.perf_counter()
        with _span(one) as traceparent:
            said = Outbox(one.envelope, traceparent=traceparent)
            try:
                await one.handler.call(one, conn, said)
            except self.handlers.refusals as error:
                # That something is too large shows after the first write: too late to answer in this batch.
                if not self._answerable(one) or isinstance(error, TooLarge):
                    raise
                said = await self._answer(one, error, conn, traceparent)
        telemetry.handler_seconds.labels(one.type).observe(time.perf_counter() - started)
        return said.rows

    def _answerable(self, one: _InHand) -> bool:
        return isinstance(one.message, Command) and self.handlers.answers

    async def _answer(
        self, one: _InHand, error: Exception, conn: Connection, traceparent: str | None
    ) -> Outbox:
        assert isinstance(one.message, Command)
        said = Outbox(one.envelope, traceparent=traceparent)
        await self.handlers.answer(one.message, error, conn, said)
        log.info("refused", request_id=str(one.message.request_id), code=errors.code(error))
        return said

    async def _alone(self, record: Record) -> None:
        """Handle one record, or settle that it cannot be. Raises Unavailable only."""
        error: Exception = Rejected()
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                await self._handled_alone(record)
                return
            except Unavailable:
                raise
            except self.handlers.refusals as refused:
                error = refused
                break
            except Exception as bug:
                error = bug
                log.error("failed", attempt=attempt, **_where(record), **telemetry.failure(bug))
                await asyncio.sleep(ATTEMPT_PAUSE_SECONDS * attempt)
        await self._settle(record, error)

    async def _handled_alone(self, record: Record) -> None:
        one = self._read(record)
        if one is None:
            return
        async with database.transaction(self.pool) as conn:
            if not await self._claim(conn, [one]):
                result = "known"
            elif await graves.holds(conn, record):
                await outbox.write(conn, await self._buried(conn, record, graves.FOLLOWS))
                result = "followed"
            else:
                await self._hold(conn, [one])
                said = await self._handle(one, conn)
                await self.handlers.settled(conn)
                await outbox.write(conn, said)
                result = "handled"
        _count(record, one.type, result)

    async def _settle(self, record: Record, error: Exception) -> None:
        """Answer a command or bury the record, once, whatever brings it again. Raises Unavailable only."""
        one = self._readable(record)
        inbox_id = one.inbox_id if one is not None and one.inbox_id is not None else place(record)
        try:
            await self._settled(record, one, inbox_id, error, answer=True)
        except Unavailable:
            raise
        except Exception as bug:
            # The service cannot even answer. Its client waits, the record is kept.
            log.critical("unanswered", **_where(record), **telemetry.failure(bug))
            await self._settled(record, one, inbox_id, error, answer=False)

    async def _settled(
        self, record: Record, one: _InHand | None, inbox_id: str, error: Exception, *, answer: bool
    ) -> None:
        refused = isinstance(error, self.handlers.refusals)
        async with database.transaction(self.pool) as conn:
            if not await inbox.claim(conn, [inbox_id]):
                return
            said: list[Row] = []
            answered = one is not None and answer and self._answerable(one)
            if one is not None and answered:
                with _span(one) as traceparent:
                    told = error if refused else GaveUp("a command could not be executed")
                    said += (await self._answer(one, told, conn, traceparent)).rows
            if not (answered and refused):
                said += await self._buried(conn, record, graves.told(error), client=_client(error))
            await self.handlers.settled(conn)
            await outbox.write(conn, said)
        _count(record, one.type if one else "", "answered" if answered else "buried")

    async def _buried(
        self, conn: Connection, record: Record, error: str, *, client: str | None = None
    ) -> list[Row]:
        return await graves.bury(conn, record, consumer=self.handlers.service, error=error, client=client)

    async def replay(self, conn: Connection, record: Record) -> None:
        """Handle a record in the transaction that takes it out of its grave; its inbox claim is made."""
        one = self._read(record)
        if one is None:
            return
        await self._hold(conn, [one])
        said = await self._handle(one, conn)
        if one.message is not None:
            late = Outbox(one.envelope)
            await self.handlers.note_replay(one.message, conn, late)
            said += late.rows
        await self.handlers.settled(conn)
        await outbox.write(conn, said)
        _count(record, one.type, "replayed")

    def _readable(self, record: Record) -> _InHand | None:
        try:
            return self._read(record)
        except Unreadable:
            return None

    def _read(self, record: Record) -> _InHand | None:
        """None for what is somebody else's, or newer than we are. Raises Unreadable."""
        try:
            envelope = Envelope.read(record.headers)
        except UnreadableEnvelope as error:
            raise Unreadable(str(error)) from None
        handler = self.handlers.find(record.topic, envelope.type)
        if handler is None:
            _count(record, "", "skipped")
            return None
        return _InHand(record, envelope, _message(handler, record), _inbox_id(record, envelope), handler)


def _message(handler: _Registered, record: Record) -> Message | None:
    if handler.message is None:
        return None
    if record.value is None:
        raise Unreadable("the record has no value")
    try:
        return handler.message.model_validate_json(record.value)
    except ValidationError as error:
        # Pydantic quotes what it read, patients and all: only the kind of what is wrong is kept.
        kind = error.errors(include_input=False, include_url=False, include_context=False)[0]["type"]
        raise Unreadable(f"{handler.message.__name__}: {kind}") from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{handler.message.__name__}: {type(error).__name__}") from None


def _inbox_id(record: Record, envelope: Envelope) -> str | None:
    topic = topic_of(record)
    if topic is not None and topic.compacted:
        return None
    # An outsider's ce_id is the idempotency key of its client: nobody can use up another's.
    return place(record) if topic is not None and topic.inbound else envelope.id


def _span(one: _InHand) -> Any:
    message = one.message
    return telemetry.span(
        one.type,
        one.envelope.traceparent,
        ce_id=one.envelope.id,
        correlationid=one.envelope.correlationid,
        prescription_id=str(found) if (found := getattr(message, "prescription_id", None)) else None,
    )


def _client(error: Exception) -> str | None:
    client = getattr(error, "details", {}).get("client") if isinstance(error, Rejected) else None
    return client if isinstance(client, str) else None


def _where(record: Record) -> dict[str, Any]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def _count(record: Record, ce_type: str, result: str) -> None:
    telemetry.messages_handled.labels(record.topic, ce_type, result).inc()

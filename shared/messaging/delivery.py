"""Delivery: takes records to their handlers, together in one transaction or, if that fails, one by one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any, Final, TypeAlias

import structlog
from pydantic import ValidationError

from contracts.message import Command, Envelope, Message
from contracts.message import Unreadable as UnreadableEnvelope
from shared import database, errors, graves, inbox, outbox, telemetry
from shared.database import Connection, Pool
from shared.errors import GaveUp, Rejected, TooLarge, Unavailable, Unreadable
from shared.messaging.handlers import Handlers, InHand, Registered
from shared.outbox import Outbox, Row
from shared.records import Record, place, topic_of

ATTEMPTS_MAX: Final = 3
ATTEMPT_PAUSE_SECONDS: Final = 0.02

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
    errors.Overloaded: Fate.WAITS,
    Exception: Fate.RETRIED,
}


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

    async def _claim(self, conn: Connection, read: Sequence[InHand]) -> list[InHand]:
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

    async def _hold(self, conn: Connection, new: Iterable[InHand]) -> None:
        await self.handlers.take_hold(conn, [one.message for one in new if one.message is not None])

    async def _handle(self, one: InHand, conn: Connection) -> list[Row]:
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
        telemetry.of(telemetry.handler_seconds, one.type).observe(time.perf_counter() - started)
        return said.rows

    def _answerable(self, one: InHand) -> bool:
        return isinstance(one.message, Command) and self.handlers.answers

    async def _answer(
        self, one: InHand, error: Exception, conn: Connection, traceparent: str | None
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
        self, record: Record, one: InHand | None, inbox_id: str, error: Exception, *, answer: bool
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

    def _readable(self, record: Record) -> InHand | None:
        try:
            return self._read(record)
        except Unreadable:
            return None

    def _read(self, record: Record) -> InHand | None:
        """None for what is somebody else's, or newer than we are. Raises Unreadable."""
        try:
            envelope = Envelope.read(record.headers)
        except UnreadableEnvelope as error:
            raise Unreadable(str(error)) from None
        handler = self.handlers.find(record.topic, envelope.type)
        if handler is None:
            _count(record, "", "skipped")
            return None
        return InHand(record, envelope, _message(handler, record), _inbox_id(record, envelope), handler)


def _message(handler: Registered, record: Record) -> Message | None:
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


def _span(one: InHand) -> AbstractContextManager[str | None]:
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
    telemetry.of(telemetry.messages_handled, record.topic, ce_type, result).inc()

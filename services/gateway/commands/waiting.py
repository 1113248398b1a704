"""Hearing of outcomes without polling: a future for each who waits, LISTEN for what other instances store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog

from services.gateway.messages.answers import Answer
from services.gateway.store import answered, requests
from shared import telemetry
from shared.database import Pool
from shared.errors import Overloaded, Unavailable

CHANNEL: Final = "outcome"
WAITING_MAX: Final = 20_000
FETCHED_AT_ONCE_MAX: Final = 500
RETRY_SECONDS_MIN: Final = 0.1
RETRY_SECONDS_MAX: Final = 2.0
# A connection that died without a word is noticed by asking it for one.
ALIVE_SECONDS: Final = 10.0
CONNECT_SECONDS_MAX: Final = 5.0
START_SECONDS_MAX: Final = 30.0
LOST: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

log = structlog.get_logger()


class Outcomes:
    """The answers that requests of this instance wait for; whichever instance stores one tells all."""

    def __init__(self, owner: Pool, url: str) -> None:
        self._owner = owner
        self._url = url
        self._waiting: dict[UUID, list[asyncio.Future[Answer]]] = {}
        self._heard: set[UUID] = set()
        self._told = asyncio.Event()
        self._listening = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._hearing = ExitStack()

    async def start(self) -> None:
        """Be listening when this returns, so that the first request already hears of its outcome."""
        self._hearing.enter_context(answered.heard_by(self._tell))
        self._tasks = [
            asyncio.create_task(_for_ever(self._listen), name="listen for outcomes"),
            asyncio.create_task(_for_ever(self._fetch), name="fetch outcomes"),
        ]
        try:
            await asyncio.wait_for(self._listening.wait(), START_SECONDS_MAX)
        except TimeoutError:
            await self.stop()
            raise Unavailable("the database does not let us listen") from None

    async def stop(self) -> None:
        self._hearing.close()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    @contextmanager
    def expecting(self, request_id: UUID) -> Iterator[asyncio.Future[Answer]]:
        """A future of this request's answer. Begin to expect before the request is committed, or `look`.

        Raises Overloaded.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise Overloaded("too many clients wait for their outcomes here")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        futures = self._waiting.setdefault(request_id, [])
        futures.append(future)
        try:
            yield future
        finally:
            futures.remove(future)
            if not futures:
                self._waiting.pop(request_id, None)

    def look(self, *request_ids: UUID) -> None:
        """Have these looked up now: their outcome may have come before anybody listened."""
        self._heard.update(request_ids)
        self._told.set()

    def _hear(self, _conn: Any, _pid: int, _channel: str, payload: object) -> None:
        with suppress(ValueError):
            request_id = UUID(str(payload))
            if request_id in self._waiting:
                self.look(request_id)

    async def _fetch(self) -> None:
        """Read what was heard of, all that waits here at once, and hand the answers out."""
        await self._told.wait()
        self._told.clear()
        asked = [one for one in self._heard if one in self._waiting][:FETCHED_AT_ONCE_MAX]
        if len(asked) < FETCHED_AT_ONCE_MAX:
            self._heard.clear()
        else:
            self._heard.difference_update(asked)
            self._told.set()
        if not asked:
            return
        try:
            answers = await requests.answers(self._owner, asked)
        except Exception:
            self.look(*asked)
            raise
        self._tell(answers)

    def _tell(self, answers: Mapping[UUID, Answer]) -> None:
        for request_id, answer in answers.items():
            for future in self._waiting.get(request_id, ()):
                if not future.done():
                    future.set_result(answer)

    async def _listen(self) -> None:
        """Listen on one connection for as long as it lasts; what came before it is looked for."""
        conn = await self._connect()
        try:
            self._listening.set()
            self.look(*self._waiting)
            await _until_lost(conn)
        finally:
            conn.terminate()
        raise Unavailable("the connection that listens is lost")

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        settings = {"application_name": "gateway outcomes"}
        try:
            conn = await asyncpg.connect(self._url, timeout=CONNECT_SECONDS_MAX, server_settings=settings)
            await conn.add_listener(CHANNEL, self._hear)
        except LOST as error:
            raise Unavailable("the database does not answer") from error
        return conn


async def _for_ever(act: Callable[[], Awaitable[None]]) -> None:
    """Act again and again; after a failure of whatever kind later, each time twice as late."""
    pause = RETRY_SECONDS_MIN
    while True:
        begun = time.monotonic()
        try:
            await act()
            pause = RETRY_SECONDS_MIN
        except Exception as error:
            if time.monotonic() - begun > RETRY_SECONDS_MAX:
                pause = RETRY_SECONDS_MIN
            log.warning("outcomes_not_heard", retry_seconds=pause, **telemetry.failure(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_SECONDS_MAX)


async def _until_lost(conn: asyncpg.Connection[asyncpg.Record]) -> None:
    """Return when this connection is no longer one."""
    lost = asyncio.Event()
    conn.add_termination_listener(lambda _: lost.set())
    while not lost.is_set():
        try:
            await asyncio.wait_for(lost.wait(), ALIVE_SECONDS)
        except TimeoutError:
            try:
                await conn.execute("SELECT 1", timeout=CONNECT_SECONDS_MAX)
            except LOST:
                return

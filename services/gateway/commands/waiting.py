"""Hearing of outcomes without polling: one LISTEN connection an instance, a future for each who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog

from services.gateway.messages.answers import Answer
from services.gateway.store import requests
from shared.database import Pool
from shared.errors import Unavailable

CHANNEL: Final = "outcome"
WAITING_MAX: Final = 20_000
FETCHED_AT_ONCE_MAX: Final = 500
RECONNECT_SECONDS_MIN: Final = 0.1
RECONNECT_SECONDS_MAX: Final = 2.0
# A connection that died without a word is noticed by asking it for one.
ALIVE_SECONDS: Final = 10.0
CONNECT_SECONDS_MAX: Final = 5.0

log = structlog.get_logger()


class Outcomes:
    """The answers that requests of this instance wait for; whichever instance stores one tells all."""

    def __init__(self, owner: Pool, url: str) -> None:
        self._owner = owner
        self._url = url
        self._waiting: dict[UUID, list[asyncio.Future[Answer]]] = {}
        self._heard: set[UUID] = set()
        self._told = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Be listening when this returns, so that the first request already hears of its outcome."""
        conn = await self._connect()
        self._tasks = [
            asyncio.create_task(self._listen(conn), name="listen for outcomes"),
            asyncio.create_task(self._fetch(), name="fetch outcomes"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    @property
    def full(self) -> bool:
        return len(self._waiting) >= WAITING_MAX

    @contextmanager
    def expecting(self, request_id: UUID) -> Iterator[asyncio.Future[Answer]]:
        """A future of this request's answer. Begin to expect before the request is committed, or `look`."""
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
        while True:
            await self._told.wait()
            self._told.clear()
            asked = [one for one in self._heard if one in self._waiting][:FETCHED_AT_ONCE_MAX]
            if len(asked) < FETCHED_AT_ONCE_MAX:
                self._heard.clear()
            else:
                self._heard.difference_update(asked)
                self._told.set()
            if not asked:
                continue
            try:
                answers = await requests.answers(self._owner, asked)
            except Unavailable:
                await asyncio.sleep(RECONNECT_SECONDS_MIN)
                self.look(*asked)
                continue
            for request_id, answer in answers.items():
                for future in self._waiting.get(request_id, ()):
                    if not future.done():
                        future.set_result(answer)

    async def _listen(self, conn: asyncpg.Connection[asyncpg.Record]) -> None:
        pause = RECONNECT_SECONDS_MIN
        while True:
            try:
                self.look(*self._waiting)
                await _until_lost(conn)
                pause = RECONNECT_SECONDS_MIN
            finally:
                conn.terminate()
            while True:
                log.warning("outcomes_not_heard", retry_seconds=pause)
                await asyncio.sleep(pause)
                try:
                    conn = await self._connect()
                    break
                except Unavailable:
                    pause = min(pause * 2, RECONNECT_SECONDS_MAX)

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        settings = {"application_name": "gateway outcomes"}
        try:
            conn = await asyncpg.connect(self._url, timeout=CONNECT_SECONDS_MAX, server_settings=settings)
            await conn.add_listener(CHANNEL, self._hear)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unavailable("the database does not answer") from error
        return conn


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
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return

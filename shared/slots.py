"""Slots: which of `prescription-0`, `prescription-1` … a process is, where nobody has said so."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import asyncpg
import structlog

from shared.errors import Unavailable

AUTO: Final = "auto"
SLOTS_MAX: Final = 64
LOCK: Final = 0x736C_6F74  # "slot": the first half of a pair, the second is the number
CHECK_SECONDS: Final = 1.0

log = structlog.get_logger()


class Slot:
    """The lowest number that no other process of the service holds, held by a session of its own.

    A restart takes the number that its predecessor left: the consumer group sees the same member again.
    """

    def __init__(self, url: str, service: str) -> None:
        self._url = url
        self._service = service
        self._conn: asyncpg.Connection[asyncpg.Record] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.number: int | None = None

    async def take(self) -> str:
        """The name of the slot. Raises Unavailable when all are taken or the database does not answer."""
        try:
            conn = await self._connect()
            for number in range(SLOTS_MAX):
                if await conn.fetchval("SELECT pg_try_advisory_lock($1, $2)", LOCK, number):
                    self.number = number
                    self._keeper = asyncio.get_running_loop().create_task(self._keep(number))
                    return f"{self._service}-{number}"
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unavailable("the database does not answer") from error
        raise Unavailable("all slots are taken")

    async def leave(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._conn is not None:
            await self._conn.close()

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        self._conn = await asyncpg.connect(
            self._url, server_settings={"application_name": f"{self._service} slot"}
        )
        return self._conn

    async def _keep(self, number: int) -> None:
        """Take the same number again after an outage of the database."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            assert self._conn is not None
            if not self._conn.is_closed():
                continue
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                conn = await self._connect()
                if not await conn.fetchval("SELECT pg_try_advisory_lock($1, $2)", LOCK, number):
                    log.critical("slot_taken_by_another", slot=number)

"""Slots: which of `prescription-0`, `prescription-1` … a process is, and that no two are the same."""

from __future__ import annotations

import asyncio
import contextlib
import re
import zlib
from collections.abc import Iterable
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
    """A number that no other process of the service holds, held by a session of its own.

    Where none is named it is the lowest free one: a restart takes what its predecessor left, and the consumer
    group sees the same member again. Two processes in one slot would take it from each other for ever.
    """

    def __init__(self, url: str, service: str) -> None:
        self._url = url
        self._service = service
        self._conn: asyncpg.Connection[asyncpg.Record] | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def take(self, instance: str) -> str:
        """The name of the slot. Raises Unavailable while it is taken, or the database does not answer."""
        auto = instance == AUTO
        numbers = range(SLOTS_MAX) if auto else [_number(instance)]
        try:
            number = await self._first_free(numbers)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unavailable("the database does not answer") from error
        if number is None:
            raise Unavailable(f"another process is {'in each slot' if auto else instance}")
        self._keeper = asyncio.get_running_loop().create_task(self._keep(number))
        return f"{self._service}-{number}" if auto else instance

    async def leave(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._conn is not None:
            await self._conn.close()

    async def _first_free(self, numbers: Iterable[int]) -> int | None:
        if self._conn is None or self._conn.is_closed():
            application = f"{self._service} slot"
            self._conn = await asyncpg.connect(self._url, server_settings={"application_name": application})
        for number in numbers:
            if await self._conn.fetchval("SELECT pg_try_advisory_lock($1, $2)", LOCK, number):
                return number
        return None

    async def _keep(self, number: int) -> None:
        """Take the same number again after an outage of the database."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            if self._conn is not None and not self._conn.is_closed():
                continue
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if await self._first_free([number]) is None:
                    log.critical("slot_taken_by_another", slot=number)


def _number(instance: str) -> int:
    found = re.search(r"-(\d{1,4})$", instance)
    return int(found.group(1)) if found else SLOTS_MAX + zlib.crc32(instance.encode()) % 1_000_000

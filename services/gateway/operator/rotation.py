"""Changing the key of what is at rest, while the gateway serves: begun again, it goes on where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from services.gateway.operator.provisioning import note_of_installation
from services.gateway.store import data_keys
from services.gateway.store.at_rest import PLACES, Column
from shared import clock, database
from shared.database import Pool
from shared.errors import Unavailable

ATTEMPTS_MAX: Final = 10
RETRY_SECONDS: Final = 0.5
ROUNDS_MAX: Final = 100

Say = Callable[[str], None]
Sleep = Callable[[float], Awaitable[object]]


async def rotate(pool: Pool, data_key: str, *, say: Say, sleep: Sleep = asyncio.sleep) -> None:
    """Put every value under a new key, or under that of a rotation which was interrupted.

    Raises Unavailable when the database stays away; what was moved stays moved.
    """
    async with database.transaction(pool) as conn:
        key_id, used_from = await data_keys.newest(conn, data_key, now=clock.now())
        left = await data_keys.left(conn, key_id)
        await note_of_installation(conn, "data_key_rotation_begun", str(key_id))
    await _wait(used_from, key_id, say, sleep)
    say(f"data key {key_id} is in use; {left} values are under older ones")
    for _ in range(ROUNDS_MAX):
        moved = 0
        for column, table in PLACES:
            moved += await _move_all(pool, data_key, column, table, key_id, say)
        async with database.transaction(pool) as conn:
            left = await data_keys.left(conn, key_id)
            if not left:
                await note_of_installation(conn, "data_key_rotation_finished", str(key_id))
        if not left:
            say(f"no value is left under an older key; those go {data_keys.KEPT_AFTER_USE} after the change")
            return
    raise Unavailable(f"{left} values are still written under an older key: is every instance running?")


async def _wait(used_from: datetime, key_id: int, say: Say, sleep: Sleep) -> None:
    """Until every instance knows the key."""
    seconds = (used_from - clock.now()).total_seconds()
    if seconds > 0:
        say(f"data key {key_id} is made; every instance knows it in {seconds:.0f} s")
        await sleep(seconds)


async def _move_all(pool: Pool, data_key: str, column: Column, table: str, key_id: int, say: Say) -> int:
    after: tuple[int, int] | None = (0, 0)
    moved = 0
    while after is not None:
        count, after = await _move(pool, data_key, column, table, key_id, after)
        moved += count
        if count:
            say(f"{table}.{column.name}: {moved} moved")
    return moved


async def _move(
    pool: Pool, data_key: str, column: Column, table: str, key_id: int, after: tuple[int, int]
) -> tuple[int, tuple[int, int] | None]:
    """One batch; a batch that meets the handlers' locks the wrong way round is tried again."""
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            async with database.transaction(pool) as conn:
                # Nothing is sealed under keys that were read too long ago, and many batches take long.
                await data_keys.read(conn, data_key, now=clock.now())
                return await data_keys.move(conn, column, table, key_id, after)
        except Unavailable:
            if attempt == ATTEMPTS_MAX:
                raise
            await asyncio.sleep(RETRY_SECONDS)
    raise AssertionError("the last attempt returns or raises")

"""Rebuilding the read views while the gateway serves: begun here, done by the services, followed at will."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

from contracts.rebuilding import AnnounceAgain
from services.gateway.operator.provisioning import note_of_installation
from services.gateway.store import rebuilds
from services.gateway.store.rebuilds import Rebuild
from shared import clock, database, ids, outbox
from shared.database import Pool
from shared.errors import Rejected, Unavailable

LOOKS_SECONDS: Final = 1.0
LOOKS_MAX: Final = 6 * 3600
NAMED_MAX: Final = 20

Say = Callable[[str], None]
Sleep = Callable[[float], Awaitable[object]]


async def begin(pool: Pool, *, again: bool, say: Say) -> UUID:
    """Have everything announced again, from this commit on. Raises Rejected while a rebuild is under way.

    Begun `again`, the one under way is given up, and what is still announced for it counts for nothing.
    """
    rebuild_id = ids.new()
    async with database.transaction(pool) as conn:
        if again and await rebuilds.abandon(conn, now=clock.now()):
            say("the rebuild under way is given up")
        await rebuilds.begin(conn, rebuild_id, now=clock.now())
        await note_of_installation(conn, "views_rebuild_begun", str(rebuild_id))
        await outbox.send(conn, AnnounceAgain(rebuild_id=rebuild_id))
    say(f"{rebuild_id} begun; reads see the present views until the new ones are whole")
    return rebuild_id


async def wait(pool: Pool, rebuild_id: UUID, *, say: Say, sleep: Sleep = asyncio.sleep) -> None:
    """Until reads see the new views.

    Raises Rejected once it is given up, or waits for nothing but what is buried; Unavailable after six hours.
    """
    last = -1
    for _ in range(LOOKS_MAX):
        found = await rebuilds.find(pool, rebuild_id)
        if found is None or found.outcome == "abandoned":
            raise Rejected(f"the rebuild {rebuild_id} was given up")
        if found.outcome == "done":
            say(f"the views are rebuilt from {found.announced} records")
            return
        if found.arrived != last:
            last = found.arrived
            say(f"{found.arrived} records of {found.announced or 'more'} have arrived")
        elif keys := await rebuilds.buried(pool, rebuild_id):
            raise Rejected(_incomplete(rebuild_id, found, keys))
        await sleep(LOOKS_SECONDS)
    raise Unavailable(f"the rebuild {rebuild_id} goes on; is every service running?")


def _incomplete(rebuild_id: UUID, found: Rebuild, keys: Sequence[bytes]) -> str:
    """What is missing, and the two ways on; reads see the present views all the while."""
    named = ", ".join(key.decode(errors="replace") for key in keys[:NAMED_MAX])
    more = f" and {len(keys) - NAMED_MAX} more" if len(keys) > NAMED_MAX else ""
    return (
        f"the rebuild {rebuild_id} is not whole: {found.arrived} records of {found.announced or 'more'} have "
        f"arrived, and those of {named}{more} are buried. `dead-letters replay` lets it end by itself, "
        "`rebuild-views --again` begins anew; until then reads see the present views"
    )

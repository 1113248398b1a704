"""What the gateway does by the clock: it puts rebuilt views in place when the last of them has arrived."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from services.gateway.store import rebuilds
from services.gateway.store.rebuilds import SWAP
from shared import clock
from shared.database import Connection, Pool, transaction
from shared.errors import Unavailable
from shared.outbox import Outbox
from shared.work import Finish, Job, Works

LOOKS_AGAIN_AFTER: Final = timedelta(seconds=1)
LEASE_SECONDS: Final = rebuilds.VACUUM_SECONDS_MAX * 1.5
ATTEMPTS_MAX: Final = 20
"""In a row; then the row is postponed, and begins again."""
ATTEMPT_SECONDS: Final = 0.2

log = structlog.get_logger()

works = Works("gateway")


@works.on(SWAP, lease_seconds=LEASE_SECONDS)
async def swap(job: Job, pool: Pool) -> Finish:
    """Look whether all has arrived; then swap, and let go of what was read before."""
    rebuild_id = UUID(job.key)
    found = await rebuilds.find(pool, rebuild_id)
    over = found is None or found.outcome is not None
    if found is not None and found.complete and not over:
        await rebuilds.make_ready(pool)
        over = await _swapped(pool, rebuild_id)
    if over:
        async with transaction(pool) as conn:
            await rebuilds.forget_last(conn)

    async def finish(conn: Connection, outbox: Outbox) -> None:
        if not over:
            job.again(at=clock.now() + LOOKS_AGAIN_AFTER)

    return finish


async def _swapped(pool: Pool, rebuild_id: UUID) -> bool:
    """Whether the new views are in place; between attempts whoever waits behind this one reads and writes."""
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            async with transaction(pool) as conn:
                done = await rebuilds.swap(conn, rebuild_id, now=clock.now())
        except Unavailable:
            if attempt == ATTEMPTS_MAX:
                raise
            await asyncio.sleep(ATTEMPT_SECONDS)
        else:
            log.info("views_rebuilt" if done else "views_not_swapped", rebuild=str(rebuild_id))
            return done
    raise AssertionError("the last attempt returns or raises")

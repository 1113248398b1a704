"""Rebuilds of the views: begun, followed, and ended by one transaction that puts the new ones in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.rebuilding import StateAnnounced
from services.gateway.store.generations import LEAVING, REBUILT, SHOWN, VIEWS
from services.gateway.store.reading import reading
from shared import work
from shared.database import Connection, Pool
from shared.errors import Rejected

REBUILD_LOCK: Final = 7165798
"""Shared by whoever writes views (`rebuild_to_fill` of the migration), alone for whoever begins or ends."""
GIVES_WAY_AFTER: Final = "200ms"
"""Reads wait behind a swap that waits for a lock: it rather tries again."""
VACUUM_SECONDS_MAX: Final = 600.0
SWAP: Final = "swap-views"
"""The kind of work that ends a rebuild."""
NOBODY: Final = UUID(int=0)
"""A rebuild belongs to no tenant."""


@dataclass(frozen=True)
class Rebuild:
    """How far a rebuild has come; `announced` is unknown until the end marker has come."""

    rebuild_id: UUID
    begun_at: datetime
    arrived: int
    announced: int | None
    outcome: str | None

    @property
    def complete(self) -> bool:
        return self.announced is not None and self.arrived >= self.announced


async def begin(conn: Connection, rebuild_id: UUID, *, now: datetime) -> None:
    """From this commit on every batch fills both generations. Raises Rejected while one is under way."""
    await _alone(conn)
    present = await under_way(conn)
    if present is not None:
        raise Rejected(
            f"the views are being rebuilt since {present.begun_at:%Y-%m-%d %H:%M:%S} UTC "
            f"({present.arrived} records so far): let it end, or give it up with --again"
        )
    await _empty(conn)
    await conn.execute("INSERT INTO view_rebuild (rebuild_id, begun_at) VALUES ($1, $2)", rebuild_id, now)
    await work.add(conn, kind=SWAP, key=str(rebuild_id), tenant_id=NOBODY, due_at=now)


async def abandon(conn: Connection, *, now: datetime) -> bool:
    """Give up the rebuild under way, if there is one; what it has filled goes when the next begins."""
    await _alone(conn)
    given_up = await conn.fetchval(
        """
        UPDATE view_rebuild
           SET ended_at = $1, outcome = 'abandoned'
         WHERE ended_at IS NULL
        RETURNING true
        """,
        now,
    )
    return bool(given_up)


async def to_fill(conn: Connection) -> UUID | None:
    """The rebuild whose views this transaction fills too; it neither begins nor ends before the commit."""
    rebuild_id: UUID | None = await conn.fetchval("SELECT rebuild_to_fill()")
    return rebuild_id


async def note_arrival(conn: Connection, rebuild_id: UUID, records: int, announced: int | None) -> None:
    """Count announced records that this transaction keeps; `announced`: what the end marker says."""
    if records:
        await conn.execute(
            "INSERT INTO view_rebuild_arrival (rebuild_id, records) VALUES ($1, $2)", rebuild_id, records
        )
    if announced is not None:
        await conn.execute(
            "UPDATE view_rebuild SET announced = $2 WHERE rebuild_id = $1", rebuild_id, announced
        )


async def find(conn: Connection | Pool, rebuild_id: UUID) -> Rebuild | None:
    found = await _read(conn, "rebuild_id = $1", rebuild_id)
    return found[0] if found else None


async def under_way(conn: Connection | Pool) -> Rebuild | None:
    found = await _read(conn, "ended_at IS NULL")
    return found[0] if found else None


async def buried(conn: Connection | Pool, rebuild_id: UUID) -> Sequence[bytes]:
    """The keys whose graves hold something of a rebuild: it does not end before they are replayed."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT key
          FROM grave_record
         WHERE topic = $1
           AND position(convert_to($2, 'UTF8') IN value) > 0
         ORDER BY key
        """,
        StateAnnounced.topic,
        str(rebuild_id),
    )
    return [row["key"] for row in rows]


async def _read(conn: Connection | Pool, condition: str, *values: object) -> Sequence[Rebuild]:
    rows = await conn.fetch(
        f"""
        SELECT rebuild_id, begun_at, announced, outcome,
               (SELECT coalesce(sum(records), 0)::bigint
                  FROM view_rebuild_arrival AS arrival
                 WHERE arrival.rebuild_id = one.rebuild_id) AS arrived
          FROM view_rebuild AS one
         WHERE {condition}
        """,
        *values,
    )
    return [Rebuild(**dict(row)) for row in rows]


async def make_ready(pool: Pool) -> None:
    """Have reads as fast after the swap as before: statistics, and pages that an index alone answers for.

    What is locked is being swept at this moment. Raises Unavailable.
    """
    async with reading(pool) as conn:
        for view in VIEWS:
            await conn.execute(f"VACUUM (ANALYZE, SKIP_LOCKED) {REBUILT}.{view}", timeout=VACUUM_SECONDS_MAX)


async def swap(conn: Connection, rebuild_id: UUID, *, now: datetime) -> bool:
    """Put a complete generation in place of the one that reads see; False if it is not, or no longer.

    The transaction fails as Unavailable when whoever reads or writes does not end soon.
    """
    await conn.execute(f"SET LOCAL lock_timeout = '{GIVES_WAY_AFTER}'")
    await _alone(conn)
    found = await find(conn, rebuild_id)
    if found is None or found.outcome is not None or not found.complete:
        return False
    both = ", ".join(f"{schema}.{view}" for view in VIEWS for schema in (SHOWN, REBUILT))
    await conn.execute(f"LOCK TABLE {both} IN ACCESS EXCLUSIVE MODE")
    for view in VIEWS:
        for there, then in ((SHOWN, LEAVING), (REBUILT, SHOWN), (LEAVING, REBUILT)):
            await conn.execute(f"ALTER TABLE {there}.{view} SET SCHEMA {then}")
    await conn.execute(
        "UPDATE view_rebuild SET ended_at = $2, outcome = 'done' WHERE rebuild_id = $1", rebuild_id, now
    )
    return True


async def forget_last(conn: Connection) -> None:
    """Let go of the generation that was read before and of what was counted, unless one is being filled."""
    await conn.execute(f"SET LOCAL lock_timeout = '{GIVES_WAY_AFTER}'")
    await _alone(conn)
    if await under_way(conn) is None:
        await _empty(conn)


async def _empty(conn: Connection) -> None:
    await conn.execute(f"TRUNCATE {', '.join(f'{REBUILT}.{view}' for view in VIEWS)}")
    await conn.execute("DELETE FROM view_rebuild_arrival")


async def _alone(conn: Connection) -> None:
    """Wait for all that write views, and have none begin before the end of this transaction."""
    await conn.execute("SELECT pg_advisory_xact_lock($1)", REBUILD_LOCK)

"""The inbox: which messages have had their effect, kept longer than any topic keeps them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from shared.database import Connection, Pool

PRUNED_AT_ONCE_MAX: Final = 5_000


async def claim(conn: Connection, ids: Collection[str]) -> set[str]:
    """Those that had no effect yet; they have it with this transaction.

    Two processes that claim the same ids wait for each other, in one order for all: hence sorted.
    """
    rows = await conn.fetch(
        """
        INSERT INTO inbox (id)
        SELECT unnest($1::text[])
            ON CONFLICT (id) DO NOTHING
        RETURNING id
        """,
        sorted(ids),
    )
    return {row["id"] for row in rows}


async def prune(pool: Pool, *, older_than: timedelta) -> int:
    """Forget what no topic can bring again; a piece at a time, so that no lock is held for long."""
    gone = 0
    while True:
        result = await pool.execute(
            """
            DELETE FROM inbox
             WHERE ctid = ANY (ARRAY(
                   SELECT ctid
                     FROM inbox
                    WHERE received_at < now() - $1::interval
                    LIMIT $2))
            """,
            older_than,
            PRUNED_AT_ONCE_MAX,
        )
        count = int(result.rsplit(" ", 1)[1])
        gone += count
        if count < PRUNED_AT_ONCE_MAX:
            return gone

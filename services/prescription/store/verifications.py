"""Verifications of beneficiaries that have been used: each counts once, for whatever prescription."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.database import Connection

# As long as a command may come again; the gateway lets none through that is older than minutes.
KEPT: Final = timedelta(days=8)


async def used_verifications(conn: Connection, tenant_id: UUID, ids: Collection[UUID]) -> frozenset[UUID]:
    """Those that have been used. Their patient is locked: nobody else uses one meanwhile."""
    if not ids:
        return frozenset()
    found = await conn.fetch(
        """
        SELECT id
          FROM used_verification
         WHERE tenant_id = $1
           AND id = ANY ($2)
        """,
        tenant_id,
        list(ids),
    )
    return frozenset(row["id"] for row in found)


async def use_verification(conn: Connection, tenant_id: UUID, id: UUID, *, now: datetime) -> None:
    """Note that it is used up, and forget those of long ago."""
    await conn.execute(
        """
          WITH forgotten AS (
               DELETE FROM used_verification
                WHERE tenant_id = $1
                  AND used_at < $4)
        INSERT INTO used_verification (tenant_id, id, used_at)
        VALUES ($1, $2, $3)
        """,
        tenant_id,
        id,
        now,
        now - KEPT,
    )

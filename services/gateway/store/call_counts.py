"""How many calls each tenant has made in the present minute, hour and day, shared by all instances."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from services.gateway.store.reading import reading
from shared.database import Pool

WINDOWS = ("minute", "hour", "day")


async def take(
    pool: Pool,
    tenant_id: UUID,
    begun: Mapping[str, datetime],
    wanted: Mapping[str, int],
    limits: Mapping[str, int],
) -> tuple[bool, dict[str, int]]:
    """Count these calls in each window if there is room in all of them; and the counts as they are then.

    A window that has begun later than `begun` says (clocks differ) stays the present one. Raises Unavailable.
    """
    async with reading(pool) as conn:
        row = await conn.fetchrow(
            """
            INSERT INTO call_count AS kept (tenant_id, minute, minute_calls, hour, hour_calls, day, day_calls)
            SELECT $1, $2, $5, $3, $6, $4, $7
             WHERE $5 <= $8::bigint AND $6 <= $9::bigint AND $7 <= $10::bigint
                ON CONFLICT ON CONSTRAINT call_count_pkey DO UPDATE
               SET minute = greatest(kept.minute, $2),
                   minute_calls = CASE WHEN kept.minute < $2 THEN 0 ELSE kept.minute_calls END + $5,
                   hour = greatest(kept.hour, $3),
                   hour_calls = CASE WHEN kept.hour < $3 THEN 0 ELSE kept.hour_calls END + $6,
                   day = greatest(kept.day, $4),
                   day_calls = CASE WHEN kept.day < $4 THEN 0 ELSE kept.day_calls END + $7
             WHERE CASE WHEN kept.minute < $2 THEN 0 ELSE kept.minute_calls END + $5 <= $8
               AND CASE WHEN kept.hour < $3 THEN 0 ELSE kept.hour_calls END + $6 <= $9
               AND CASE WHEN kept.day < $4 THEN 0 ELSE kept.day_calls END + $7 <= $10
            RETURNING minute_calls, hour_calls, day_calls
            """,
            tenant_id,
            *(begun[window] for window in WINDOWS),
            *(wanted[window] for window in WINDOWS),
            *(limits[window] for window in WINDOWS),
        )
        if row is not None:
            return True, _counts(row)
        row = await conn.fetchrow(
            """
            SELECT CASE WHEN minute < $2 THEN 0 ELSE minute_calls END AS minute_calls,
                   CASE WHEN hour < $3 THEN 0 ELSE hour_calls END AS hour_calls,
                   CASE WHEN day < $4 THEN 0 ELSE day_calls END AS day_calls
              FROM call_count
             WHERE tenant_id = $1
            """,
            tenant_id,
            *(begun[window] for window in WINDOWS),
        )
    return False, dict.fromkeys(WINDOWS, 0) if row is None else _counts(row)


def _counts(row: Record) -> dict[str, int]:
    return {window: row[f"{window}_calls"] for window in WINDOWS}

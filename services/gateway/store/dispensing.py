"""Codes and dispensations as a pharmacy meets them: looked up, followed, and guarded against guessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from contracts.values import Dispensation, Prescription
from services.gateway.messages import by_the_clock
from services.gateway.store import at_rest, views
from shared.database import Connection

MISSES_MAX: Final = 20
MISSES_WINDOW: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class CodeHolder:
    """An issued prescription behind a code, with the settings of its issuing provider as it keeps them."""

    prescription: Prescription
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Claim:
    """A dispensation of the pharmacy that asks, with what it may see of its prescription."""

    prescription: Prescription
    dispensation: Dispensation


async def find_code(conn: Connection, code: str, *, now: datetime) -> CodeHolder | None:
    """The issued prescription of this canonical code, whoever issued it."""
    row = await conn.fetchrow(
        """
        SELECT owner_id, prescription_id, settings, state
          FROM look_up_code($1)
        """,
        code,
    )
    if row is None:
        return None
    prescription = by_the_clock.as_of(
        views.opened(row["state"], row["owner_id"], row["prescription_id"]), now
    )
    if prescription.issued_at is None:
        return None
    return CodeHolder(prescription, orjson.loads(row["settings"]))


async def hold_misses(conn: Connection, tenant_id: UUID) -> None:
    """Let the misses of one pharmacy come one after the other until the transaction ends."""
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('code_miss ' || $1, 0))", str(tenant_id)
    )


async def count_misses(conn: Connection, tenant_id: UUID, *, now: datetime) -> int:
    """How often this pharmacy's codes named nothing in the last ten minutes."""
    count: int = await conn.fetchval(
        """
        SELECT count(*)
          FROM code_miss
         WHERE tenant_id = $1
           AND missed_at > $2
        """,
        tenant_id,
        now - MISSES_WINDOW,
    )
    return count


async def add_miss(conn: Connection, tenant_id: UUID, *, now: datetime) -> None:
    await conn.execute(
        """
        WITH gone AS (
            DELETE FROM code_miss
             WHERE tenant_id = $1
               AND missed_at <= $3)
        INSERT INTO code_miss (tenant_id, missed_at)
        VALUES ($1, $2)
        """,
        tenant_id,
        now,
        now - MISSES_WINDOW,
    )


async def find(conn: Connection, tenant_id: UUID, dispensation_id: UUID, *, now: datetime) -> Claim | None:
    """A dispensation of this pharmacy."""
    state = await conn.fetchval(
        """
        SELECT state
          FROM dispensation_view
         WHERE (tenant_id, dispensation_id) = ($1, $2)
        """,
        tenant_id,
        dispensation_id,
    )
    return None if state is None else _claim(state, tenant_id, dispensation_id, now)


async def listed(
    conn: Connection,
    tenant_id: UUID,
    *,
    code: str | None,
    status: str | None,
    limit: int,
    offset: int,
    now: datetime,
) -> tuple[list[Claim], int]:
    """A pharmacy's dispensations, newest first, and how many there are."""
    rows = await conn.fetch(
        """
        SELECT dispensation_id, state, count(*) OVER () AS total
          FROM dispensation_view
         WHERE tenant_id = $1
           AND ($2::text IS NULL OR prescription_code = $2)
           AND ($3::text IS NULL
                OR $3 = CASE WHEN status = 'STARTED' AND expires_at <= $6 THEN 'EXPIRED' ELSE status END)
         ORDER BY started_at DESC, dispensation_id DESC
         LIMIT $4
        OFFSET $5
        """,
        tenant_id,
        code,
        status,
        limit,
        offset,
        now,
    )
    if rows or not offset:
        claims = [_claim(row["state"], tenant_id, row["dispensation_id"], now) for row in rows]
        return claims, rows[0]["total"] if rows else 0
    # Past the end no row tells how many there are.
    _, total = await listed(conn, tenant_id, code=code, status=status, limit=1, offset=0, now=now)
    return [], total


def own_live(prescription: Prescription, tenant_id: UUID, branch_id: UUID | None) -> Dispensation | None:
    """The live dispensation that this very pharmacy holds, if it does."""
    claim = by_the_clock.live(prescription)
    if claim is None or (claim.pharmacy.tenant_id, claim.pharmacy.branch_id) != (tenant_id, branch_id):
        return None
    return claim


def _claim(state: bytes, tenant_id: UUID, dispensation_id: UUID, now: datetime) -> Claim:
    stored = Prescription.model_validate_json(at_rest.DISPENSATION.open(state, tenant_id, dispensation_id))
    prescription = by_the_clock.as_of(stored, now)
    return Claim(prescription, prescription.dispensations[0])

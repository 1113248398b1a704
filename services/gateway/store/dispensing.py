"""Codes and dispensations as a pharmacy meets them: looked up, followed, and guarded against guessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from contracts.values import Dispensation, DispensationStatus, Prescription
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


async def find_code(conn: Connection, code: str) -> CodeHolder | None:
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
    prescription = Prescription.model_validate_json(row["state"])
    if prescription.issued_at is None:
        return None
    return CodeHolder(prescription, orjson.loads(row["settings"]))


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


async def find(conn: Connection, tenant_id: UUID, dispensation_id: UUID) -> Claim | None:
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
    return None if state is None else _claim(state)


async def listed(
    conn: Connection,
    tenant_id: UUID,
    *,
    code: str | None,
    statuses: Sequence[str] | None,
    limit: int,
    offset: int,
) -> tuple[list[Claim], int]:
    """A pharmacy's dispensations, newest first, and how many there are."""
    rows = await conn.fetch(
        """
        SELECT state, count(*) OVER () AS total
          FROM dispensation_view
         WHERE tenant_id = $1
           AND ($2::text IS NULL OR prescription_code = $2)
           AND ($3::text[] IS NULL OR status = ANY ($3))
         ORDER BY started_at DESC, dispensation_id DESC
         LIMIT $4
        OFFSET $5
        """,
        tenant_id,
        code,
        statuses,
        limit,
        offset,
    )
    if rows or not offset:
        return [_claim(row["state"]) for row in rows], rows[0]["total"] if rows else 0
    _, total = await listed(conn, tenant_id, code=code, statuses=statuses, limit=1, offset=0)
    return [], total


async def upsert_views(conn: Connection, prescription: Prescription) -> None:
    """Show each pharmacy its dispensations of a prescription as they stand; never an older revision."""
    claims = prescription.dispensations
    if not claims:
        return
    bare = _bare(prescription)
    states = [
        bare.model_copy(update={"dispensations": (claim,)}).model_dump_json().encode() for claim in claims
    ]
    await conn.execute(
        """
        INSERT INTO dispensation_view AS view (
               tenant_id, dispensation_id, owner_id, prescription_id, prescription_code, branch_id,
               revision, status, started_at, expires_at, state)
        SELECT claim.tenant_id, claim.dispensation_id, $1, $2, $3, claim.branch_id, $4,
               claim.status, claim.started_at, claim.expires_at, claim.state
          FROM unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::text[], $9::timestamptz[], $10::timestamptz[],
                      $11::bytea[])
               AS claim (tenant_id, dispensation_id, branch_id, status, started_at, expires_at, state)
         ORDER BY claim.tenant_id, claim.dispensation_id
            ON CONFLICT (tenant_id, dispensation_id) DO UPDATE
           SET revision = excluded.revision,
               status = excluded.status,
               state = excluded.state
         WHERE view.revision < excluded.revision
        """,
        prescription.tenant_id,
        prescription.prescription_id,
        prescription.prescription_code,
        prescription.revision,
        [claim.pharmacy.tenant_id for claim in claims],
        [claim.dispensation_id for claim in claims],
        [claim.pharmacy.branch_id for claim in claims],
        [claim.status.value for claim in claims],
        [claim.started_at for claim in claims],
        [claim.expires_at for claim in claims],
        states,
    )


def _bare(prescription: Prescription) -> Prescription:
    """Without what a pharmacy never sees: diagnoses, notes, findings, contact data, allergies."""
    patient = prescription.patient.model_copy(
        update={
            "email_address": None,
            "phone_number": None,
            "area_code": None,
            "guardian": None,
            "allergies": (),
        }
    )
    hidden: dict[str, Any] = {
        "patient": patient,
        "diagnoses": (),
        "allergies": (),
        "notes": None,
        "laboratory_notes": None,
        "diagnostic_test_notes": None,
        "findings": (),
        "coverage": {},
        "not_evaluated": (),
        "unmatched_acknowledgements": (),
        "seal": None,
        "void": None,
    }
    return prescription.model_copy(update=hidden)


def own_live(prescription: Prescription, tenant_id: UUID, branch_id: UUID | None) -> Dispensation | None:
    """The live dispensation that this very pharmacy holds, if it does."""
    for claim in prescription.dispensations:
        own = (claim.pharmacy.tenant_id, claim.pharmacy.branch_id) == (tenant_id, branch_id)
        if own and claim.status is DispensationStatus.STARTED:
            return claim
    return None


def _claim(state: bytes) -> Claim:
    prescription = Prescription.model_validate_json(state)
    return Claim(prescription, prescription.dispensations[0])

"""What patients have in force besides what is asked about: what checks look at, as the database has it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from services.prescription.domain.items import Item
from services.prescription.store import rows
from shared.database import Connection

# Other prescriptions of one patient, no two alike, that a check looks at; nobody has as many.
IN_FORCE_MAX: Final = 300

Place: TypeAlias = tuple[UUID, UUID]
Beside: TypeAlias = dict[bytes, tuple[UUID, Sequence[Item]]]
"""By what the items say: of equal ones the newest prescription, and its items."""


async def read(
    conn: Connection, patients: Sequence[Place], now: datetime, *, but: UUID | None = None
) -> dict[Place, Beside]:
    """What each of these patients has in force at present; `but`: the prescription that is asked about."""
    found: dict[Place, Beside] = {place: {} for place in patients}
    kept = await conn.fetch(
        """
        SELECT w.tenant_id, w.patient_id, kept.*
          FROM unnest($1::uuid[], $2::uuid[]) AS w (tenant_id, patient_id)
         CROSS JOIN LATERAL (
                 WITH RECURSIVE other AS (
                      (SELECT items_digest, id, content
                         FROM prescription
                        WHERE (tenant_id, patient_id) = (w.tenant_id, w.patient_id)
                          AND in_force_until > $3
                          AND id IS DISTINCT FROM $4
                        ORDER BY items_digest, id DESC
                        LIMIT 1)
                       UNION ALL
                      SELECT next.*
                        FROM other
                       CROSS JOIN LATERAL (
                             SELECT items_digest, id, content
                               FROM prescription
                              WHERE (tenant_id, patient_id) = (w.tenant_id, w.patient_id)
                                AND in_force_until > $3
                                AND id IS DISTINCT FROM $4
                                AND items_digest > other.items_digest
                              ORDER BY items_digest, id DESC
                              LIMIT 1) AS next)
               SELECT items_digest, id, content
                 FROM other
                LIMIT $5) AS kept
        """,
        [tenant_id for tenant_id, _ in patients],
        [id for _, id in patients],
        now,
        but,
        IN_FORCE_MAX,
    )
    for row in kept:
        beside = found[row["tenant_id"], row["patient_id"]]
        beside[row["items_digest"]] = row["id"], rows.items(row)
    return found

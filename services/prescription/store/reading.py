"""What else is asked of Postgres: what is in force, what happened, and the secret of the installation."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from services.prescription.domain.history import Entry
from services.prescription.domain.items import Item
from services.prescription.domain.prescription import Prescription
from services.prescription.store import hand, rows
from services.prescription.store.writing import settle
from shared.database import Connection

# Other prescriptions of one patient, no two alike, that a check looks at; nobody has as many.
IN_FORCE_MAX: Final = 300


async def in_force(conn: Connection, prescription: Prescription, now: datetime) -> dict[UUID, Sequence[Item]]:
    """The items of the patient's other prescriptions that a check must look at; of equal ones the newest."""
    in_hand = hand.of(conn)
    place = prescription.tenant_id, prescription.patient_id
    # For what is in force itself, nothing is known of equal ones that it stands for.
    is_new = (prescription.tenant_id, prescription.id) not in in_hand.prescriptions
    known = in_hand.in_force.get(place) if is_new else None
    if known is None:
        await settle(conn)  # What this transaction has in hand is in force as well, or no longer.
        known = await _in_force(conn, prescription, now)
        if is_new:
            in_hand.in_force[place] = known
    return dict(known.values())


async def _in_force(
    conn: Connection, prescription: Prescription, now: datetime
) -> dict[bytes, tuple[UUID, Sequence[Item]]]:
    found = await conn.fetch(
        """
          WITH RECURSIVE other AS (
               (SELECT items_digest, id, content
                  FROM prescription
                 WHERE (tenant_id, patient_id) = ($1, $2)
                   AND in_force_until > $3
                   AND id <> $4
                 ORDER BY items_digest, id DESC
                 LIMIT 1)
                UNION ALL
               SELECT next.*
                 FROM other
                CROSS JOIN LATERAL (
                      SELECT items_digest, id, content
                        FROM prescription
                       WHERE (tenant_id, patient_id) = ($1, $2)
                         AND in_force_until > $3
                         AND id <> $4
                         AND items_digest > other.items_digest
                       ORDER BY items_digest, id DESC
                       LIMIT 1) AS next)
        SELECT items_digest, id, content
          FROM other
         LIMIT $5
        """,
        prescription.tenant_id,
        prescription.patient_id,
        now,
        prescription.id,
        IN_FORCE_MAX,
    )
    return {row["items_digest"]: (row["id"], rows.items(row)) for row in found}


async def still_in_force(
    conn: Connection, tenant_id: UUID, ids: Sequence[UUID], now: datetime
) -> frozenset[UUID]:
    """Those of some prescriptions that checks must still look at."""
    await settle(conn)
    found = await conn.fetch(
        "SELECT id FROM prescription WHERE tenant_id = $1 AND id = ANY ($2) AND in_force_until > $3",
        tenant_id,
        ids,
        now,
    )
    return frozenset(row["id"] for row in found)


async def suspended(conn: Connection, tenant_id: UUID, doctor_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of some doctors who may not sign at present, as far as we were told."""
    found = await conn.fetch(
        "SELECT id FROM doctor WHERE tenant_id = $1 AND id = ANY ($2) AND NOT active",
        tenant_id,
        list(doctor_ids),
    )
    return frozenset(row["id"] for row in found)


async def finding_secret(conn: Connection) -> bytes:
    """The installation's secret, without which nobody can make the key of a finding."""
    secret: bytes = await conn.fetchval("SELECT secret FROM installation")
    return secret


async def history(conn: Connection, tenant_id: UUID, prescription_id: UUID) -> tuple[Entry, ...]:
    """All that happened to it, oldest first."""
    found = await conn.fetch(
        """
        SELECT entries
          FROM history
         WHERE (tenant_id, prescription_id) = ($1, $2)
         ORDER BY revision
        """,
        tenant_id,
        prescription_id,
    )
    return tuple(entry for row in found for entry in rows.told(row))

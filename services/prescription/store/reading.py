"""What else is asked of Postgres: what is in force, what happened, and the secret of the installation."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from services.prescription.domain.items import Item
from services.prescription.domain.prescription import Prescription
from services.prescription.store import beside, hand
from services.prescription.store.writing import settle
from shared.database import Connection


async def in_force(conn: Connection, prescription: Prescription, now: datetime) -> dict[UUID, Sequence[Item]]:
    """The items of the patient's other prescriptions that a check must look at; of equal ones the newest."""
    in_hand = hand.of(conn)
    place = prescription.tenant_id, prescription.patient_id
    # For what is in force itself, nothing is known of equal ones that it stands for.
    is_new = (prescription.tenant_id, prescription.id) not in in_hand.prescriptions
    known = in_hand.in_force.get(place) if is_new else None
    if known is None:
        await settle(conn)  # What this transaction has in hand is in force as well, or no longer.
        known = (await beside.read(conn, [place], now, but=prescription.id))[place]
        if is_new:
            in_hand.in_force[place] = known
    return dict(known.values())


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
    in_hand = hand.of(conn)
    if in_hand.secret is None:
        in_hand.secret = await conn.fetchval("SELECT secret FROM installation")
        assert in_hand.secret is not None
    return in_hand.secret

"""What prescription is told of a directory that has changed: facts of patients, standings of doctors."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from contracts.directory_events import DoctorStandingChanged, PatientFactsChanged
from services.gateway.messages.patients import facts
from services.gateway.store.directory import KnownPatient
from services.gateway.store.doctors import KnownDoctor
from shared import outbox
from shared.database import Connection


async def tell_of_patient(
    conn: Connection, tenant_id: UUID, present: KnownPatient, *, before: KnownPatient | None = None
) -> None:
    """Announce what a safety check goes by, unless it is what it was before."""
    if before is None or facts(before.record) != facts(present.record):
        await outbox.send(conn, PatientFactsChanged(tenant_id=tenant_id, facts=present.record.facts))


async def tell_of_doctor(
    conn: Connection, tenant_id: UUID, present: KnownDoctor, today: date, *, before: KnownDoctor | None = None
) -> None:
    """Announce whether a doctor may sign, unless it is as it was before."""
    active = present.active(today)
    if before is not None and before.active(today) is active:
        return
    event = DoctorStandingChanged(
        tenant_id=tenant_id, doctor_id=present.record.doctor_id, version=present.version, active=active
    )
    await outbox.send(conn, event)

"""What others tell: facts about patients, standings of doctors, and what became of deliveries."""

from contracts.directory_events import DoctorStandingChanged, PatientFactsChanged
from contracts.notification_events import DeliveryFailed, DeliverySucceeded
from services.prescription import store
from services.prescription.commands import carry_out, keep_patient
from services.prescription.domain import delivery
from services.prescription.domain.history import Occasion
from services.prescription.handlers.registry import handlers
from services.prescription.messages import reading
from shared import clock
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(PatientFactsChanged)
async def on_patient_facts_changed(event: PatientFactsChanged, conn: Connection, outbox: Outbox) -> None:
    """Keep the newest facts: a verdict that was asked for with older ones is asked for again."""
    facts = reading.patient_told(event).facts
    known = store.patient(conn, event.tenant_id, event.facts.patient_id)
    keep_patient(conn, known.told(facts))


@handlers.on(DoctorStandingChanged)
async def on_doctor_standing_changed(event: DoctorStandingChanged, conn: Connection, outbox: Outbox) -> None:
    """Whoever is suspended signs nothing from now on, not even what is under way."""
    await store.save_standing(
        conn, event.tenant_id, event.doctor_id, version=event.version, active=event.active
    )


@handlers.on(DeliverySucceeded)
async def on_delivery_succeeded(event: DeliverySucceeded, conn: Connection, outbox: Outbox) -> None:
    """Write down that the mail arrived."""
    before = store.seen(conn, event.tenant_id, event.prescription_id)
    after = delivery.delivered(before, None, occasion=Occasion(at=clock.now()))

    carry_out(conn, outbox, before, after)


@handlers.on(DeliveryFailed)
async def on_delivery_failed(event: DeliveryFailed, conn: Connection, outbox: Outbox) -> None:
    """Write down that the mail will not arrive."""
    before = store.seen(conn, event.tenant_id, event.prescription_id)
    after = delivery.delivered(before, "delivery_failed", occasion=Occasion(at=clock.now()))

    carry_out(conn, outbox, before, after)

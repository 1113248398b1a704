"""Carrying a decision out: the row, its patient, its clock, and who is told."""

from contracts import values
from services.prescription import store
from services.prescription.domain import clock as clockwork
from services.prescription.domain import issuing
from services.prescription.domain.patient import in_force_until
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Refused
from services.prescription.messages import reading, state, telling
from shared import clock
from shared.database import Connection
from shared.outbox import Outbox


def carry_out(
    conn: Connection, outbox: Outbox, before: Prescription, after: Prescription
) -> values.Prescription:
    """Save it, tell views and pharmacies, and set its clock; nothing of the kind where nothing changed."""
    whole = carry_out_by_clock(conn, outbox, before, after)
    wind(conn, before, after)
    return whole


def carry_out_by_clock(
    conn: Connection, outbox: Outbox, before: Prescription, after: Prescription
) -> values.Prescription:
    """The same for the clock itself, which winds itself."""
    whole = state.whole(after)
    if after.revision > before.revision:
        _save(conn, before, after)
        outbox.announce(telling.changed(whole, after.unsaved), *telling.public(after, after.unsaid))
    return whole


def keep_hidden(conn: Connection, before: Prescription, after: Prescription) -> None:
    """Save a step of an issue in progress, of which nobody is told."""
    _save(conn, before, after)
    wind(conn, before, after)


def refuse_issue(conn: Connection, outbox: Outbox, prescription: Prescription, refusal: Refused) -> None:
    """Answer whoever asked for it; of the hidden order nothing stays but its history."""
    now = reading.going_on(prescription, clock.now())
    patient = store.patient(conn, prescription.tenant_id, prescription.patient_id)
    store.drop(conn, issuing.refused(prescription, refusal, now))
    store.save_patient(conn, patient.entered_or_left())
    outbox.announce(telling.issue_refused(prescription, refusal, now.at))


def _save(conn: Connection, before: Prescription, after: Prescription) -> None:
    """Save it; its patient learns when it comes into force or leaves it."""
    store.save(conn, after)
    if (in_force_until(before) is None) is not (in_force_until(after) is None):
        patient = store.patient(conn, after.tenant_id, after.patient_id)
        store.save_patient(conn, patient.entered_or_left())


def wind(conn: Connection, before: Prescription | None, after: Prescription) -> None:
    """Set the clock of a prescription, where its next hour has moved."""
    due_at = clockwork.next_due(after)
    if before is None or due_at != clockwork.next_due(before):
        store.strike_at(conn, after, due_at)

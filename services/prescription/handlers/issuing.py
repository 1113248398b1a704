"""An order on its hidden way: checked against all that is in force, sealed, and released with one answer."""

import secrets

from contracts import prescription_codes
from contracts.prescription_commands import IssuePrescription
from contracts.signing_events import PrescriptionSealed, SealingRefused
from services.prescription import store
from services.prescription.commands import (
    carry_out,
    deliver_at_issue,
    keep_hidden,
    must_be_new,
    refuse_issue,
    wind,
)
from services.prescription.domain import clock as clockwork
from services.prescription.domain import issuing, signing
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Failing, Refused
from services.prescription.domain.safety import KeyMaker, Verdict
from services.prescription.handlers import signatures
from services.prescription.handlers.registry import handlers
from services.prescription.messages import particulars, reading, telling
from shared import clock, ids
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(IssuePrescription)
async def issue_prescription(command: IssuePrescription, conn: Connection, outbox: Outbox) -> None:
    """Take in an order, hidden until its last step, and have it checked beside all that is in force."""
    now = reading.occasion(command, clock.now())
    must_be_new(conn, command)
    known = store.patient(conn, command.tenant_id, command.patient.patient_id)
    patient = known.told(reading.patient(command.tenant_id, command.patient).facts).entered_or_left()
    code = prescription_codes.allocate(now.at.year, secrets.randbelow)
    order = reading.order(command, code, now.at)
    order = issuing.begin(order, patient.asked_with(order), now)
    others = await store.in_force(conn, order, now.at)

    store.add(conn, order)
    store.save_patient(conn, patient)
    wind(conn, None, order)
    outbox.announce(telling.check_requested(order, patient, others))


async def after_check(
    conn: Connection, outbox: Outbox, prescription: Prescription, verdict: Verdict, keys: KeyMaker
) -> None:
    """Have the order sealed, unless a finding forbids it."""
    now = reading.going_on(prescription, clock.now())
    checked = issuing.after_verdict(prescription, verdict, keys, now)
    doctor_active = store.may_sign(conn, checked.tenant_id, checked.doctor_id)
    if (refusal := issuing.objection(checked, now, doctor_active=doctor_active)) is not None:
        refuse_issue(conn, outbox, checked, refusal)
        return
    sealing = issuing.proceed(checked, now)

    keep_hidden(conn, prescription, sealing)
    outbox.announce(telling.seal_requested(sealing))


@handlers.on(PrescriptionSealed)
async def on_prescription_sealed(event: PrescriptionSealed, conn: Connection, outbox: Outbox) -> None:
    """Release the sealed order: whoever asked for it is answered, and every pharmacy may redeem it."""
    prescription = store.find(conn, event.tenant_id, event.prescription_id)
    if prescription is None:
        return  # Refused in the meantime: nobody will ever see what this seal covers.
    now = reading.going_on(prescription, clock.now())
    seal = reading.seal(event.seal)
    if not prescription.hidden:
        present = clockwork.as_of(prescription, now.at)
        signed = await signatures.after_seal(conn, present, seal, number=event.signature_version, now=now)
        carry_out(conn, outbox, prescription, signed)
        return
    if signing.awaited(prescription) != event.signature_version:
        return
    doctor_active = store.may_sign(conn, prescription.tenant_id, prescription.doctor_id)
    refusal = issuing.objection_to_release(prescription, now, doctor_active=doctor_active)
    if refusal is not None:
        refuse_issue(conn, outbox, prescription, refusal)
        return
    issued = issuing.after_seal(
        prescription, seal, number=event.signature_version, document_id=ids.new(), now=now
    )
    _released(conn, outbox, prescription, issued)


@handlers.on(SealingRefused)
async def on_sealing_refused(event: SealingRefused, conn: Connection, outbox: Outbox) -> None:
    """What cannot be sealed cannot be issued."""
    prescription = store.find(conn, event.tenant_id, event.prescription_id)
    if prescription is None or signing.awaited(prescription) != event.signature_version:
        return
    now = reading.going_on(prescription, clock.now())
    if prescription.hidden:
        errors = tuple(Failing(path, "invalid_value", "It cannot be sealed.") for path, _ in event.details)
        refusal = Refused("validation_failed", "The content cannot be sealed.", errors=errors)
        refuse_issue(conn, outbox, prescription, refusal)
        return
    failed = signing.after_failure(
        clockwork.as_of(prescription, now.at),
        signing.SIGNING_REFUSED,
        number=event.signature_version,
        occasion=now,
    )
    carry_out(conn, outbox, prescription, failed)


def _released(conn: Connection, outbox: Outbox, prescription: Prescription, issued: Prescription) -> None:
    assert prescription.issue is not None
    whole = carry_out(conn, outbox, prescription, issued)
    outbox.announce(telling.succeeded(whole, prescription.issue.request_id))
    carried = particulars.of(issued)
    deliver_at_issue(outbox, whole, wish=carried.policy, address=carried.patient.email_address)

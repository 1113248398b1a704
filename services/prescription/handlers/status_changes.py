"""The next step of a prescription's life, asked for by the clinic that it belongs to."""

from dataclasses import replace
from uuid import UUID

from contracts import values
from contracts.drafting_commands import ChangeStatus
from services.prescription import store
from services.prescription.commands import carry_out, deliver_at_issue, take_up
from services.prescription.domain import cancelling, dispensing, editing, steps
from services.prescription.domain.history import Occasion
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.requests import SignRequest
from services.prescription.domain.state_table import Status
from services.prescription.handlers import signatures
from services.prescription.handlers.registry import handlers
from services.prescription.messages import particulars, reading, telling
from shared import ids
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(ChangeStatus)
async def change_status(command: ChangeStatus, conn: Connection, outbox: Outbox) -> None:
    """Take it one step further, or call it off; who has it signed is answered when the seal stands."""
    asked = take_up(conn, command)
    before, prescription, now = asked.before, asked.prescription, asked.now
    suspended = await _suspended(command, conn, prescription)
    conditions = reading.conditions(command, prescription, suspended)
    if command.status is values.Status.SIGNED:
        begun = _begun(command, prescription, conditions, now)
        await signatures.begin(conn, outbox, before, begun, patient=command.patient, now=now)
        return
    after = _taken(command, prescription, conditions, now)

    whole = carry_out(conn, outbox, before, after)
    outbox.announce(telling.succeeded(whole, command.request_id))
    if after.status is Status.SUBMITTED:
        patient = command.patient or whole.patient
        deliver_at_issue(outbox, whole, wish=command.policy, address=patient.email_address)


def _begun(
    command: ChangeStatus, prescription: Prescription, conditions: steps.Conditions, now: Occasion
) -> Prescription:
    """The prescription as it is to be signed. Raises Refused."""
    begun = steps.sign(
        prescription,
        signed_by=command.signed_by,
        request=SignRequest(occasion=now, deadline=command.deadline),
        conditions=conditions,
        occasion=now,
    )
    return replace(begun, particulars=particulars.to_be_signed(begun, command))


def _taken(
    command: ChangeStatus, prescription: Prescription, conditions: steps.Conditions, now: Occasion
) -> Prescription:
    """The prescription one step further. Raises Refused."""
    target = Status(command.status.value)
    match target:
        case Status.PENDING_REVIEW:
            return editing.submit_for_review(prescription, occasion=now)
        case Status.VALIDATED:
            return steps.validate(
                prescription, valid_until=command.valid_until, conditions=conditions, occasion=now
            )
        case Status.SUBMITTED:
            return steps.submit(prescription, document_id=ids.new(), conditions=conditions, occasion=now)
        case Status.DISPENSED:
            return dispensing.dispensed_elsewhere(
                prescription,
                dispensation_id=ids.new(),
                pharmacy=reading.own_pharmacy(command),
                terms=reading.terms(command, prescription),
                occasion=now,
            )
        case Status.CANCELLED:
            return cancelling.cancel(
                prescription, reason=command.reason, doctor_id=command.caller.doctor_id, occasion=now
            )
        case _:
            editing.refuse_target(prescription, target)


async def _suspended(command: ChangeStatus, conn: Connection, prescription: Prescription) -> frozenset[UUID]:
    """Those of the doctors whom the step needs who may not sign at present, as far as we were told."""
    if command.status not in (values.Status.VALIDATED, values.Status.SIGNED):
        return frozenset()
    doctors = {prescription.doctor_id, command.signed_by or prescription.doctor_id}
    return await store.suspended(conn, command.tenant_id, doctors)

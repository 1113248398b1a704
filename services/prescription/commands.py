"""What every command brings with it: what it is decided on, and who hears of what was decided."""

from collections.abc import Callable
from dataclasses import dataclass

from contracts import values
from contracts.drafting_commands import DraftCommand
from contracts.prescription_commands import PrescriptionCommand
from contracts.prescription_events import SafetyCheckRequested
from services.prescription import store
from services.prescription.domain import checking, issuing, signing, waiting
from services.prescription.domain import clock as clockwork
from services.prescription.domain import consultation as consultations
from services.prescription.domain import patient as patients
from services.prescription.domain.history import Occasion
from services.prescription.domain.patient import Patient, in_force_until
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Failing, Refused
from services.prescription.messages import particulars, reading, records, state, telling
from shared import clock, ids
from shared.database import Connection
from shared.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Asked:
    """A command in hand: the prescription as it is stored, as it is at this moment, and the occasion."""

    before: Prescription
    prescription: Prescription
    now: Occasion


def take_up(
    conn: Connection,
    command: PrescriptionCommand,
    *,
    named: Callable[[Prescription], object] | None = None,
) -> Asked:
    """What the command is about. Raises NotFound; Refused when it comes too late or has read another version.

    `named` finds what else the command is made on; that is missed before any version is compared.
    """
    now = reading.in_time(command, clock.now())
    before = store.seen(conn, command.tenant_id, command.prescription_id)
    prescription = clockwork.as_of(before, now.at)
    if named is not None:
        named(prescription)
    prescription.read_as(command.expected_version)
    return Asked(before, prescription, now)


def take_in(conn: Connection, command: PrescriptionCommand) -> Occasion:
    """The occasion of a command that makes a prescription. Raises Refused when it comes too late."""
    now = reading.in_time(command, clock.now())
    must_be_new(conn, command)
    return now


def must_be_new(conn: Connection, command: PrescriptionCommand) -> None:
    """Raise Refused where what is to be made is there already."""
    if store.find(conn, command.tenant_id, command.prescription_id) is not None:
        raise Refused("internal_error", "There is a prescription with this id.")


def patient_as_told(conn: Connection, draft: Prescription) -> Patient:
    """The patient of a draft, with what its command knows of them where that is newer."""
    known = store.patient(conn, draft.tenant_id, draft.patient_id)
    return known.told(reading.facts(particulars.of(draft).patient))


def unfit_consultation(conn: Connection, command: DraftCommand) -> list[Failing]:
    """What is wrong with the consultation that a draft is to be linked to, if it is to be linked to one."""
    if command.consultation_id is None:
        return []
    named = store.consultation(conn, command.tenant_id, command.consultation_id)
    return consultations.unfit(named, command.patient.patient_id if command.patient else None)


def begin(conn: Connection, outbox: Outbox, draft: Prescription, patient: Patient) -> values.Prescription:
    """Keep a draft that was not there before, and tell of it; it has no clock yet."""
    keep_patient(conn, patient)
    store.add(conn, draft)
    note_prescribed(conn, outbox, draft)
    whole = state.whole(draft)
    outbox.announce(telling.changed(whole, draft.unsaved))
    return whole


def keep_patient(conn: Connection, patient: Patient) -> None:
    """Save a patient of whom something newer is known than what is kept."""
    if patient is not store.patient(conn, patient.tenant_id, patient.id):
        store.save_patient(conn, patient)


def note_prescribed(conn: Connection, outbox: Outbox, draft: Prescription) -> None:
    """Let its consultation, if there is one, name the draft from the moment that it is there to see."""
    if draft.consultation_id is None:
        return
    consultation = store.consultation(conn, draft.tenant_id, draft.consultation_id)
    assert consultation is not None  # A draft of an unknown one is refused.
    named = consultation.prescribed(draft.id, draft.updated_at)
    store.save_consultation(conn, named)
    outbox.announce(records.consultation_changed(named))


async def checked_again(
    conn: Connection, asked: Asked, edited: Prescription
) -> tuple[Prescription, list[SafetyCheckRequested]]:
    """What was edited, with the check of it asked for where the edit makes it necessary."""
    patient = store.patient(conn, edited.tenant_id, edited.patient_id)
    after = checking.after_edit(edited, patient.asked_with(edited), asked.now, since=asked.prescription)
    return after, await question(conn, edited, after, patient, asked.now)


async def question(
    conn: Connection, before: Prescription, after: Prescription, patient: Patient, now: Occasion
) -> list[SafetyCheckRequested]:
    """What safety-check is asked, where something has come up to be asked."""
    if after.check_asked is None or after.revision == before.revision:
        return []
    others = await store.in_force(conn, after, now.at)
    return [telling.check_requested(after, patient, others)]


def carry_out(
    conn: Connection,
    outbox: Outbox,
    before: Prescription,
    after: Prescription,
    *,
    refusal: Refused | None = None,
) -> values.Prescription:
    """Save it, tell views and pharmacies, and set its clock; nothing of the kind where nothing changed.

    Whoever waits for a check or a signature that comes to its end with this is answered: `refusal` says why
    there is no signature, where the state alone does not.
    """
    after = waiting.overtaken(after)
    whole = carry_out_by_clock(conn, outbox, before, after, refusal=refusal)
    wind(conn, before, after)
    return whole


def carry_out_by_clock(
    conn: Connection,
    outbox: Outbox,
    before: Prescription,
    after: Prescription,
    *,
    refusal: Refused | None = None,
) -> values.Prescription:
    """The same for the clock itself, which winds itself."""
    after = waiting.overtaken(after)
    whole = state.whole(after)
    if after.revision > before.revision:
        _save(conn, before, after)
        outbox.announce(
            telling.changed(whole, after.unsaved),
            *telling.public(after, after.unsaid),
            *(telling.answer(whole, one, after.updated_at) for one in after.answers),
        )
        _answer_signer(outbox, before, after, whole, refusal)
    return whole


def _answer_signer(
    outbox: Outbox,
    before: Prescription,
    after: Prescription,
    whole: values.Prescription,
    refusal: Refused | None,
) -> None:
    request = signing.ended(before, after)
    if request is None or request.occasion.request_id is None:
        return
    if refusal is None:
        refusal = signing.refusal(before, after)
    if refusal is None:
        outbox.announce(telling.succeeded(whole, request.occasion.request_id))
    else:
        outbox.announce(
            telling.refused_later(whole, request.occasion.request_id, refusal, now=after.updated_at)
        )


def deliver_at_issue(
    outbox: Outbox, whole: values.Prescription, *, wish: values.Policy, address: str | None
) -> None:
    """Have it mailed to its patient where the provider wishes so and there is an address."""
    if wish.deliver_on_issue == "EMAIL" and address:
        outbox.announce(
            telling.delivery_requested(whole, delivery_id=ids.new(), channel="EMAIL", address=address)
        )


def keep_hidden(conn: Connection, before: Prescription, after: Prescription) -> None:
    """Save a step of an issue in progress, of which nobody is told."""
    _save(conn, before, after)
    wind(conn, before, after)


def refuse_issue(conn: Connection, outbox: Outbox, prescription: Prescription, refusal: Refused) -> None:
    """Answer whoever asked for it; of the hidden order nothing stays but its history."""
    now = reading.going_on(prescription, clock.now())
    patient = store.patient(conn, prescription.tenant_id, prescription.patient_id)
    store.drop(conn, issuing.refused(prescription, refusal, now))
    if in_force_until(prescription) is not None:
        store.save_patient(conn, patient.entered_or_left())
    outbox.announce(
        telling.issue_refused(prescription, refusal, now.at),
        *telling.rivals_refused(prescription, refusal, now.at),
    )


def _save(conn: Connection, before: Prescription, after: Prescription) -> None:
    """Save it; its patient learns when it comes into force or leaves it, which its own check outlasts."""
    if (in_force_until(before) is None) is not (in_force_until(after) is None):
        patient = store.patient(conn, after.tenant_id, after.patient_id)
        store.save_patient(conn, patient.entered_or_left())
        after = patients.current_after_all(after, patient)
    store.save(conn, after)


def wind(conn: Connection, before: Prescription | None, after: Prescription) -> None:
    """Set the clock of a prescription, where its next hour has moved."""
    due_at = clockwork.next_due(after)
    if before is None or due_at != clockwork.next_due(before):
        store.strike_at(conn, after, due_at)

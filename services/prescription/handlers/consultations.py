"""What upstream systems ask of consultations."""

from contracts.drafting_commands import CreateFromConsultation
from contracts.prescription_events import SafetyCheckRequested
from contracts.record_commands import PutConsultation
from services.prescription import store
from services.prescription.commands import (
    carry_out,
    keep_hidden,
    keep_patient,
    note_prescribed,
    patient_as_told,
    question,
    take_in,
    unfit_consultation,
    wind,
)
from services.prescription.domain import assembling, consultation, editing
from services.prescription.domain.consultation import Consultation
from services.prescription.domain.history import Change, Occasion
from services.prescription.domain.patient import Patient
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import refuse_if, unresolved
from services.prescription.domain.requests import Rival
from services.prescription.handlers.registry import handlers
from services.prescription.messages import drafts, reading, records, telling
from shared import clock
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(PutConsultation)
async def put_consultation(command: PutConsultation, conn: Connection, outbox: Outbox) -> None:
    """Keep a consultation, or replace it whole; what was prescribed from it stays as it is."""
    now = reading.in_time(command, clock.now())
    before = store.consultation(conn, command.tenant_id, command.record_id)
    after = consultation.put(
        before,
        records.consultation(command, now.at),
        expected_version=command.expected_version,
        failing=unresolved(reading.references(command.unresolved)),
    )

    if after is not before:
        store.save_consultation(conn, after)
        outbox.announce(records.consultation_changed(after))
    outbox.announce(records.succeeded(command, consultation=after, created=before is None))


@handlers.on(CreateFromConsultation)
async def create_from_consultation(command: CreateFromConsultation, conn: Connection, outbox: Outbox) -> None:
    """Make the one draft that follows from a consultation, hidden until it is checked.

    Whoever comes while it is hidden hears what became of it; whoever comes later, that it is there.
    """
    now = take_in(conn, command)
    found = consultation.completed(store.consultation(conn, command.tenant_id, command.consultation_id))
    made = store.made_from(conn, command.tenant_id, found.id)
    if made and made[0].hidden:
        _wait_for(conn, made[0], command)
        return
    if made:
        raise assembling.exists(made[0])
    draft, patient, to_ask = await _assembled(command, found, conn, now)

    keep_patient(conn, patient)
    store.add(conn, draft)
    wind(conn, None, draft)
    outbox.announce(*to_ask)


def show(conn: Connection, outbox: Outbox, before: Prescription, checked: Prescription) -> None:
    """Let all see a draft that has been checked: whoever asked for it first has it, the others hear of it."""
    assert before.issue is not None
    too_late = assembling.exists(checked)

    whole = carry_out(conn, outbox, before, checked)
    note_prescribed(conn, outbox, checked)
    outbox.announce(
        telling.succeeded(whole, before.issue.request_id),
        *telling.rivals_refused(before, too_late, checked.updated_at),
    )


def _wait_for(conn: Connection, hidden: Prescription, command: CreateFromConsultation) -> None:
    rival = Rival(command.prescription_id, command.request_id)
    keep_hidden(conn, hidden, assembling.joined(hidden, rival))


async def _assembled(
    command: CreateFromConsultation, found: Consultation, conn: Connection, now: Occasion
) -> tuple[Prescription, Patient, list[SafetyCheckRequested]]:
    """The draft with all that the catalogue makes of its lines, its patient, and what is to be asked."""
    unfit = unfit_consultation(conn, command)
    refuse_if([*drafts.people_missing(command), *unfit, *consultation.nothing_to_prescribe(found)])
    lines = found.lines(command.prescription_id)
    editing.at_most(len(lines), command.policy.max_medications)
    empty = drafts.draft_from_consultation(command, now.at)
    patient = patient_as_told(conn, empty)
    items = await store.resolve_items(conn, lines, country=command.provider.country)
    draft = assembling.begin(
        empty,
        await store.fill_in(conn, items),
        patient.asked_with(empty),
        now,
        besides=[Change("consultation_version", None, found.version)],
    )
    return draft, patient, await question(conn, empty, draft, patient, now)

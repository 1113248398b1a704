"""Who handles what, and what a batch locks before it begins."""

from collections.abc import Sequence
from uuid import UUID

from contracts.directory_events import PatientFactsChanged
from contracts.drafting_commands import (
    CreateFromConsultation,
    CreateFromTemplate,
    DraftCommand,
    SaveAsTemplate,
)
from contracts.message import Event, Message
from contracts.prescription_commands import IssuePrescription
from contracts.record_commands import DeleteTemplate, PutConsultation
from contracts.safety_check_events import SafetyCheckCompleted
from services.prescription import store
from services.prescription.domain.refusal import Refused
from services.prescription.messages import reading
from shared.database import Connection
from shared.messaging import Handlers

handlers = Handlers("prescription", refusal=Refused)


@handlers.hold
async def hold(conn: Connection, messages: Sequence[Message]) -> None:
    """Lock the consultations, patients and prescriptions that the messages are about, in this order."""
    patients = [
        *(
            reading.patient(one.tenant_id, one.patient)
            for one in messages
            if isinstance(one, IssuePrescription | DraftCommand) and one.patient is not None
        ),
        *(reading.patient_told(one) for one in messages if isinstance(one, PatientFactsChanged)),
    ]
    prescriptions = {(one.tenant_id, one.prescription_id) for one in messages if isinstance(one, Event)}
    checked = [
        (one.tenant_id, one.prescription_id) for one in messages if isinstance(one, SafetyCheckCompleted)
    ]
    shown = await store.consultations_to_name(conn, checked) if checked else []
    records = await store.lock_records(conn, _records(messages, shown))
    if begun := [one for one in messages if isinstance(one, CreateFromConsultation)]:
        places = {(one.tenant_id, one.consultation_id) for one in begun}
        prescriptions |= set(await store.places_made_from(conn, sorted(places)))
    await store.hold(conn, patients, sorted(prescriptions), records)


def _records(messages: Sequence[Message], shown: Sequence[tuple[UUID, UUID]]) -> store.Wanted:
    """The consultations and templates that the messages are about; `shown` get a prescription to name."""
    drafted = [one for one in messages if isinstance(one, DraftCommand)]
    from_template = [one for one in messages if isinstance(one, CreateFromTemplate)]
    return store.Wanted(
        consultations=[
            *shown,
            *((one.tenant_id, one.consultation_id) for one in drafted if one.consultation_id is not None),
        ],
        new=[(one.tenant_id, one.record_id) for one in messages if isinstance(one, PutConsultation)],
        templates=[
            *((one.tenant_id, one.record_id) for one in messages if isinstance(one, DeleteTemplate)),
            *((one.tenant_id, one.template_id) for one in from_template),
        ],
        names=[(one.tenant_id, one.name) for one in messages if isinstance(one, SaveAsTemplate)],
    )


handlers.settle(store.settle)

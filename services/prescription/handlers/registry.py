"""Who handles what, and what a batch locks before it begins."""

from collections.abc import Sequence

from contracts.directory_events import PatientFactsChanged
from contracts.drafting_commands import DraftCommand, SaveAsTemplate
from contracts.message import Event, Message
from contracts.prescription_commands import IssuePrescription
from contracts.record_commands import DeleteTemplate, PutConsultation
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
    records = await store.lock_records(conn, _records(messages))
    await store.hold(conn, patients, sorted(prescriptions), records)


def _records(messages: Sequence[Message]) -> store.Wanted:
    """The consultations and templates that the messages are about."""
    return store.Wanted(
        new=[(one.tenant_id, one.record_id) for one in messages if isinstance(one, PutConsultation)],
        templates=[(one.tenant_id, one.record_id) for one in messages if isinstance(one, DeleteTemplate)],
        names=[(one.tenant_id, one.name) for one in messages if isinstance(one, SaveAsTemplate)],
    )


handlers.settle(store.settle)

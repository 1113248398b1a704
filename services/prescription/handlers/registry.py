"""Who handles what, and what a batch locks before it begins."""

from collections.abc import Sequence

from contracts.directory_events import PatientFactsChanged
from contracts.drafting_commands import DraftCommand
from contracts.message import Event, Message
from contracts.prescription_commands import IssuePrescription
from services.prescription import store
from services.prescription.domain.refusal import Refused
from services.prescription.messages import reading
from shared.database import Connection
from shared.messaging import Handlers

handlers = Handlers("prescription", refusal=Refused)


@handlers.hold
async def hold(conn: Connection, messages: Sequence[Message]) -> None:
    """Lock the patients and prescriptions that the messages are about."""
    patients = [
        *(
            reading.patient(one.tenant_id, one.patient)
            for one in messages
            if isinstance(one, IssuePrescription | DraftCommand) and one.patient is not None
        ),
        *(reading.patient_told(one) for one in messages if isinstance(one, PatientFactsChanged)),
    ]
    prescriptions = {(one.tenant_id, one.prescription_id) for one in messages if isinstance(one, Event)}
    await store.hold(conn, patients, sorted(prescriptions))


handlers.settle(store.settle)

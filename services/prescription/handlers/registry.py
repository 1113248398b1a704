"""Who handles what, and what a batch locks before it begins."""

from collections.abc import Sequence

from contracts.directory_events import PatientFactsChanged
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
    """Lock the consultations, patients and prescriptions that the messages are about, in this order."""
    patients = [
        *(reading.patient(one) for one in messages if isinstance(one, IssuePrescription)),
        *(reading.patient_told(one) for one in messages if isinstance(one, PatientFactsChanged)),
    ]
    prescriptions = {(one.tenant_id, one.prescription_id) for one in messages if isinstance(one, Event)}
    records = await store.lock_records(conn, reading.records(messages))
    await store.hold(conn, patients, sorted(prescriptions), records)


handlers.settle(store.settle)

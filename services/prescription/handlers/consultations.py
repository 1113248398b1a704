"""What upstream systems ask of consultations."""

from contracts.record_commands import PutConsultation
from services.prescription import store
from services.prescription.domain import consultation
from services.prescription.handlers.registry import handlers
from services.prescription.messages import drafts, reading, records
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
        failing=drafts.unresolved(command.unresolved),
    )

    if after is not before:
        store.save_consultation(conn, after)
        outbox.announce(records.consultation_changed(after))
    outbox.announce(records.succeeded(command, consultation=after, created=before is None))

"""What the clinic that issued a prescription asks of it, and who looked at it."""

from contracts.prescription_commands import NoteAccess, ResendPrescription, VoidPrescription
from services.prescription import store
from services.prescription.commands import carry_out
from services.prescription.domain import cancelling, delivery
from services.prescription.domain import clock as clockwork
from services.prescription.handlers.registry import handlers
from services.prescription.messages import particulars, reading, telling
from shared import clock
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(VoidPrescription)
async def void_prescription(command: VoidPrescription, conn: Connection, outbox: Outbox) -> None:
    """Call it off; a pharmacy that holds it loses it in the same commit. Again: the first one's data."""
    now = reading.in_time(command, clock.now())
    before = store.seen(conn, command.tenant_id, command.prescription_id)
    prescription = clockwork.as_of(before, now.at)
    after = cancelling.void(
        prescription,
        reason=command.reason,
        reason_code=command.reason_code,
        doctor_id=command.doctor_id or command.caller.doctor_id,
        occasion=now,
    )

    whole = carry_out(conn, outbox, before, after)
    outbox.announce(telling.succeeded(whole, command.request_id, repeated=after is prescription))


@handlers.on(ResendPrescription)
async def resend_prescription(command: ResendPrescription, conn: Connection, outbox: Outbox) -> None:
    """Have it delivered once more; where to is said now, or on file."""
    now = reading.in_time(command, clock.now())
    before = store.seen(conn, command.tenant_id, command.prescription_id)
    address = command.email_address or particulars.of(before).patient.email_address
    after = delivery.resend(clockwork.as_of(before, now.at), address=address, occasion=now)
    assert address is not None  # `resend` refuses without one.

    whole = carry_out(conn, outbox, before, after)
    outbox.announce(
        telling.delivery_requested(
            whole, delivery_id=command.delivery_id, channel=command.channel, address=address
        ),
        telling.succeeded(whole, command.request_id, delivery_id=command.delivery_id),
    )


@handlers.on(NoteAccess)
async def note_access(command: NoteAccess, conn: Connection, outbox: Outbox) -> None:
    """Write down who looked."""
    now = reading.in_time(command, clock.now())
    before = store.seen(conn, command.tenant_id, command.prescription_id)
    after = delivery.note_access(clockwork.as_of(before, now.at), command.what, occasion=now)

    whole = carry_out(conn, outbox, before, after)
    outbox.announce(telling.succeeded(whole, command.request_id))

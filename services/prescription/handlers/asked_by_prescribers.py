"""What the clinic that issued a prescription asks of it, and who looked at it."""

from contracts.prescription_commands import NoteAccess, ResendPrescription, VoidPrescription
from services.prescription.commands import carry_out, take_up
from services.prescription.domain import cancelling, delivery
from services.prescription.handlers.registry import handlers
from services.prescription.messages import particulars, telling
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(VoidPrescription)
async def void_prescription(command: VoidPrescription, conn: Connection, outbox: Outbox) -> None:
    """Call it off; a pharmacy that holds it loses it in the same commit. Again: the first one's data."""
    asked = take_up(conn, command)
    after = cancelling.void(
        asked.prescription,
        reason=command.reason,
        reason_code=command.reason_code,
        doctor_id=command.doctor_id or command.caller.doctor_id,
        occasion=asked.now,
    )

    whole = carry_out(conn, outbox, asked.before, after)
    outbox.announce(telling.succeeded(whole, command.request_id, repeated=after is asked.prescription))


@handlers.on(ResendPrescription)
async def resend_prescription(command: ResendPrescription, conn: Connection, outbox: Outbox) -> None:
    """Have it delivered once more; where to is said now, or on file."""
    asked = take_up(conn, command)
    address = command.email_address or particulars.of(asked.before).patient.email_address
    after = delivery.resend(asked.prescription, address=address, occasion=asked.now)
    assert address is not None  # `resend` refuses without one.

    whole = carry_out(conn, outbox, asked.before, after)
    outbox.announce(
        telling.delivery_requested(
            whole, delivery_id=command.delivery_id, channel=command.channel, address=address
        ),
        telling.succeeded(whole, command.request_id, delivery_id=command.delivery_id),
    )


@handlers.on(NoteAccess)
async def note_access(command: NoteAccess, conn: Connection, outbox: Outbox) -> None:
    """Write down who looked."""
    asked = take_up(conn, command)
    after = delivery.note_access(asked.prescription, command.what, occasion=asked.now)

    whole = carry_out(conn, outbox, asked.before, after)
    outbox.announce(telling.succeeded(whole, command.request_id))

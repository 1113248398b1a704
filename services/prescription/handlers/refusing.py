"""The answer to a command that is refused, and what the history has to tell of it."""

from typing import Final

from contracts import values
from contracts.drafting_commands import ChangeStatus
from contracts.message import Command, Message
from contracts.prescription_commands import PrescriptionCommand, VoidPrescription
from contracts.record_commands import RecordCommand
from services.prescription import store
from services.prescription.commands import carry_out
from services.prescription.domain import cancelling, delivery
from services.prescription.domain import clock as clockwork
from services.prescription.domain.history import Occasion
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Refused
from services.prescription.handlers.registry import handlers, hold
from services.prescription.messages import reading, telling
from shared import clock
from shared.database import Connection
from shared.errors import code
from shared.outbox import Outbox

# What the chassis calls by another name than the dialects.
_CODES: Final = {"too_large": "payload_too_large", "not_found": "resource_not_found"}


@handlers.refused
async def refused(command: Command, error: Exception, conn: Connection, outbox: Outbox) -> None:
    """Answer with the refusal and the state that it was decided on, which a read after it sees at least."""
    now = clock.now()
    if not store.holds(conn):
        await hold(conn, [command])
    refusal = error if isinstance(error, Refused) else _said_in_our_words(error)
    if isinstance(command, RecordCommand):
        outbox.announce(telling.record_refused(command, refusal, now))
        return
    assert isinstance(command, PrescriptionCommand)  # There are no others on its topic.
    prescription = _decided_on(command, refusal, conn, outbox)
    outbox.announce(telling.refused(command, refusal, prescription, now))


def _said_in_our_words(error: Exception) -> Refused:
    """A failure of the chassis, by the code that clients know."""
    return Refused(_CODES.get(code(error), code(error)), str(error))


def _decided_on(
    command: PrescriptionCommand, refusal: Refused, conn: Connection, outbox: Outbox
) -> Prescription | None:
    """What the clock had brought by then stands with the refusal, and a refused attempt is remembered."""
    before = store.find(conn, command.tenant_id, command.prescription_id)
    if before is None or before.hidden:
        return None
    now = reading.occasion(command, clock.now())
    after = clockwork.as_of(before, now.at)
    if _to_be_remembered(command):
        after = cancelling.refused_attempt(after, refusal, now)
    carry_out(conn, outbox, before, after)
    return after


def _to_be_remembered(command: PrescriptionCommand) -> bool:
    """Refused attempts to sign or to cancel are part of the history (delphos-dialect 11.1)."""
    if isinstance(command, ChangeStatus):
        return command.status in (values.Status.SIGNED, values.Status.CANCELLED)
    return isinstance(command, VoidPrescription)


@handlers.replayed
async def replayed(message: Message, conn: Connection, outbox: Outbox) -> None:
    """Say in the history that a message was handled late."""
    tenant_id, prescription_id = (
        getattr(message, "tenant_id", None),
        getattr(message, "prescription_id", None),
    )
    if tenant_id is None or prescription_id is None:
        return
    before = store.find(conn, tenant_id, prescription_id)
    if before is not None and not before.hidden:
        occasion = Occasion(at=clock.now())
        carry_out(conn, outbox, before, delivery.handled_late(before, occasion=occasion))

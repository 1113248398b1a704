"""What pharmacies ask: of two that want a prescription, one gets it."""

from collections.abc import Callable
from uuid import UUID

from contracts.prescription_commands import (
    CancelDispensation,
    CompleteDispensation,
    StartDispensation,
    UpdateDispensation,
)
from services.prescription import store
from services.prescription.commands import carry_out, take_up
from services.prescription.domain import dispensing
from services.prescription.domain.dispensation import Verification
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.state_table import Move
from services.prescription.handlers.registry import handlers
from services.prescription.messages import reading, telling
from services.prescription.messages.reading import DispensingCommand
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(StartDispensation)
async def start_dispensation(command: StartDispensation, conn: Connection, outbox: Outbox) -> None:
    """Give it to one pharmacy; the same one asking again gets its own back."""
    asked = take_up(conn, command)
    before, prescription, now = asked.before, asked.prescription, asked.now
    shown = await _shown(command, conn)
    after = dispensing.start(
        prescription,
        dispensation_id=command.dispensation_id,
        pharmacy=reading.pharmacy(command.pharmacy),
        terms=reading.terms(command, prescription),
        lines=None if command.lines is None else reading.lines(command.lines),
        beneficiary_id=command.beneficiary_id,
        currency_code=command.currency_code,
        shown=shown,
        occasion=now,
    )
    live = after.live_dispensation
    assert live is not None
    repeated = prescription.live_dispensation is not None

    await _use(conn, before, after, live.id)
    whole = carry_out(conn, outbox, before, after)
    outbox.announce(telling.succeeded(whole, command.request_id, dispensation_id=live.id, repeated=repeated))


@handlers.on(UpdateDispensation)
async def update_dispensation(command: UpdateDispensation, conn: Connection, outbox: Outbox) -> None:
    """Replace the lines of a live dispensation."""
    asked = take_up(conn, command, named=_claim(command, Move.CHANGE_LINES))
    after = dispensing.change_lines(
        asked.prescription,
        dispensation_id=command.dispensation_id,
        pharmacy=reading.pharmacy(command.pharmacy),
        lines=reading.lines(command.lines),
        currency_code=command.currency_code,
        occasion=asked.now,
    )

    _done(command, conn, outbox, asked.before, after)


@handlers.on(CompleteDispensation)
async def complete_dispensation(command: CompleteDispensation, conn: Connection, outbox: Outbox) -> None:
    """Hand over what the lines say; the same receipt again changes nothing."""
    asked = take_up(conn, command, named=_claim(command, Move.COMPLETE_ALL))
    shown = await _shown(command, conn)
    after = dispensing.complete(
        asked.prescription,
        dispensation_id=command.dispensation_id,
        pharmacy=reading.pharmacy(command.pharmacy),
        receipt=reading.receipt(command.receipt),
        shown=shown,
        occasion=asked.now,
    )

    await _use(conn, asked.before, after, command.dispensation_id)
    _done(command, conn, outbox, asked.before, after)


@handlers.on(CancelDispensation)
async def cancel_dispensation(command: CancelDispensation, conn: Connection, outbox: Outbox) -> None:
    """Take back a live dispensation, or within its window a completed one."""
    asked = take_up(conn, command, named=_claim(command, Move.CANCEL_COMPLETED))
    after = dispensing.cancel(
        asked.prescription,
        dispensation_id=command.dispensation_id,
        pharmacy=reading.pharmacy(command.pharmacy),
        void_reason=command.void_reason,
        void_description=command.void_description,
        occasion=asked.now,
    )

    _done(command, conn, outbox, asked.before, after)


def _claim(command: DispensingCommand, move: Move) -> Callable[[Prescription], object]:
    """Finds the dispensation that the command is about."""
    pharmacy = reading.pharmacy(command.pharmacy)
    return lambda one: dispensing.named(one, command.dispensation_id, pharmacy, move)


async def _shown(
    command: StartDispensation | CompleteDispensation, conn: Connection
) -> tuple[Verification, ...]:
    ids = {one.verification_id for one in command.verifications if one.verification_id is not None}
    used = await store.used_verifications(conn, command.tenant_id, ids)
    return reading.verifications(command.verifications, used)


async def _use(conn: Connection, before: Prescription, after: Prescription, dispensation_id: UUID) -> None:
    """A verification counts once: whatever has just been verified by it is the last."""
    earlier, claim = before.dispensation(dispensation_id), after.dispensation(dispensation_id)
    used = claim.verified_by if claim else None
    if used is not None and used != (earlier.verified_by if earlier else None):
        await store.use_verification(conn, after.tenant_id, used, now=after.updated_at)


def _done(
    command: DispensingCommand, conn: Connection, outbox: Outbox, before: Prescription, after: Prescription
) -> None:
    whole = carry_out(conn, outbox, before, after)
    outbox.announce(
        telling.succeeded(
            whole,
            command.request_id,
            dispensation_id=command.dispensation_id,
            repeated=after.revision == before.revision,
        )
    )

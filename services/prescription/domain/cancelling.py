"""Calling a prescription off: the medical decision wins over every pharmacy's claim."""

from dataclasses import replace
from uuid import UUID

from services.prescription.domain import dispensing
from services.prescription.domain.history import Action, Change, Note, Occasion, changes
from services.prescription.domain.prescription import Cancellation, Prescription, Said, Say
from services.prescription.domain.refusal import Failing, Refused, refuse_if
from services.prescription.domain.signature import Signature, SignatureStatus
from services.prescription.domain.state_table import Move, Status


def cancel(
    prescription: Prescription,
    *,
    reason: str | None,
    occasion: Occasion,
    reason_code: str = "PRESCRIBER_DECISION",
    doctor_id: UUID | None = None,
) -> Prescription:
    """Call it off; a live dispensation ends in the same commit, and what was handed over stays recorded."""
    target = prescription.admit(Move.TO_CANCELLED, asked_for=Status.CANCELLED)
    if not reason:
        refuse_if([Failing("reason", "required", "Is required.")])
    assert reason is not None
    live = prescription.live_dispensation
    stopped = dispensing.ended_by_prescriber(live, occasion.at) if live else None
    changed = replace(
        prescription,
        status=target.status,
        cancellation=Cancellation(
            reason=reason, reason_code=reason_code, doctor_id=doctor_id, at=occasion.at
        ),
        signature=_void(prescription.signature),
        sign_request=None,
        dispensations=tuple(
            stopped if stopped and one.id == stopped.id else one for one in prescription.dispensations
        ),
    )
    notes = [Note(action=Action.STATUS_CHANGED, changes=_told(prescription, changed))]
    say = [Say(Said.ENDED)] if prescription.status is Status.SUBMITTED else []
    if stopped:
        notes.insert(0, dispensing.note_of(Action.DISPENSATION_ENDED, prescription, stopped))
        say.insert(0, Say(Said.STOPPED, stopped))
    cancelled = prescription.becomes(changed, occasion, *notes, say=say)
    return _signing_refused(prescription, cancelled, occasion)


def void(
    prescription: Prescription,
    *,
    reason: str,
    reason_code: str,
    doctor_id: UUID | None,
    occasion: Occasion,
) -> Prescription:
    """Cancel in the other dialect's words. Repeated, with whatever content, nothing changes (rulings 2.5)."""
    if prescription.status is Status.CANCELLED:
        return prescription
    if prescription.status is Status.DISPENSED:
        raise prescription.refused("R3")
    if prescription.status is Status.EXPIRED:
        raise prescription.refused("R5")
    return cancel(
        prescription, reason=reason, reason_code=reason_code, doctor_id=doctor_id, occasion=occasion
    )


def refused_attempt(prescription: Prescription, refusal: Refused, occasion: Occasion) -> Prescription:
    """The same prescription, whose history tells of an attempt that was refused."""
    return prescription.noted(occasion, Note(action=Action.ATTEMPT_REFUSED, error=refusal.code))


def _signing_refused(before: Prescription, cancelled: Prescription, occasion: Occasion) -> Prescription:
    """Whoever was having it signed is refused in the same commit (delphos-dialect 3.7)."""
    if before.sign_request is None:
        return cancelled
    refusal = cancelled.refused("T", asked_for=Status.SIGNED)
    return refused_attempt(cancelled, refusal, replace(before.sign_request.occasion, at=occasion.at))


def _told(before: Prescription, cancelled: Prescription) -> tuple[Change, ...]:
    assert cancelled.cancellation is not None
    return (
        Change("cancel_reason", None, cancelled.cancellation.reason),
        Change("reason_code", None, cancelled.cancellation.reason_code),
        *changes(before.signature, cancelled.signature, "status", of="signature"),
    )


def _void(signature: Signature | None) -> Signature | None:
    if signature is None or signature.status is SignatureStatus.FAILED:
        return signature
    return replace(signature, status=SignatureStatus.VOID)

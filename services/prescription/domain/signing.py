"""From approved to signed and released: who may sign what, and what a seal makes true."""

from dataclasses import replace
from uuid import UUID

from services.prescription.domain import safety
from services.prescription.domain.history import Action, Change, Note, Occasion
from services.prescription.domain.prescription import (
    Prescription,
    Said,
    Say,
    Seal,
    Signature,
    SignatureStatus,
)
from services.prescription.domain.refusal import Detail, Refused
from services.prescription.domain.state_table import Column, Move, Status


def begin(prescription: Prescription, *, signed_by: UUID, occasion: Occasion) -> Prescription:
    """Mark it as being signed. What may still forbid it, the check, is looked at by `allow`."""
    prescription.admit(Move.TO_SIGNED, asked_for=Status.SIGNED)
    _still_valid(prescription, occasion)
    before = prescription.signature
    number = before.number + 1 if before else 1
    signature = Signature(
        status=SignatureStatus.PENDING, number=number, signed_by=signed_by, asked_at=occasion.at
    )
    changed = replace(prescription, signature=signature)
    note = Note(action=Action.SIGNING_STARTED, changes=(Change("signed_by", None, str(signed_by)),))
    return prescription.becomes(changed, occasion, note)


def allow(prescription: Prescription) -> None:
    """Raise Refused while a blocking finding has nobody who answers for it."""
    blocking = safety.still_blocking(prescription.findings)
    if not blocking:
        return
    interactions: list[Detail] = [{"id": str(one.id), "severity": one.severity.value} for one in blocking]
    raise Refused(
        "unacknowledged_interactions",
        f"{len(blocking)} interactions of severity critical or contraindicated must be acknowledged "
        "before signing.",
        details={"interaction_count": len(blocking), "interactions": interactions},
    )


def with_code(prescription: Prescription, code: str) -> Prescription:
    """Its code, allocated before the seal so that the seal covers it; one that it has stays."""
    return prescription if prescription.code else replace(prescription, code=code)


def after_seal(prescription: Prescription, seal: Seal, *, number: int, occasion: Occasion) -> Prescription:
    """Signed. A seal of what was cancelled meanwhile is archived as void; any other late one is ignored."""
    signature = prescription.signature
    if signature is None or signature.number != number or signature.seal is not None:
        return prescription
    if prescription.cell(Move.SIGNATURE_MADE).ignored:
        if prescription.status is not Status.CANCELLED:
            return prescription
        archived = replace(signature, seal=seal, signed_at=seal.sealed_at, status=SignatureStatus.VOID)
        note = Note(action=Action.SIGNATURE_ARCHIVED)
        return replace(prescription, signature=archived).noted(occasion, note)
    target = prescription.admit(Move.SIGNATURE_MADE)
    signature = replace(
        signature, status=SignatureStatus.COMPLETED, seal=seal, signed_at=seal.sealed_at, failure=None
    )
    changed = replace(prescription, status=target.status, signature=signature)
    signed_by = Change("signed_by", None, str(signature.signed_by))
    return prescription.becomes(changed, occasion, Note(action=Action.STATUS_CHANGED, changes=(signed_by,)))


def after_failure(
    prescription: Prescription, failure: str, *, number: int, occasion: Occasion
) -> Prescription:
    """Not signed; status and code stay for the next attempt. A late failure changes nothing."""
    signature = prescription.signature
    if prescription.cell(Move.SIGNING_FAILED).ignored or signature is None or signature.number != number:
        return prescription
    target = prescription.admit(Move.SIGNING_FAILED)
    signature = replace(signature, status=SignatureStatus.FAILED, failure=failure)
    changed = replace(prescription, status=target.status, signature=signature)
    return prescription.becomes(changed, occasion, Note(action=Action.SIGNING_FAILED, error=failure))


def release(prescription: Prescription, *, document_id: UUID, occasion: Occasion) -> Prescription:
    """Pharmacies can redeem its code from now on; `document_id` names the PDF of what was signed."""
    target = prescription.admit(Move.TO_SUBMITTED, asked_for=Status.SUBMITTED)
    _still_valid(prescription, occasion)
    changed = replace(
        prescription, status=target.status, issued_at=occasion.at, signed_document_id=document_id
    )
    return prescription.becomes(changed, occasion, say=[Say(Said.RELEASED)])


def awaited(prescription: Prescription) -> int | None:
    """The number of the attempt whose seal is awaited."""
    signature = prescription.signature
    return signature.number if signature and prescription.column is Column.SIGNING else None


def _still_valid(prescription: Prescription, occasion: Occasion) -> None:
    if prescription.past_validity(occasion.at):
        raise Refused("prescription_expired", "Its validity is over.")

"""From approved to signed and released: what stands in the way, and what a seal makes true."""

from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.prescription.domain import safety
from services.prescription.domain.history import Action, Change, Note, Occasion, changes
from services.prescription.domain.prescription import Prescription, Said, Say
from services.prescription.domain.refusal import Detail, Failing, Refused
from services.prescription.domain.requests import SignRequest
from services.prescription.domain.signature import Seal, Signature, SignatureStatus
from services.prescription.domain.state_table import Column, Move, Status

# Why an attempt failed, as the signature says it from then on.
SIGNING_REFUSED: Final = "signing_refused"
NOT_REACHED: Final = "dependency_unavailable"
SIGNER_INACTIVE: Final = "inactive_reference"
_SHOWN_OF_A_SEAL: Final = ("profile", "algorithm", "document_sha256", "certificate_sha256")
_WHY: Final = {
    SIGNING_REFUSED: "The content cannot be sealed as it stands.",
    SIGNER_INACTIVE: "The doctor may not sign at present.",
}


def begin(
    prescription: Prescription,
    *,
    signed_by: UUID,
    occasion: Occasion,
    request: SignRequest | None = None,
) -> Prescription:
    """Mark it as being signed; `request` is answered at the end. What the check may forbid, `allow` says."""
    prescription.admit(Move.TO_SIGNED, asked_for=Status.SIGNED)
    _still_valid(prescription, occasion)
    before = prescription.signature
    number = before.number + 1 if before else 1
    signature = Signature(
        status=SignatureStatus.PENDING, number=number, signed_by=signed_by, asked_at=occasion.at
    )
    changed = replace(
        prescription,
        signature=signature,
        sign_request=replace(request, before=before) if request else None,
    )
    told = changes(before, signature, "status", "signed_by", of="signature")
    note = Note(action=Action.SIGNING_STARTED, changes=told)
    return prescription.becomes(changed, occasion, note)


def requested(occasion: Occasion, deadline: datetime | None) -> SignRequest:
    """Somebody asks for the signature, and waits for it until then."""
    return SignRequest(occasion=occasion, deadline=deadline)


def allow(prescription: Prescription) -> None:
    """Raise Refused while a blocking finding has nobody who answers for it."""
    if (refusal := blocked(prescription)) is not None:
        raise refusal


def blocked(prescription: Prescription) -> Refused | None:
    """The refusal over blocking findings that nobody answers for, most severe first; None without any."""
    blocking = safety.still_blocking(prescription.findings)
    if not blocking:
        return None
    interactions: list[Detail] = [{"id": str(one.id), "severity": one.severity.value} for one in blocking]
    message = (
        f"{len(blocking)} interaction{'s' if len(blocking) > 1 else ''} of severity critical or "
        "contraindicated must be acknowledged before signing."
    )
    details: dict[str, Detail] = {
        "prescription_id": str(prescription.id),
        "interaction_count": len(blocking),
        "interactions": interactions,
        "message": message,
    }
    return Refused("unacknowledged_interactions", message, details=details)


def awaits_check(prescription: Prescription) -> bool:
    """Whether somebody's signature waits for the result of a check."""
    request = prescription.sign_request
    return prescription.column is Column.SIGNING and request is not None and not request.sealing


def objection(prescription: Prescription, now: Occasion, *, signer_active: bool) -> Refused | None:
    """Why what has been checked in the meantime may not be sealed; None when it may."""
    if not signer_active:
        return _failed(SIGNER_INACTIVE)
    if prescription.past_validity(now.at):
        return _expired()
    return blocked(prescription)


def withdraw(
    prescription: Prescription, refusal: Refused, now: Occasion, *, since: Prescription | None = None
) -> Prescription:
    """End an attempt before anything was sealed: the signature is again what it was.

    `since` is what this commit began with, so that clients count it once.
    """
    request = prescription.sign_request
    assert request is not None
    target = prescription.admit(Move.SIGNING_FAILED)
    changed = replace(prescription, status=target.status, signature=request.before, sign_request=None)
    back = changes(prescription.signature, request.before, "status", of="signature")
    failed = Note(action=Action.SIGNING_FAILED, error=refusal.code, changes=back)
    counted = since is not None and prescription.version > since.version
    withdrawn = (prescription.besides if counted else prescription.becomes)(changed, now, failed)
    return withdrawn.noted(now, Note(action=Action.ATTEMPT_REFUSED, error=refusal.code))


def sealing(prescription: Prescription, code: str) -> Prescription:
    """Nothing stands in the way: its seal is asked for, over a code that it keeps whatever comes of it."""
    request = prescription.sign_request
    assert request is not None
    return replace(with_code(prescription, code), sign_request=replace(request, sealing=True))


def with_code(prescription: Prescription, code: str) -> Prescription:
    """Its code, allocated before the seal so that the seal covers it; one that it has stays."""
    return prescription if prescription.code else replace(prescription, code=code)


def after_seal(
    prescription: Prescription,
    seal: Seal,
    *,
    number: int,
    occasion: Occasion,
    document_id: UUID | None = None,
) -> Prescription:
    """Signed; `document_id` names the PDF of it, which is made once.

    A seal of what was cancelled meanwhile is archived as void; any other late one is ignored.
    """
    signature = prescription.signature
    if signature is None or signature.number != number or signature.seal is not None:
        return prescription
    if prescription.cell(Move.SIGNATURE_MADE).ignored:
        if prescription.status is not Status.CANCELLED:
            return prescription
        archived = replace(signature, seal=seal, status=SignatureStatus.VOID)
        note = Note(action=Action.SIGNATURE_ARCHIVED)
        return replace(prescription, signature=archived).noted(occasion, note)
    target = prescription.admit(Move.SIGNATURE_MADE)
    completed = replace(signature, status=SignatureStatus.COMPLETED, seal=seal, signed_at=seal.sealed_at)
    changed = replace(
        prescription,
        status=target.status,
        signature=completed,
        sign_request=None,
        signed_document_id=document_id,
    )
    note = Note(action=Action.STATUS_CHANGED, changes=_signed(changed, signature, completed, seal))
    return prescription.becomes(changed, occasion, note)


def after_failure(
    prescription: Prescription, failure: str, *, number: int, occasion: Occasion
) -> Prescription:
    """Not signed; status and code stay for the next attempt. A late failure changes nothing."""
    signature = prescription.signature
    if prescription.cell(Move.SIGNING_FAILED).ignored or signature is None or signature.number != number:
        return prescription
    target = prescription.admit(Move.SIGNING_FAILED)
    failed = replace(signature, status=SignatureStatus.FAILED, failure=failure, failed_at=occasion.at)
    changed = replace(prescription, status=target.status, signature=failed, sign_request=None)
    told = changes(signature, failed, "status", of="signature")
    note = Note(action=Action.SIGNING_FAILED, error=failure, changes=told)
    return prescription.becomes(changed, occasion, note)


def give_up(prescription: Prescription, now: datetime) -> Prescription:
    """End an attempt whose deadline has come; too early, or without a deadline, nothing changes."""
    request = prescription.sign_request
    if request is None or request.deadline is None or now < request.deadline:
        return prescription
    assert prescription.signature is not None
    occasion = replace(request.occasion, at=now)
    if not request.sealing:
        return withdraw(prescription, _unchecked(), occasion)
    return after_failure(prescription, NOT_REACHED, number=prescription.signature.number, occasion=occasion)


def ended(before: Prescription, after: Prescription) -> SignRequest | None:
    """The request that a change has brought to its end: whoever asked is to be told."""
    asked, still = before.sign_request, after.sign_request
    if asked is None or (still is not None and still.occasion.request_id == asked.occasion.request_id):
        return None
    return asked


def refusal(before: Prescription, after: Prescription) -> Refused | None:
    """Why the request that has come to its end made no signature; None when it made one."""
    if after.status is Status.SIGNED:
        return None
    # Somebody may have asked again in the same moment.
    left = after.sign_request.before if after.sign_request else after.signature
    attempt = before.signature.number if before.signature else 0
    if left is not None and left.status is SignatureStatus.FAILED and left.number == attempt:
        return _failed(left.failure)
    return after.refused("T", asked_for=Status.SIGNED) if after.status is Status.CANCELLED else _unchecked()


def release(
    prescription: Prescription, *, document_id: UUID, occasion: Occasion, issued_at: datetime | None = None
) -> Prescription:
    """Pharmacies can redeem its code from now on; `document_id` names the PDF of it where nothing did.

    `issued_at` is the moment that everybody sees, by default now.
    """
    target = prescription.admit(Move.TO_SUBMITTED, asked_for=Status.SUBMITTED)
    _still_valid(prescription, occasion)
    changed = replace(
        prescription,
        status=target.status,
        issued_at=issued_at or occasion.at,
        signed_document_id=prescription.signed_document_id or document_id,
    )
    told = (replace(one, field="submitted_at") for one in changes(prescription, changed, "issued_at"))
    note = Note(action=Action.STATUS_CHANGED, changes=tuple(told))
    return prescription.becomes(changed, occasion, note, say=[Say(Said.RELEASED)])


def awaited(prescription: Prescription) -> int | None:
    """The number of the attempt whose seal is awaited."""
    signature = prescription.signature
    return signature.number if signature and prescription.column is Column.SIGNING else None


def _still_valid(prescription: Prescription, occasion: Occasion) -> None:
    if prescription.past_validity(occasion.at):
        raise _expired()


def _expired() -> Refused:
    return Refused("prescription_expired", "Its validity is over.")


def _signed(
    prescription: Prescription, attempt: Signature, completed: Signature, seal: Seal
) -> tuple[Change, ...]:
    """What is there from the signature on, and was not before."""
    return (
        *changes(None, completed, "signed_by", "signed_at"),
        Change("prescription_code", None, prescription.code),
        *changes(attempt, completed, "status", of="signature"),
        *changes(None, seal, *_SHOWN_OF_A_SEAL, of="signature"),
        *(replace(one, field="signature.timestamped_at") for one in changes(None, seal, "sealed_at")),
    )


def _failed(failure: str | None) -> Refused:
    if failure is None or failure not in _WHY:
        return Refused(NOT_REACHED, "It could not be sealed in time; nothing was signed.")
    refused = Failing("signed_by", failure, _WHY[failure])
    return Refused(refused.code, refused.message, errors=(refused,))


def _unchecked() -> Refused:
    return Refused("safety_check_failed", "The safety check gave no result in time; nothing was signed.")

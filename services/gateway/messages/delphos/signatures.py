"""A prescription's signature, and what pharmacies did with it, in short (delphos-dialect 4.5)."""

from __future__ import annotations

from uuid import UUID

from contracts.values import Dispensation, Prescription, Signature, Status
from services.gateway.messages.delphos.words import Moment, Shown


class SigningFailure(Shown):
    """Why the last attempt came to nothing."""

    error: str
    detail: str
    at: Moment | None


class SignatureSummary(Shown):
    """The signature, or the last attempt at one; `void` once it is cancelled."""

    status: str
    profile: str | None
    algorithm: str | None
    document_sha256: str | None
    certificate_sha256: str | None
    timestamped_at: Moment | None
    failure: SigningFailure | None


class DispensedItem(Shown):
    """How much of an item; null where none was prescribed."""

    item_id: UUID
    quantity: int | None


class DispensationSummary(Shown):
    """One pharmacy's claim, by the pharmacy's name."""

    id: UUID
    status: str
    source: str
    pharmacy: str | None
    started_at: Moment
    ended_at: Moment | None
    items: list[DispensedItem]


def signature(one: Prescription) -> SignatureSummary | None:
    """Null before the first sign command; what the other dialect issued has been sealed by it."""
    attempt, seal = one.signature, one.seal
    if attempt is None and seal is None:
        return None
    return SignatureSummary(
        status=_sealed(one) if attempt is None else attempt.status,
        profile=seal and seal.profile,
        algorithm=seal and seal.algorithm,
        document_sha256=seal and seal.document_sha256,
        certificate_sha256=seal and seal.certificate_sha256,
        timestamped_at=seal and seal.sealed_at,
        failure=None if attempt is None else _failure(attempt),
    )


def dispensations(one: Prescription) -> list[DispensationSummary]:
    return [_dispensation(each) for each in sorted(one.dispensations, key=lambda each: each.started_at)]


def _sealed(one: Prescription) -> str:
    return "void" if one.status is Status.CANCELLED else "completed"


def _failure(attempt: Signature) -> SigningFailure | None:
    if attempt.failure is None:
        return None
    detail = f"The last attempt to sign failed: {attempt.failure}."
    return SigningFailure(error=attempt.failure, detail=detail, at=attempt.failed_at)


def _dispensation(one: Dispensation) -> DispensationSummary:
    return DispensationSummary(
        id=one.dispensation_id,
        status=one.status.value.lower(),
        source=one.source,
        pharmacy=one.pharmacy.name,
        started_at=one.started_at,
        ended_at=one.cancelled_at or one.completed_at,
        items=[DispensedItem(item_id=line.item_id, quantity=line.quantity) for line in one.lines],
    )

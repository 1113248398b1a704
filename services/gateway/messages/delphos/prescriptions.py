"""A prescription in this dialect: the detail, and the row of a list (delphos-dialect 4.1, 4.5, 4.6)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from contracts.values import Dispensation, Prescription, Status
from services.gateway.messages.delphos import findings, items
from services.gateway.messages.delphos.reader import Reader, moment, moment_or_none


def detail(one: Prescription, reader: Reader) -> dict[str, Any]:
    """All of it; `one` is what the clock has made of what is stored."""
    return {
        "id": str(one.prescription_id),
        "status": one.status.value,
        "version": one.version,
        "patient_id": str(one.patient.patient_id),
        "doctor_id": str(one.doctor.doctor_id),
        "consultation_id": _id(one.consultation_id),
        "template_id": _id(one.template_id),
        "origin": one.origin,
        "prescription_type": one.prescription_type,
        "notes": one.notes,
        "valid_until": moment_or_none(one.valid_until),
        "items": [items.render(one, item, reader) for item in _in_order(one)],
        "interactions": findings.interactions(one, reader),
        "safety_summary": findings.summary(one),
        "safety_check": findings.check(one),
        "can_sign": findings.can_sign(one),
        "blocking_interactions_count": findings.blocking(one),
        "pending_acknowledgements_count": findings.unacknowledged(one),
        "signed_by": _id(one.signed_by),
        "signed_at": moment_or_none(one.signed_at),
        "signature": signature(one),
        "prescription_code": code(one),
        **_moments(one),
        "cancel_reason": None if one.void is None else one.void.reason,
        "dispensations": [_dispensation(each) for each in one.dispensations],
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
    }


def row(one: Prescription) -> dict[str, Any]:
    """What a list shows of it; the same meaning as in the detail."""
    return {
        "id": str(one.prescription_id),
        "status": one.status.value,
        "version": one.version,
        "patient_id": str(one.patient.patient_id),
        "doctor_id": str(one.doctor.doctor_id),
        "consultation_id": _id(one.consultation_id),
        "origin": one.origin,
        "prescription_type": one.prescription_type,
        "valid_until": moment_or_none(one.valid_until),
        "items_count": len(one.items),
        "safety_check_status": one.safety_check_status,
        "can_sign": findings.can_sign(one),
        "blocking_interactions_count": findings.blocking(one),
        "pending_acknowledgements_count": findings.unacknowledged(one),
        "prescription_code": code(one),
        "signed_at": moment_or_none(one.signed_at),
        **_moments(one),
        "created_at": moment(one.created_at),
        "updated_at": moment(one.updated_at),
    }


def code(one: Prescription) -> str | None:
    """Shown from `signed` on (ruling 1.10); one that a failed signing has allocated is not."""
    return one.prescription_code if one.signed_at or one.issued_at else None


def signature(one: Prescription) -> dict[str, Any] | None:
    """Null before the first sign command; a cancelled prescription's is void (4.5)."""
    attempt, seal = one.signature, one.seal
    if attempt is None and seal is None:
        return None
    if attempt is not None:
        status = attempt.status
    else:
        status = "void" if one.status is Status.CANCELLED else "completed"
    failure = None
    if attempt is not None and attempt.failure is not None:
        failure = {
            "error": attempt.failure,
            "detail": f"The last attempt to sign failed: {attempt.failure}.",
            "at": moment_or_none(attempt.failed_at),
        }
    return {
        "status": status,
        "profile": None if seal is None else seal.profile,
        "algorithm": None if seal is None else seal.algorithm,
        "document_sha256": None if seal is None else seal.document_sha256,
        "certificate_sha256": None if seal is None else seal.certificate_sha256,
        "timestamped_at": None if seal is None else moment(seal.sealed_at),
        "failure": failure,
    }


def _in_order(one: Prescription) -> list[Any]:
    return sorted(one.items, key=lambda item: item.position)


def _moments(one: Prescription) -> dict[str, str | None]:
    """Released to pharmacies is what the other dialect calls issued."""
    return {
        "submitted_at": moment_or_none(one.issued_at),
        "dispensed_at": moment_or_none(one.dispensed_at),
        "cancelled_at": None if one.void is None else moment(one.void.voided_at),
    }


def _dispensation(one: Dispensation) -> dict[str, Any]:
    return {
        "id": str(one.dispensation_id),
        "status": one.status.value.lower(),
        "source": one.source,
        "pharmacy": one.pharmacy.name,
        "started_at": moment(one.started_at),
        "ended_at": moment_or_none(one.cancelled_at or one.completed_at),
        "items": [{"item_id": str(line.item_id), "quantity": line.quantity} for line in one.lines],
    }


def _id(one: UUID | None) -> str | None:
    return None if one is None else str(one)

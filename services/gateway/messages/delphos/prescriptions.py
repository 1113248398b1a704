"""A prescription in this dialect: the detail, and the row of a list (delphos-dialect 4.1, 4.5, 4.6)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from contracts.values import Prescription, Status
from services.gateway.messages.delphos import findings, items, safety, signatures
from services.gateway.messages.delphos.findings import Interaction
from services.gateway.messages.delphos.items import PrescriptionItem
from services.gateway.messages.delphos.reader import Reader
from services.gateway.messages.delphos.safety import SafetyCheck, SafetySummary
from services.gateway.messages.delphos.signatures import DispensationSummary, SignatureSummary
from services.gateway.messages.delphos.words import Moment, Shown


class PrescriptionDetail(Shown):
    """A prescription whole."""

    id: UUID
    status: Status
    version: int
    patient_id: UUID
    doctor_id: UUID
    consultation_id: UUID | None
    template_id: UUID | None
    origin: str
    prescription_type: str
    notes: str | None
    valid_until: Moment | None
    items: list[PrescriptionItem]
    interactions: list[Interaction]
    safety_summary: SafetySummary
    safety_check: SafetyCheck
    can_sign: bool
    blocking_interactions_count: int
    pending_acknowledgements_count: int
    signed_by: UUID | None
    signed_at: Moment | None
    signature: SignatureSummary | None
    prescription_code: str | None
    submitted_at: Moment | None
    dispensed_at: Moment | None
    cancelled_at: Moment | None
    cancel_reason: str | None
    dispensations: list[DispensationSummary]
    created_at: Moment
    updated_at: Moment


class WrappedPrescription(Shown):
    """As creating answers it."""

    prescription: PrescriptionDetail


class PrescriptionRow(Shown):
    """What a list shows of a prescription; the same meaning as in the detail."""

    id: UUID
    status: Status
    version: int
    patient_id: UUID
    doctor_id: UUID
    consultation_id: UUID | None
    origin: str
    prescription_type: str
    valid_until: Moment | None
    items_count: int
    safety_check_status: str
    can_sign: bool
    blocking_interactions_count: int
    pending_acknowledgements_count: int
    prescription_code: str | None
    signed_at: Moment | None
    submitted_at: Moment | None
    dispensed_at: Moment | None
    cancelled_at: Moment | None
    created_at: Moment
    updated_at: Moment


class PrescriptionList(Shown):
    """A page, and how many there are in all."""

    items: list[PrescriptionRow]
    total: int
    limit: int
    offset: int


def detail(one: Prescription, reader: Reader) -> PrescriptionDetail:
    """All of it; `one` is what the clock has made of what is stored."""
    return PrescriptionDetail(
        id=one.prescription_id,
        status=one.status,
        version=one.version,
        patient_id=one.patient.patient_id,
        doctor_id=one.doctor.doctor_id,
        consultation_id=one.consultation_id,
        template_id=one.template_id,
        origin=one.origin,
        prescription_type=one.prescription_type,
        notes=one.notes,
        valid_until=one.valid_until,
        items=[items.render(one, item, reader) for item in sorted(one.items, key=lambda item: item.position)],
        interactions=findings.render(one.findings, one.items, reader),
        safety_summary=safety.summary(one),
        safety_check=safety.check(one, reader),
        can_sign=safety.can_sign(one),
        blocking_interactions_count=safety.blocking(one),
        pending_acknowledgements_count=safety.unacknowledged(one),
        signed_by=one.signed_by,
        signed_at=one.signed_at,
        signature=signatures.signature(one),
        prescription_code=code(one),
        submitted_at=one.issued_at,
        dispensed_at=one.dispensed_at,
        cancelled_at=_cancelled_at(one),
        cancel_reason=None if one.void is None else one.void.reason,
        dispensations=signatures.dispensations(one),
        created_at=one.created_at,
        updated_at=one.updated_at,
    )


def row(one: Prescription) -> PrescriptionRow:
    return PrescriptionRow(
        id=one.prescription_id,
        status=one.status,
        version=one.version,
        patient_id=one.patient.patient_id,
        doctor_id=one.doctor.doctor_id,
        consultation_id=one.consultation_id,
        origin=one.origin,
        prescription_type=one.prescription_type,
        valid_until=one.valid_until,
        items_count=len(one.items),
        safety_check_status=one.safety_check_status,
        can_sign=safety.can_sign(one),
        blocking_interactions_count=safety.blocking(one),
        pending_acknowledgements_count=safety.unacknowledged(one),
        prescription_code=code(one),
        signed_at=one.signed_at,
        submitted_at=one.issued_at,
        dispensed_at=one.dispensed_at,
        cancelled_at=_cancelled_at(one),
        created_at=one.created_at,
        updated_at=one.updated_at,
    )


def page(found: Iterable[Prescription], *, total: int, limit: int, offset: int) -> PrescriptionList:
    return PrescriptionList(items=[row(one) for one in found], total=total, limit=limit, offset=offset)


def code(one: Prescription) -> str | None:
    """Shown from `signed` on (ruling 1.10); one that a failed signing has allocated is not."""
    return one.prescription_code if one.signed_at or one.issued_at else None


def _cancelled_at(one: Prescription) -> datetime | None:
    return None if one.void is None else one.void.voided_at

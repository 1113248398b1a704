"""Prescriptions in the Osigu dialect: answers of writes, the full read, the row of a list (5.3 to 5.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from contracts.command_outcomes import CommandSucceeded
from contracts.prescription_commands import IssuePrescription, ResendPrescription, VoidPrescription
from contracts.values import (
    Allergy,
    Diagnosis,
    Dispensation,
    Doctor,
    Patient,
    Prescription,
    Status,
)
from services.gateway.messages import by_the_clock, findings, ids, medications
from services.gateway.messages.answers import Answer
from services.gateway.messages.moments import moment, moment_or_none
from services.gateway.messages.outcomes import answers
from services.gateway.messages.requests import Request

ISSUED: Final = "PRESCRIPTION_ISSUED"
PARTIALLY_DISPENSED: Final = "PRESCRIPTION_PARTIALLY_DISPENSED"
STATUS: Final[Mapping[Status, str]] = {
    Status.DRAFT: "PRESCRIPTION_DRAFT",
    Status.PENDING_REVIEW: "PRESCRIPTION_PENDING",
    Status.VALIDATED: "PRESCRIPTION_PENDING",
    Status.SIGNED: "PRESCRIPTION_PENDING",
    Status.SUBMITTED: ISSUED,
    Status.DISPENSED: "PRESCRIPTION_DISPENSED",
    Status.CANCELLED: "PRESCRIPTION_VOIDED",
    Status.EXPIRED: "PRESCRIPTION_EXPIRED",
}
STATUS_WORDS: Final = frozenset(STATUS.values()) | {PARTIALLY_DISPENSED}


def path(prescription_id: UUID) -> str:
    return f"/ehr/v1/prescriptions/{ids.spell('rx', prescription_id)}"


def status(prescription: Prescription) -> str:
    if prescription.status is Status.SUBMITTED and prescription.partly_dispensed:
        return PARTIALLY_DISPENSED
    return STATUS[prescription.status]


def code(prescription: Prescription) -> str | None:
    """Shown from issue on (ruling 1.10)."""
    return None if prescription.issued_at is None else prescription.prescription_code


@answers(IssuePrescription)
def issued(outcome: CommandSucceeded, request: Request) -> Answer:
    """The 201 of a create; what happens to it later does not change this answer."""
    one = outcome.prescription
    reader = findings.Reader.of(one.items, one.provider.language)
    body = {
        "prescription_id": ids.spell("rx", one.prescription_id),
        "prescription_code": one.prescription_code,
        "status": status(one),
        "created_at": moment(one.created_at),
        "version": one.api_version,
        "issued_at": moment_or_none(one.issued_at),
        "valid_until": moment_or_none(one.valid_until),
        "safety_findings": reader.findings(one.findings),
        "safety_coverage": findings.coverage(one.coverage),
        "safety_not_evaluated": reader.not_evaluated(one.not_evaluated),
        "unmatched_acknowledgements": list(one.unmatched_acknowledgements),
    }
    return Answer(201, body, {"Location": path(one.prescription_id)})


@answers(VoidPrescription)
def voided(outcome: CommandSucceeded, request: Request) -> Answer:
    """The data of the first void, however often it is asked for (ruling 2.5)."""
    one = outcome.prescription
    void = one.void
    body = {
        "prescription_id": ids.spell("rx", one.prescription_id),
        "prescription_code": code(one),
        "status": status(one),
        "voided_at": moment_or_none(void.voided_at if void else None),
        "reason": void.reason if void else None,
        "reason_code": void.reason_code if void else None,
    }
    return Answer(200, body)


@answers(ResendPrescription)
def resent(outcome: CommandSucceeded, request: Request) -> Answer:
    one = outcome.prescription
    context = request.context or {}
    body = {
        "prescription_id": ids.spell("rx", one.prescription_id),
        "channel": "EMAIL",
        "status": "QUEUED",
        "masked_destination": context.get("masked_destination") or masked(one.patient.email_address or ""),
        "requested_at": moment(request.accepted_at),
    }
    return Answer(200, body)


def masked(address: str) -> str:
    """An e-mail address as its owner recognises it: the first letter, and where it goes."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}***@{domain}"


def read(one: Prescription) -> dict[str, Any]:
    """The full read, but for the link to the PDF, which is made at reading."""
    shown_code = code(one)
    reader = findings.Reader.of(one.items, one.provider.language)
    return {
        **_head(one, shown_code),
        "patient": patient(one.patient),
        "doctor": doctor(one.doctor),
        "diagnoses": [_diagnosis(each) for each in one.diagnoses],
        "medications": medications.render(one, shown_code),
        "allergies": [_allergy(each) for each in one.allergies],
        "patient_data_consent": one.patient_data_consent,
        "confidential": one.confidential,
        "notes": one.notes,
        "additional_notes": one.notes,
        "laboratory_notes": one.laboratory_notes,
        "diagnostic_test_notes": one.diagnostic_test_notes,
        "signature": one.seal.compact if one.seal else None,
        "signed_document_id": str(one.signed_document_id) if one.signed_document_id else None,
        "safety_findings": reader.with_acknowledgements(one.findings),
        "safety_coverage": findings.coverage(one.coverage),
        "safety_not_evaluated": reader.not_evaluated(one.not_evaluated),
        "dispensations": [_dispensation(each) for each in one.dispensations],
        "void": _void(one),
    }


def row(one: Prescription) -> dict[str, Any]:
    """What a list shows of it."""
    names = one.patient
    return {
        **_head(one, code(one)),
        "patient": {
            "patient_id": ids.spell("pat", names.patient_id),
            "first_name": names.first_name or None,
            "last_name": names.last_name,
        },
        "doctor": doctor(one.doctor),
    }


def _head(one: Prescription, shown_code: str | None) -> dict[str, Any]:
    id = ids.spell("rx", one.prescription_id)
    return {
        "prescription_id": id,
        "id": id,
        "prescription_code": shown_code,
        "code": shown_code,
        "status": status(one),
        "version": one.api_version,
        "created_at": moment(one.created_at),
        "issued_at": moment_or_none(one.issued_at),
        "valid_until": moment_or_none(one.valid_until),
        "dispensing_in_progress": by_the_clock.live(one) is not None,
    }


def patient(one: Patient) -> dict[str, Any]:
    """The patient as they were at issue."""
    return {
        "patient_id": ids.spell("pat", one.patient_id),
        "first_name": one.first_name or None,
        "last_name": one.last_name,
        "second_last_name": one.second_last_name,
        "document_type": one.document_type,
        "document_number": one.document_number,
        "date_of_birth": one.date_of_birth.isoformat() if one.date_of_birth else None,
        "guardian": one.guardian and one.guardian.model_dump(mode="json"),
        "sex": one.sex,
        "nationality_country_code": one.nationality_country_code,
        "passport_issuing_country": one.passport_issuing_country,
        "area_code": one.area_code,
        "phone_number": one.phone_number,
        "email_address": one.email_address,
        "allergies": [_allergy(each) for each in one.allergies],
    }


def doctor(one: Doctor) -> dict[str, Any]:
    """The prescriber as they were at issue."""
    return {
        "doctor_id": ids.spell("doc", one.doctor_id),
        "medical_board_registration": one.medical_board_registration or one.medical_license_number,
        "name": one.full_name,
        "medical_license_number": one.medical_license_number,
        "specialty_name": one.main_specialty_name,
    }


def _diagnosis(one: Diagnosis) -> dict[str, Any]:
    return {
        "diagnosis_code": one.diagnosis_code,
        "code": one.diagnosis_code,
        "coding_system": one.coding_system,
        "description": one.description,
        "type": one.type,
    }


def _allergy(one: Allergy) -> dict[str, Any]:
    return {"ingredient": one.ingredient, "severity": one.severity, "reaction": one.reaction}


def _dispensation(one: Dispensation) -> dict[str, Any]:
    return {
        "dispensation_id": ids.spell("dsp", one.dispensation_id),
        "status": one.status.value,
        "pharmacy": pharmacy(one),
        "started_at": moment(one.started_at),
        "completed_at": moment_or_none(one.completed_at),
    }


def pharmacy(claim: Dispensation) -> dict[str, Any]:
    branch = claim.pharmacy.branch_id
    return {
        "provider_slug": claim.pharmacy.provider_slug,
        "branch_id": None if branch is None else ids.spell("branch", branch),
    }


def _void(one: Prescription) -> dict[str, Any] | None:
    void = one.void
    if void is None:
        return None
    return {
        "reason": void.reason,
        "reason_code": void.reason_code,
        "voided_at": moment(void.voided_at),
        "doctor_id": None if void.doctor_id is None else ids.spell("doc", void.doctor_id),
    }

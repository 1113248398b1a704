"""How the operations on prescriptions describe themselves in OpenAPI; what decides is in `checks`."""

from __future__ import annotations

from typing import Any, Final

from services.gateway.api.described import operation
from services.gateway.api.schemas import ALLERGIES, PATIENT, PATIENT_REQUIRED, array, one_of, record, text
from services.gateway.checks import channels
from services.gateway.checks import prescription as checks

REASON_CODES: Final = ("PRESCRIBER_DECISION", "PATIENT_REQUEST", "ERROR", "ADMINISTRATIVE")

_BOOLEAN: Final = {"type": "boolean"}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_STATES: Final = ("prescription_voided", "prescription_expired", "prescription_dispensed")
_DOCTOR_CODES: Final = (
    *("doctor_required", "doctor_mismatch", "doctor_not_registered", "doctor_registration_inactive"),
)

_DIAGNOSIS: Final = record(
    {
        "diagnosis_code": text(64),
        "code": text(64, description="Instead of diagnosis_code."),
        "coding_system": one_of(("ICD-10", "CIE-10")),
        "type": one_of(checks.DIAGNOSIS_TYPES),
        "type_enum": one_of(checks.DIAGNOSIS_TYPES),
    },
    "diagnosis_code",
)
_MEDICATION: Final = record(
    {
        "product_code": text(64),
        "quantity": {"type": "integer", "minimum": 1, "maximum": checks.QUANTITY_MAX},
        "posology": text(500),
        "duration_days": {"type": "integer", "minimum": 1, "maximum": checks.DURATION_DAYS_MAX},
        "dose_amount": text(32, pattern=f"^{checks.DOSE_AMOUNT}$"),
        "dose_unit": text(32),
        "frequency": text(128),
        "substitution_allowed": _BOOLEAN | {"default": True},
    },
    *("product_code", "quantity", "posology"),
)
_DOCTOR: Final = record(
    {
        "doctor_id": text(64),
        "medical_license_number": text(64),
        "medical_license_verification_institution_slug": text(64),
    }
)
_ORDER: Final[dict[str, Any]] = {
    "patient_id": text(64),
    "patient": record(PATIENT, *PATIENT_REQUIRED),
    "patient_data_consent": _BOOLEAN,
    "doctor_id": text(64),
    "doctor": _DOCTOR,
    "diagnoses": array(_DIAGNOSIS, checks.DIAGNOSES_MAX),
    "medications": array(_MEDICATION, checks.MEDICATIONS_MAX),
    "allergies": ALLERGIES,
    "notes": text(checks.NOTES_MAX),
    "additional_notes": text(checks.NOTES_MAX, description="Instead of notes."),
    "laboratory_notes": text(checks.NOTES_MAX),
    "diagnostic_test_notes": text(checks.NOTES_MAX),
    "confidential": _BOOLEAN | {"default": False},
    "valid_until": _MOMENT,
    "acknowledged_findings": array(
        record({"finding_key": text(200), "reason": text(500)}, "finding_key", "reason"),
        checks.ACKNOWLEDGEMENTS_MAX,
    ),
}
_REFUSED: Final = (
    "idempotency_key_reused",
    "validation_failed",
    "patient_not_found",
    "patient_conflict",
    *_DOCTOR_CODES,
    "version_not_allowed",
    "diagnosis_unknown",
    "product_unknown",
    "product_not_registered",
    "product_type_not_prescribable",
    "controlled_not_allowed",
    "safety_blocked",
)

CREATE: Final = operation(
    "Issue a prescription",
    scopes=("ehr:write",),
    body=_ORDER,
    required=("diagnoses", "medications"),
    status=201,
    errors=_REFUSED,
)
CREATE_WITH_CONSENT: Final = operation(
    "Issue a prescription with the patient's consent",
    scopes=("ehr:write",),
    body=_ORDER,
    required=("patient_data_consent", "diagnoses", "medications"),
    status=201,
    errors=(*_REFUSED, "consent_required"),
)
READ: Final = operation("Get a prescription", scopes=("ehr:read",), errors=("resource_not_found",))
LIST: Final = operation(
    "List prescriptions, newest first",
    scopes=("ehr:read",),
    query=(
        *("prescription_code", "patient_id", "doctor_id", "status", "created_from", "created_to"),
        *("page", "limit"),
    ),
    errors=("validation_failed",),
)
VOID: Final = operation(
    "Void a prescription",
    scopes=("ehr:write",),
    body={"reason": text(500), "reason_code": one_of(REASON_CODES), "doctor_id": text(64)},
    required=("reason",),
    errors=(
        *("resource_not_found", "idempotency_key_reused", "validation_failed", "version_mismatch"),
        *_DOCTOR_CODES,
        *_STATES[1:],
    ),
)
RESEND: Final = operation(
    "Deliver a prescription again",
    scopes=("ehr:write",),
    body={"channel": one_of(channels.ALL), "email_address": text(256)},
    required=("channel",),
    errors=(
        *("resource_not_found", "idempotency_key_reused", "prescription_not_issued", *_STATES[:2]),
        *("validation_failed", "channel_not_configured", "no_contact_for_channel", "version_mismatch"),
    ),
)
PDF: Final = operation(
    "Get the document of a prescription",
    scopes=("ehr:read",),
    query=("token",),
    errors=(
        *("resource_not_found", "prescription_not_issued", "pdf_not_ready", "download_link_expired"),
        "not_acceptable",
    ),
)

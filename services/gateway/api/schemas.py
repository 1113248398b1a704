"""JSON Schemas of request bodies, for the description alone: what decides is in `checks`."""

from __future__ import annotations

from typing import Any, Final

from services.gateway.checks import doctor as doctor_checks
from services.gateway.checks import patient as checks


def text(limit: int, **more: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": limit, **more}


def one_of(words: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def array(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "maxItems": most, "items": items}


def record(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


COUNTRY: Final = {"type": "string", "pattern": f"^{checks.COUNTRY}$"}

ALLERGIES: Final = array(
    record(
        {"ingredient": text(128), "severity": one_of(checks.SEVERITIES), "reaction": text(256)}, "ingredient"
    ),
    checks.ALLERGIES_MAX,
)

PATIENT_REQUIRED: Final = ("first_name", "last_name", "document_type", "document_number", "date_of_birth")

PATIENT: Final[dict[str, Any]] = {
    "first_name": text(128),
    "given_names": text(128, description="Instead of first_name."),
    "last_name": text(128),
    "surnames": text(128, description="Instead of last_name."),
    "second_last_name": text(64),
    "document_type": one_of(checks.DOCUMENT_TYPES),
    "document_number": text(checks.DOCUMENT_LETTERS_MAX),
    "date_of_birth": {"type": "string", "format": "date"},
    "guardian": record(
        {
            "first_name": text(128),
            "last_name": text(128),
            "second_last_name": text(64),
            "document_type": one_of(checks.DOCUMENT_TYPES),
            "document_number": text(checks.DOCUMENT_LETTERS_MAX),
        },
        *("first_name", "last_name", "document_type", "document_number"),
    ),
    "sex": one_of(checks.SEXES),
    "nationality_country_code": COUNTRY,
    "passport_issuing_country": COUNTRY,
    "area_code": {"type": "integer", "minimum": 1, "maximum": 999},
    "phone_number": text(32, pattern=f"^{checks.PHONE}$"),
    "email_address": text(256),
    "allergies": ALLERGIES,
}

DOCTOR_REQUIRED: Final = (
    *("given_names", "first_surname", "identity_document_type", "identity_document_value", "email_address"),
    *("country_code", "medical_license_number", "medical_license_verification_institution_slug"),
)

DOCTOR: Final[dict[str, Any]] = {
    "given_names": text(128),
    "first_surname": text(64),
    "second_surname": text(63),
    "identity_document_type": one_of(checks.DOCUMENT_TYPES),
    "identity_document_value": text(64),
    "identity_document_expiration_date": {"type": "string", "format": "date"},
    "email_address": text(256),
    "country_code": COUNTRY,
    "physical_address": text(256),
    "city_name": text(128),
    "state_name": text(128),
    "city_subdivision_name": text(128),
    "postal_code": text(16),
    "phone_area_code": {"type": "integer", "minimum": 1, "maximum": 999},
    "phone_number": text(32, pattern=f"^{checks.PHONE}$"),
    "salutation": text(32),
    "main_specialty_name": text(128),
    "profession": one_of(doctor_checks.PROFESSIONS),
    "qualification": text(128),
    "medical_license_number": text(64),
    "medical_license_verification_institution_slug": text(64),
    "medical_issuing_institution": text(128),
    "medical_board_registration": text(64),
    "registration_valid_until": {"type": "string", "format": "date"},
    "provider_type": one_of(("DOCTOR",)),
    "entity_type": one_of(("NATURAL",)),
    "external_registry": {"type": "boolean", "enum": [False]},
    "electronic_invoice_enabled": {"type": "boolean", "enum": [False]},
    "time_zone": text(64),
    "locale": text(35, pattern=f"^{doctor_checks.LOCALE}$"),
}

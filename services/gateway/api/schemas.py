"""JSON Schemas of request bodies, for the description alone: what decides is in `checks`."""

from __future__ import annotations

from typing import Any, Final

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

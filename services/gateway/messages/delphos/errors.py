"""The error table of the DELPHOS dialect (section 14): what is raised, and shown in `/openapi.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.gateway.messages.error_codes import rows, table

TABLE: Final = table(
    [
        *rows(400, "developer", "The body is not JSON that can be read.", "malformed_json"),
        *rows(400, "developer", "A header cannot be read.", "invalid_header"),
        *rows(400, "developer", "`atc_prefix` is not the beginning of an ATC code.", "invalid_atc_prefix"),
        *rows(401, "operator", "Invalid or missing API key", "invalid_api_key"),
        *rows(
            403,
            "operator",
            "The API key lacks the permission.",
            "permission_denied",
            members=("required",),
        ),
        *rows(404, "developer", "There is nothing of this kind here.", "resource_not_found"),
        *rows(405, "developer", "The path does not take this method.", "method_not_allowed"),
        *rows(
            409,
            "user",
            "The present status does not lead to this one.",
            "invalid_transition",
            members=("from", "to", "allowed"),
        ),
        *rows(
            409,
            "user",
            "The prescription can be edited no more.",
            "not_editable",
            members=("status",),
        ),
        *rows(409, "user", "The prescription has no items.", "items_required"),
        *rows(409, "user", "The last item cannot be removed under review.", "last_item"),
        *rows(409, "user", "There would be too many items.", "items_limit"),
        *rows(
            409,
            "user",
            "Items lack required fields.",
            "items_incomplete",
            members=("items",),
        ),
        *rows(
            409,
            "doctor",
            "Findings must be acknowledged first.",
            "unacknowledged_interactions",
            members=("prescription_id", "interaction_count", "interactions"),
        ),
        *rows(409, "doctor", "`valid_until` has passed.", "prescription_expired"),
        *rows(
            409,
            "doctor",
            "A policy of the tenant forbids it.",
            "policy_refused",
            members=("policy",),
        ),
        *rows(409, "user", "The prescription has ended.", "terminal_state"),
        *rows(
            409,
            "user",
            "The consultation is not completed.",
            "consultation_not_completed",
            members=("status",),
        ),
        *rows(
            409,
            "user",
            "The consultation has a prescription.",
            "prescription_exists",
            members=("prescription_id",),
        ),
        *rows(409, "user", "Another template has this name.", "template_name_taken"),
        *rows(409, "user", "Another doctor has this licence.", "license_taken"),
        *rows(
            409,
            "user",
            "Another patient has this document.",
            "patient_exists",
            members=("patient_id",),
        ),
        *rows(409, "nobody", "A signature is under way.", "signing_in_progress", retryable=True),
        *rows(409, "nobody", "A pharmacy holds it.", "already_being_dispensed", retryable=True),
        *rows(409, "nobody", "The document is still being made.", "pdf_not_ready", retryable=True),
        *rows(
            409,
            "developer",
            "The same key came with other content.",
            "idempotency_key_reused",
            members=("request_id",),
        ),
        *rows(
            412,
            "user",
            "It has another version than If-Match names.",
            "version_mismatch",
            members=("current_version",),
        ),
        *rows(413, "developer", "The body is larger than the limit.", "payload_too_large"),
        *rows(415, "developer", "The body must be application/json.", "unsupported_media_type"),
        *rows(422, "developer or user", "See `detail`: the code is the `type`.", "validation_failed"),
        *rows(429, "nobody", "Too many requests; wait for Retry-After.", "rate_limited", retryable=True),
        *rows(
            500, "operator if it persists", "A fault of ours; rolled back.", "internal_error", retryable=True
        ),
        *rows(
            500,
            "operator if it persists",
            "The safety check failed; nothing changed.",
            "safety_check_failed",
            retryable=True,
        ),
        *rows(
            503,
            "operator if it persists",
            "Nothing was applied; wait for Retry-After.",
            "dependency_unavailable",
            "overloaded",
            retryable=True,
        ),
    ]
)

PLACES: Final = {
    "missing": None,
    "value_error": None,
    "field_not_applicable": None,
    "not_in_future": "valid_until",
    "unknown_reference": None,
    "inactive_reference": None,
    "signer_not_allowed": "signed_by",
    "signing_key_not_enrolled": "signed_by",
    "signing_refused": "signed_by",
    "reason_required": "reason",
    "consultation_mismatch": "patient_id",
    "no_medication_entities": "consultation_id",
}
"""The `type`s of a 422 that are ours, and the field that each is about where a refusal names none."""


_ID: Final = {"type": "string", "format": "uuid"}
_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "array", "items": _TEXT}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


MEMBERS: Final[Mapping[str, dict[str, Any]]] = {
    "required": _TEXT,
    "from": _TEXT,
    "to": _TEXT,
    "allowed": _TEXTS,
    "status": _TEXT,
    "items": {"type": "array", "items": _object(id=_ID, missing_fields=_TEXTS)},
    "prescription_id": _ID,
    "interaction_count": {"type": "integer"},
    "interactions": {"type": "array", "items": _object(id=_ID, severity=_TEXT)},
    "policy": _TEXT,
    "patient_id": _ID,
    "request_id": _ID,
    "current_version": {"type": ["integer", "null"]},
}
"""What each member of a refusal is, as a JSON Schema. Of what does not exist there is no version."""

"""The error table of the Osigu dialect (section 9), and what is raised from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.gateway.messages.delphos.errors import TABLE as DELPHOS
from services.gateway.messages.error_codes import ErrorCode, rows, table

_TABLE: Final[list[ErrorCode]] = [
    *rows(400, "dev", "The body or a header cannot be read.", "malformed_json", "invalid_header"),
    *rows(
        400,
        "dev",
        "The token request is not one that is served.",
        "invalid_request",
        "unsupported_grant_type",
        "invalid_scope",
    ),
    *rows(401, "admin", "Wrong or disabled credentials at the token endpoint.", "invalid_client"),
    *rows(401, "dev", "No access token, or not one of ours.", "token_missing", "token_invalid"),
    *rows(401, "dev", "Get a new token; the same request then needs that one.", "token_expired"),
    *rows(403, "admin", "The client lacks the scope.", "insufficient_scope"),
    *rows(404, "dev", "Known to the public documentation, not served here.", "operation_not_offered"),
    *rows(404, "user", "No such id for this provider.", "resource_not_found"),
    *rows(404, "user", "No issued prescription has this code.", "code_not_found"),
    *rows(405, "dev", "The path does not take this method.", "method_not_allowed"),
    *rows(406, "dev", "No representation that the request accepts.", "not_acceptable"),
    *rows(412, "dev", "The resource has another version than If-Match names.", "version_mismatch"),
    *rows(413, "dev", "The body is larger than the limit.", "payload_too_large"),
    *rows(415, "dev", "The body must be application/json.", "unsupported_media_type"),
    *rows(
        409,
        "dev",
        "The same key with other content, while the first succeeded or is running.",
        "idempotency_key_reused",
    ),
    *rows(409, "user", "The body names the existing id.", "patient_exists", "doctor_exists"),
    *rows(409, "user", "The prescription is a draft or pending.", "prescription_not_issued"),
    *rows(409, "wait", "The document is still being made.", "pdf_not_ready", retryable=True),
    *rows(
        409,
        "user",
        "The prescription was met in that state.",
        "prescription_voided",
        "prescription_expired",
        "prescription_dispensed",
    ),
    *rows(409, "user", "Prepare again.", "prepared_expired"),
    *rows(
        409,
        "user",
        "Another pharmacy holds it until claim_expires_at.",
        "already_being_dispensed",
        retryable=True,
    ),
    *rows(
        409,
        "dev",
        "The own dispensation has other lines; replace them by PUT.",
        "dispensation_already_started",
    ),
    *rows(
        409,
        "user",
        "The dispensation was met in that state.",
        "dispensation_completed",
        "dispensation_cancelled",
        "dispensation_expired",
    ),
    *rows(409, "admin", "Too late to cancel a completed dispensation.", "void_window_closed"),
    *rows(410, "user", "Read the prescription again for a new link.", "download_link_expired"),
    *rows(410, "dev", "Start the feed again without after, and reconcile.", "cursor_expired"),
    *rows(422, "dev", "See errors[].", "validation_failed"),
    *rows(422, "user", "patient_data_consent must be true.", "consent_required"),
    *rows(
        422,
        "user",
        "The patient is unknown or not enabled, or contradicts the record.",
        "patient_not_found",
        "patient_conflict",
    ),
    *rows(
        422, "dev", "The prescriber does not follow from the request.", "doctor_required", "doctor_mismatch"
    ),
    *rows(
        422,
        "admin",
        "The doctor may not prescribe here now.",
        "doctor_not_registered",
        "doctor_registration_inactive",
    ),
    *rows(
        422,
        "admin",
        "The provider's settings do not allow it.",
        "version_not_allowed",
        "national_repository_not_configured",
        "national_repository_mismatch",
    ),
    *rows(422, "user", "Not in the catalogue.", "diagnosis_unknown", "product_unknown"),
    *rows(422, "admin", "Register the product first.", "product_not_registered"),
    *rows(
        422,
        "user",
        "Not a medicine, or not to be prescribed electronically here.",
        "product_type_not_prescribable",
        "controlled_not_allowed",
    ),
    ErrorCode(
        "safety_blocked",
        422,
        False,
        "user",
        "Acknowledge the findings with reasons, or change the items.",
        "Blocked by the safety check",
    ),
    *rows(
        422,
        "dev",
        "The signing request is incomplete or differs from what was prepared.",
        "signed_hash_required",
        "prepared_id_required",
        "prepared_content_mismatch",
    ),
    *rows(422, "user", "Hash, signature or certificate does not verify.", "signed_hash_invalid"),
    *rows(
        422,
        "user",
        "Platform signing is not possible.",
        "signing_key_not_enrolled",
        "signing_authorization_failed",
    ),
    *rows(422, "admin", "The national repository refused it.", "registration_rejected"),
    *rows(422, "admin", "The installation has no gateway for this channel.", "channel_not_configured"),
    *rows(422, "user", "No address for this channel on file.", "no_contact_for_channel"),
    *rows(422, "user", "The check digit does not fit: a typing error in the code.", "code_check_failed"),
    *rows(
        422, "dev", "It does not belong to this code or client.", "beneficiary_mismatch", "provider_mismatch"
    ),
    *rows(
        422,
        "dev",
        "The lines or the amount do not fit the prescription.",
        "line_unknown",
        "product_mismatch",
        "amount_mismatch",
        "quantity_required",
    ),
    *rows(422, "user", "More than is left.", "over_quantity"),
    *rows(
        422,
        "user",
        "The substitution needs a reason, or is forbidden.",
        "substitution_incomplete",
        "substitution_not_allowed",
    ),
    *rows(
        422,
        "user",
        "Verify the beneficiary by a one-time password.",
        "verification_required",
        "verification_invalid",
    ),
    *rows(422, "user", "Try again with the right code.", "otp_wrong"),
    *rows(422, "user", "Ask for a new code.", "otp_expired", "otp_attempts_exceeded"),
    *rows(
        422,
        "dev",
        "The subscription cannot be made like this.",
        "unknown_event_type",
        "webhook_url_not_allowed",
    ),
    *rows(429, "wait", "Wait for Retry-After.", "rate_limited", "code_attempts_exceeded", retryable=True),
    *rows(500, "ops", "A fault of ours; nothing was applied.", "internal_error", retryable=True),
    *rows(
        503,
        "wait",
        "Nothing was applied; wait for Retry-After.",
        "dependency_unavailable",
        "overloaded",
        retryable=True,
    ),
]

TABLE: Final = table(_TABLE)

ENTRY_WORDS: Final = frozenset(
    {
        "required",
        "unknown_field",
        "field_not_supported",
        "wrong_type",
        "invalid_format",
        "invalid_value",
        "out_of_range",
        "too_long",
        "too_many",
        "duplicate",
        "conflicting_fields",
    }
)
"""Codes of entries only: they never become the code of the whole answer (ruling 2.12)."""

VENDOR_CODES: Final = {"product_not_registered": "071-104", "product_unknown": "071-104"}
"""The vendor's own code, `error_code`, for these (ruling 2.7)."""


@dataclass(frozen=True)
class Entry:
    """One failing check; `data` holds more members, such as remaining_quantity or finding_key."""

    path: str
    code: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"path": self.path, "code": self.code, "message": self.message}
        if self.code in VENDOR_CODES:
            body["error_code"] = VENDOR_CODES[self.code]
        return body | dict(self.data)


class Problem(Exception):
    """An answer that refuses: a code of the table, the failing checks, and what else the body tells."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        entries: Sequence[Entry] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(code)
        # A code of both dialects is one code; only what is said about it differs.
        self.row = TABLE.get(code) or DELPHOS[code]
        self.code = code
        self.message = message or self.row.meaning
        self.entries = tuple(entries)
        self.headers = dict(headers or {})
        self.members = members

    @property
    def status(self) -> int:
        return self.row.status

    @classmethod
    def of(cls, entries: Sequence[Entry], **members: Any) -> Problem:
        """The 422 of one group: their common business code, else `validation_failed` (section 1.6)."""
        codes = {entry.code for entry in entries}
        only = codes.pop() if len(codes) == 1 else None
        code = only if only is not None and only not in ENTRY_WORDS else "validation_failed"
        count = len(entries)
        message = f"{count} check failed." if count == 1 else f"{count} checks failed."
        return cls(code, message, entries=entries, **members)

    @classmethod
    def later(cls, code: str, seconds: float, **headers: str) -> Problem:
        """One that says when to come back: in whole seconds, at least one."""
        return cls(code, headers={**headers, "Retry-After": str(max(1, math.ceil(seconds)))})

    def body(self, *, base_url: str, request_id: str) -> dict[str, Any]:
        """As RFC 9457 with the dialect's members; neither clinical text nor identity is ever in it."""
        body: dict[str, Any] = {
            "type": f"{base_url}/errors/{self.code}",
            "title": self.row.title,
            "status": self.status,
            "detail": self.message,
            "instance": f"/v1/requests/{request_id}",
            "code": self.code,
            "message": self.message,
            "retryable": self.row.retryable,
            "request_id": request_id,
            "errors": [entry.body() for entry in self.entries],
        }
        vendor = {VENDOR_CODES[e.code] for e in self.entries if e.code in VENDOR_CODES}
        if vendor or self.code in VENDOR_CODES:
            body["error_code"] = next(iter(vendor), None) or VENDOR_CODES[self.code]
        if self.status >= 500:
            body["outcome"] = "not_applied"
        return body | self.members

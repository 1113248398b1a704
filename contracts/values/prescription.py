"""A prescription whole, with its seal, its signature and its history."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Value
from contracts.values.dispensations import Dispensation
from contracts.values.findings import Coverage, KeyedFinding, NotEvaluated
from contracts.values.items import Diagnosis, Item
from contracts.values.people import Allergy, Doctor, Patient, Policy, Provider
from contracts.values.words import Json, Status, Text


class Seal(Value):
    """A flattened JWS (RFC 7515) over the canonical payload; digests are hexadecimal SHA-256."""

    profile: str
    algorithm: str
    key_id: str
    protected: str
    payload: str
    signature: str
    document_sha256: str
    certificate_sha256: str
    sealed_at: AwareDatetime

    @property
    def compact(self) -> str:
        return f"{self.protected}.{self.payload}.{self.signature}"


class Signature(Value):
    """The signature, or the last attempt at one (delphos-dialect 4.5)."""

    status: Annotated[str, Field(pattern="^(pending|completed|failed|void)$")]
    signed_by: UUID
    asked_at: AwareDatetime
    failure: str | None = None
    """The code of the last failed attempt."""
    failed_at: AwareDatetime | None = None


class Void(Value):
    """Why and when a prescription was cancelled."""

    reason: Text
    reason_code: str
    voided_at: AwareDatetime
    doctor_id: UUID | None = None


class FieldChange(Value):
    """A field that is no longer what it was; `field` is a path such as `items.<item_id>.dosage`."""

    field: str
    old: Json = None
    new: Json = None


class HistoryEntry(Value):
    """One thing that happened to a prescription; `revision` orders them, `actor` is an id, never a name.

    `data` has ids and words alone; what the patient's record says is in `changes` and `findings`.
    """

    revision: int = Field(ge=1)
    at: AwareDatetime
    what: str
    actor: str
    request_id: UUID | None = None
    data: dict[str, str | int | bool | None] = Field(default_factory=dict)
    changes: tuple[FieldChange, ...] = ()
    findings: tuple[KeyedFinding, ...] = ()
    """Those of a check, or those that somebody answered for."""
    coverage: dict[str, Coverage] = Field(default_factory=dict)
    not_evaluated: tuple[NotEvaluated, ...] = ()
    """Those of a check, too."""


class Prescription(Value):
    """A prescription whole, as views keep it: `revision` orders states, `version` is what clients see."""

    tenant_id: UUID
    prescription_id: UUID
    prescription_code: str | None = None
    status: Status
    version: int = Field(ge=1)
    revision: int = Field(ge=1)
    content_version: int = Field(ge=1)
    api_version: str = "v1"
    dialect: str = "osigu"
    """The dialect that it was made through."""
    origin: str = "manual"
    consultation_id: UUID | None = None
    template_id: UUID | None = None
    prescription_type: str = "standard"
    provider: Provider
    policy: Policy
    patient: Patient
    doctor: Doctor
    diagnoses: tuple[Diagnosis, ...] = ()
    items: tuple[Item, ...] = ()
    allergies: tuple[Allergy, ...] = ()
    patient_data_consent: bool | None = None
    confidential: bool = False
    notes: Text | None = None
    laboratory_notes: Text | None = None
    diagnostic_test_notes: Text | None = None
    valid_until: AwareDatetime | None = None
    safety_check_status: Annotated[str, Field(pattern="^(never_run|pending|stale|current)$")] = "current"
    findings: tuple[KeyedFinding, ...] = ()
    unmatched_acknowledgements: tuple[str, ...] = ()
    knowledge_base_version: str | None = None
    checked_at: AwareDatetime | None = None
    coverage: dict[str, Coverage] = Field(default_factory=dict)
    not_evaluated: tuple[NotEvaluated, ...] = ()
    signature: Signature | None = None
    signed_by: UUID | None = None
    signed_at: AwareDatetime | None = None
    seal: Seal | None = None
    signed_document_id: UUID | None = None
    dispensations: tuple[Dispensation, ...] = ()
    void: Void | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    issued_at: AwareDatetime | None = None
    dispensed_at: AwareDatetime | None = None
    expired_at: AwareDatetime | None = None

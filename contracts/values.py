"""The words that messages share: people, products, items, findings, seals, and a prescription whole."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Value

Text = Annotated[str, Field(max_length=10_000)]
Amount = Annotated[Decimal, Field(ge=0)]


class Status(StrEnum):
    """The life of a prescription (delphos-dialect 3.1)."""

    DRAFT = "draft"
    PENDING_REVIEW = "pending_review"
    VALIDATED = "validated"
    SIGNED = "signed"
    SUBMITTED = "submitted"
    DISPENSED = "dispensed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Severity(StrEnum):
    """How grave a finding is, worst first; the first two block."""

    CONTRAINDICATED = "contraindicated"
    CRITICAL = "critical"
    MAJOR = "major"
    MODERATE = "moderate"
    MINOR = "minor"


class Allergy(Value):
    """One recorded allergy, as the patient's record names it."""

    ingredient: Text
    severity: str = "UNKNOWN"
    reaction: Text | None = None


class Guardian(Value):
    """The parent or guardian of a minor who has no document."""

    first_name: Text
    last_name: Text | None = None
    second_last_name: Text | None = None
    document_type: str
    document_number: str


class PatientFacts(Value):
    """What a safety check knows of a patient; `version` rises with every change in the directory."""

    patient_id: UUID
    version: int = Field(ge=1)
    date_of_birth: date | None = None
    sex: str | None = None
    allergies: tuple[Allergy, ...] = ()


class Patient(Value):
    """A patient as the directory had them when the command was asked; issued prescriptions keep this."""

    patient_id: UUID
    facts_version: int = Field(ge=1, default=1)
    first_name: Text
    last_name: Text | None = None
    second_last_name: Text | None = None
    document_type: str | None = None
    document_number: str | None = None
    guardian: Guardian | None = None
    date_of_birth: date | None = None
    sex: str | None = None
    nationality_country_code: str | None = None
    passport_issuing_country: str | None = None
    area_code: int | None = None
    phone_number: str | None = None
    email_address: str | None = None
    allergies: tuple[Allergy, ...] = ()

    @property
    def facts(self) -> PatientFacts:
        return PatientFacts(
            patient_id=self.patient_id,
            version=self.facts_version,
            date_of_birth=self.date_of_birth,
            sex=self.sex,
            allergies=self.allergies,
        )


class Doctor(Value):
    """A doctor as the directory had them when the command was asked."""

    doctor_id: UUID
    given_names: Text
    first_surname: Text | None = None
    second_surname: Text | None = None
    salutation: Text | None = None
    identity_document_type: str | None = None
    identity_document_value: str | None = None
    email_address: str | None = None
    country_code: str | None = None
    physical_address: Text | None = None
    city_name: Text | None = None
    postal_code: str | None = None
    phone_area_code: int | None = None
    phone_number: str | None = None
    main_specialty_name: Text | None = None
    profession: str | None = None
    qualification: Text | None = None
    medical_license_number: str | None = None
    medical_license_verification_institution_slug: str | None = None
    medical_issuing_institution: Text | None = None
    medical_board_registration: str | None = None


class Provider(Value):
    """A clinic or pharmacy company: the tenant, with what is printed of it."""

    provider_id: UUID
    provider_slug: str
    name: Text
    country: str
    language: str = "es"
    time_zone: str = "UTC"
    currency: str = "USD"


class Policy(Value):
    """The issuing provider's settings (osigu-dialect 1.9) that decide about one command."""

    safety_policy: str = "block"
    otp_policy: str = "never"
    substitution_policy: str = "same_ingredient"
    dispensation_timeout_min: int = 30
    dispensation_void_window_h: int = 24
    deliver_on_issue: str = "NONE"
    max_medications: int = 30


class ActiveIngredient(Value):
    """One ingredient of a product: `ingredient` is the row of the knowledge base, null when it knows none."""

    ingredient: str | None = None
    name: Text
    atc_code: str | None = None


class Product(Value):
    """A catalogue product as it was when the command was asked; names by language (`en`, `es`, `pt`)."""

    product_code: str
    product_name: Text
    names: dict[str, str] = Field(default_factory=dict)
    product_type: str = "MEDICATION"
    active_ingredients: tuple[ActiveIngredient, ...] = ()
    strength: str | None = None
    presentation: str | None = None
    dosage_unit: str | None = None
    route: str | None = None
    pack_format: str | None = None
    national_code: str | None = None
    controlled_schedule: str | None = None


class Diagnosis(Value):
    """A diagnosis in ICD-10."""

    diagnosis_code: str
    coding_system: str = "ICD-10"
    description: Text | None = None
    type: str | None = None


class ItemOrder(Value):
    """One item as asked for; `item_id` is the gateway's, so that a repeated command means the same."""

    item_id: UUID
    product: Product | None = None
    medication_name: Text
    active_ingredient: Text | None = None
    quantity: int | None = Field(default=None, ge=1)
    unit: Text | None = None
    posology: Text | None = None
    dosage: Text | None = None
    route: Text | None = None
    frequency: Text | None = None
    duration: Text | None = None
    duration_days: int | None = None
    dose_amount: str | None = None
    dose_unit: Text | None = None
    instructions: Text | None = None
    clinical_notes: Text | None = None
    substitution_allowed: bool = True


class Item(ItemOrder):
    """One item as it stands: resolved, and with what has been dispensed of it."""

    position: int = Field(ge=1)
    ingredients: tuple[str, ...] = ()
    match_status: str = "unmatched"
    match_score: float | None = None
    dispensed_quantity: int = Field(default=0, ge=0)
    remaining_quantity: int | None = None
    substituted: bool = False


class FindingText(Value):
    """What a finding says to a reader, in one language."""

    description: Text
    recommendation: Text | None = None


class Finding(Value):
    """One thing that the safety check objects to; `item_ids` are of the prescription that was checked."""

    interaction_type: str
    severity: Severity
    rule_id: str
    source: str
    evidence: str | None = None
    reference: Text | None = None
    ingredients: tuple[str, ...]
    drug_a: Text
    drug_b: Text | None = None
    item_ids: tuple[UUID, ...]
    other_prescription_id: UUID | None = None
    assumed: bool = False
    assumptions: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    text: dict[str, FindingText]


class KeyedFinding(Finding):
    """A finding as its prescription keeps it: with its key, and who acknowledged it."""

    finding_id: UUID
    finding_key: str
    blocking: bool
    acknowledged: bool = False
    acknowledged_by: UUID | None = None
    acknowledged_at: AwareDatetime | None = None
    acknowledgement_reason: Text | None = None
    acknowledged_severity: Severity | None = None
    detected_at: AwareDatetime


class Coverage(Value):
    """How much of one kind of check could be evaluated; `recorded` counts the allergies on file."""

    evaluated: int = Field(ge=0)
    not_evaluated: int = Field(ge=0)
    recorded: int | None = None


class NotEvaluated(Value):
    """Something that a check could not answer, and why (drug-safety 8.1)."""

    check: str
    item_ids: tuple[UUID, ...] = ()
    reason: str
    suggestions: tuple[str, ...] = ()


class Verdict(Value):
    """What the check of one content found; no finding never stands for not evaluated."""

    knowledge_base_version: str
    checked_at: AwareDatetime
    content_version: int = Field(ge=1)
    state: Annotated[str, Field(pattern="^(finding|none_known|not_evaluated)$")]
    findings: tuple[Finding, ...] = ()
    coverage: dict[str, Coverage] = Field(default_factory=dict)
    not_evaluated: tuple[NotEvaluated, ...] = ()


class Acknowledgement(Value):
    """A finding that the doctor has seen and takes upon themselves, with the reason."""

    finding_key: Annotated[str, Field(max_length=200)]
    reason: Text


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


class Pharmacy(Value):
    """Who dispenses: a provider and, where it has several, its branch."""

    tenant_id: UUID
    provider_slug: str
    name: Text | None = None
    branch_id: UUID | None = None


class DispensationLine(Value):
    """What one dispensation takes of one item; `quantity` counts units of the prescribed product."""

    item_id: UUID
    product_code: str | None = None
    quantity: int | None = Field(default=None, ge=1)
    price: Amount | None = None
    taxes: Amount | None = None
    substitute: Product | None = None
    substitute_quantity: int | None = None
    substitution_reason_enum: str | None = None
    substitution_reason: Text | None = None
    substitution_other_description: Text | None = None
    remaining_quantity: int | None = None


class Verification(Value):
    """What a pharmacy showed at `path` of its request, so that the beneficiary counts as verified.

    The gateway has looked: without `verification_id` it is none, with it it counts once.
    """

    path: Annotated[str, Field(max_length=64)]
    verification_id: UUID | None = None
    verified_at: AwareDatetime | None = None


class Receipt(Value):
    """What the pharmacy says at completion: the invoice and its total, taxes included."""

    amount: Amount
    document_number: Text
    document_date: AwareDatetime
    document_serial: Text | None = None
    document_digital_signature: Text | None = None
    provider_transaction_id: Text | None = None


class DispensationStatus(StrEnum):
    """The life of a dispensation (osigu-dialect 6.4)."""

    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class Dispensation(Value):
    """One pharmacy's claim on a prescription and what became of it."""

    dispensation_id: UUID
    status: DispensationStatus
    source: str = "dispensing"
    pharmacy: Pharmacy
    lines: tuple[DispensationLine, ...]
    currency_code: str
    started_at: AwareDatetime
    expires_at: AwareDatetime
    completed_at: AwareDatetime | None = None
    cancelled_at: AwareDatetime | None = None
    cancelled_by: str | None = None
    previous_status: DispensationStatus | None = None
    void_reason: str | None = None
    void_description: Text | None = None
    receipt: Receipt | None = None
    verification_required: str | None = None
    verified_at: AwareDatetime | None = None


class Void(Value):
    """Why and when a prescription was cancelled."""

    reason: Text
    reason_code: str
    voided_at: AwareDatetime
    doctor_id: UUID | None = None


class HistoryEntry(Value):
    """One thing that happened to a prescription; `revision` orders them, `actor` is an id, never a name."""

    revision: int = Field(ge=1)
    at: AwareDatetime
    what: str
    actor: str
    request_id: UUID | None = None
    data: dict[str, str | int | bool | None] = Field(default_factory=dict)


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
    origin: str = "manual"
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
    findings: tuple[KeyedFinding, ...] = ()
    unmatched_acknowledgements: tuple[str, ...] = ()
    knowledge_base_version: str | None = None
    checked_at: AwareDatetime | None = None
    coverage: dict[str, Coverage] = Field(default_factory=dict)
    not_evaluated: tuple[NotEvaluated, ...] = ()
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

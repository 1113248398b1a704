"""What became true of a prescription, on `prescription-events-v1`, with the state that its consumers need."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Event, Message, Value
from contracts.values import (
    Consultation,
    Diagnosis,
    Doctor,
    HistoryEntry,
    ItemOrder,
    Patient,
    PatientFacts,
    Prescription,
    Provider,
    Template,
    Text,
)


class PrescriptionEvent(Event):
    """Something that the prescription service announces."""

    topic: ClassVar[str] = "prescription-events-v1"
    source: ClassVar[str] = "/prescription"


class ItemToCheck(Value):
    """An item as the safety check sees it; `linked_ingredients` are the catalogue's, null without a link."""

    item_id: UUID
    number: int = Field(ge=1)
    medication_name: Text
    active_ingredient: Text | None = None
    linked_ingredients: tuple[str, ...] | None = None
    atc_codes: tuple[str, ...] = ()
    dosage: Text | None = None
    route: Text | None = None
    frequency: Text | None = None
    posology: Text | None = None
    quantity: int | None = None
    duration_days: int | None = None


class OtherPrescription(Value):
    """Another prescription of the same patient that is in force."""

    prescription_id: UUID
    items: tuple[ItemToCheck, ...]


class SafetyCheckRequested(PrescriptionEvent):
    """A check of this content is wanted; the verdict repeats the three versions it was asked with."""

    ce_type: ClassVar[str] = "recepta.prescription.safety-check-requested.v1"

    content_version: int = Field(ge=1)
    facts_version: int = Field(ge=1)
    in_force_version: int = Field(ge=0)
    country: str
    prescription_type: str = "standard"
    facts: PatientFacts
    diagnoses: tuple[str, ...] = ()
    items: tuple[ItemToCheck, ...]
    others: tuple[OtherPrescription, ...] = ()


class SealRequested(PrescriptionEvent):
    """A seal over the immutable fields is wanted; `signature_version` numbers the signed version."""

    ce_type: ClassVar[str] = "recepta.prescription.seal-requested.v1"

    profile: str = "rx-sign/1"
    signature_version: int = Field(ge=1, default=1)
    prescription_code: str
    provider: Provider
    patient: Patient
    doctor: Doctor
    items: tuple[ItemOrder, ...]
    diagnoses: tuple[Diagnosis, ...] = ()
    patient_data_consent: bool | None = None
    issued_at: AwareDatetime
    valid_until: AwareDatetime


class PrescriptionChanged(PrescriptionEvent):
    """A prescription stands as told here; `change` names what happened, `history` tells it entry by entry."""

    ce_type: ClassVar[str] = "recepta.prescription.changed.v1"

    change: str
    prescription: Prescription
    history: tuple[HistoryEntry, ...] = ()


class DeliveryRequested(PrescriptionEvent):
    """The patient is to get this prescription by mail; one delivery has one Message-ID for ever."""

    ce_type: ClassVar[str] = "recepta.prescription.delivery-requested.v1"

    delivery_id: UUID
    channel: str = "EMAIL"
    email_address: str
    language: str
    prescription: Prescription


class ConsultationChanged(Message):
    """A consultation stands as told here."""

    topic: ClassVar[str] = "prescription-events-v1"
    source: ClassVar[str] = "/prescription"
    ce_type: ClassVar[str] = "recepta.consultation.changed.v1"

    consultation: Consultation

    @property
    def key(self) -> str:
        return str(self.consultation.consultation_id)

    @property
    def tenant(self) -> UUID | None:
        return self.consultation.tenant_id


class TemplateChanged(Message):
    """A template stands as told here, or is deleted."""

    topic: ClassVar[str] = "prescription-events-v1"
    source: ClassVar[str] = "/prescription"
    ce_type: ClassVar[str] = "recepta.template.changed.v1"

    template: Template

    @property
    def key(self) -> str:
        return str(self.template.template_id)

    @property
    def tenant(self) -> UUID | None:
        return self.template.tenant_id

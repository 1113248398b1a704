"""What is kept beside prescriptions: consultations and templates."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Value
from contracts.values.words import Text


class MedicationEntity(Value):
    """A medication that a consultation speaks of, as it was understood (delphos-dialect 8.1)."""

    text: Annotated[str, Field(max_length=4000)]
    medication_name: str
    active_ingredient: str | None = None
    dosage: str | None = None
    route: str | None = None
    frequency: str | None = None
    duration: str | None = None
    quantity: int | None = None
    unit: str | None = None
    instructions: str | None = None


class Consultation(Value):
    """A consultation as an upstream system handed it in, and what was prescribed from it."""

    tenant_id: UUID
    consultation_id: UUID
    version: int = Field(ge=1)
    patient_id: UUID
    doctor_id: UUID
    status: Annotated[str, Field(pattern="^(open|in_care|recording|completed|cancelled)$")]
    language: str = "pt"
    medication_entities: tuple[MedicationEntity, ...] = ()
    prescription_ids: tuple[UUID, ...] = ()
    created_at: AwareDatetime
    updated_at: AwareDatetime


class TemplateItem(Value):
    """One line of a template: what may be said of any patient."""

    position: int = Field(ge=1)
    medication_name: Text
    active_ingredient: Text | None = None
    dosage: Text | None = None
    route: Text | None = None
    frequency: Text | None = None
    duration: Text | None = None
    quantity: int | None = None
    unit: Text | None = None
    instructions: Text | None = None
    cmed_medication_id: UUID | None = None


class Template(Value):
    """A set of medicines to prescribe again; `deleted` ones are shown to nobody."""

    tenant_id: UUID
    template_id: UUID
    version: int = Field(ge=1)
    name: Text
    description: Text | None = None
    prescription_type: str = "standard"
    source_prescription_id: UUID
    items: tuple[TemplateItem, ...]
    created_at: AwareDatetime
    deleted: bool = False

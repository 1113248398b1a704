"""Consultations in this dialect (delphos-dialect 8.1)."""

from __future__ import annotations

from uuid import UUID

from contracts import values
from services.gateway.messages.delphos.words import Moment, Shown


class MedicationEntity(Shown):
    """A medication that a consultation speaks of."""

    text: str
    medication_name: str
    active_ingredient: str | None
    dosage: str | None
    route: str | None
    frequency: str | None
    duration: str | None
    quantity: int | None
    unit: str | None
    instructions: str | None


class Consultation(Shown):
    """A consultation as it was handed in, and what was prescribed from it."""

    id: UUID
    patient_id: UUID
    doctor_id: UUID
    status: str
    language: str
    medication_entities: list[MedicationEntity]
    version: int
    prescription_ids: list[UUID]
    created_at: Moment
    updated_at: Moment


def render(one: values.Consultation) -> Consultation:
    return Consultation(
        id=one.consultation_id,
        patient_id=one.patient_id,
        doctor_id=one.doctor_id,
        status=one.status,
        language=one.language,
        medication_entities=[
            MedicationEntity.model_validate(dict(entity)) for entity in one.medication_entities
        ],
        version=one.version,
        prescription_ids=list(one.prescription_ids),
        created_at=one.created_at,
        updated_at=one.updated_at,
    )

"""What upstream systems write, on the public topic `consultation-events-v1`: completed consultations."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.message import Message
from contracts.values import MedicationEntity


class ConsultationCompleted(Message):
    """A consultation has ended, with what was said of medication; `authorization` proves the sender."""

    topic: ClassVar[str] = "consultation-events-v1"
    source: ClassVar[str] = "/ehr"
    ce_type: ClassVar[str] = "recepta.consultation.completed.v1"

    consultation_id: UUID
    patient_id: UUID
    doctor_id: UUID
    status: Literal["completed"] = "completed"
    language: Literal["pt", "es", "en"] = "pt"
    medication_entities: Annotated[tuple[MedicationEntity, ...], Field(max_length=100)] = ()

    @property
    def key(self) -> str:
        return str(self.consultation_id)

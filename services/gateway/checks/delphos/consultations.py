"""A consultation as upstream systems hand it in, over HTTP or Kafka (delphos-dialect 8.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import BeforeValidator, Field

from contracts.prescription_commands import Unresolved
from contracts.values import MedicationEntity
from services.gateway.checks.delphos.fields import (
    Instructions,
    Language,
    LanguageName,
    Name,
    OptionalName,
    OptionalPosology,
    OptionalRoute,
    Quantity,
    Sent,
    Unit,
    Uuid,
    text,
)
from services.gateway.checks.delphos.people import Replacement
from services.gateway.store import directory, doctors
from shared.database import Connection

ENTITIES_MAX: Final = 100
PHASES: Final = {
    "ABERTO": "open",
    "ATENDIMENTO": "in_care",
    "GRAVACAO": "recording",
    "FINALIZADO": "completed",
}
"""The public names of the phases, and what they are returned as."""


class ConsultationStatus(StrEnum):
    OPEN = "open"
    IN_CARE = "in_care"
    RECORDING = "recording"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


def _phase(sent: Any) -> Any:
    return PHASES.get(sent, sent) if isinstance(sent, str) else sent


class SentEntity(Sent):
    """A medication that the consultation speaks of, as it was understood."""

    text: Annotated[str, Field(min_length=1, max_length=4_000), BeforeValidator(text)]
    medication_name: Name
    active_ingredient: OptionalName = None
    dosage: OptionalPosology = None
    route: OptionalRoute = None
    frequency: OptionalPosology = None
    duration: OptionalPosology = None
    quantity: Quantity | None = None
    unit: Unit = None
    instructions: Instructions = None


class SentConsultation(Replacement):
    """A consultation whole."""

    READ_ONLY: ClassVar[tuple[str, ...]] = (*Replacement.READ_ONLY, "prescription_ids")

    patient_id: Uuid
    doctor_id: Uuid
    status: Annotated[ConsultationStatus, Field(strict=False), BeforeValidator(_phase)]
    language: Language = LanguageName.PORTUGUESE
    medication_entities: Annotated[list[SentEntity], Field(max_length=ENTITIES_MAX)] = Field(
        default_factory=list
    )

    def members(self) -> dict[str, Any]:
        """As the command carries them."""
        return {
            "patient_id": self.patient_id,
            "doctor_id": self.doctor_id,
            "status": self.status.value,
            "language": self.language.value,
            "medication_entities": tuple(
                MedicationEntity(**one.model_dump()) for one in self.medication_entities
            ),
        }


async def unresolved(conn: Connection, tenant_id: UUID, sent: SentConsultation) -> tuple[Unresolved, ...]:
    """Which of its people the directory does not know; whether they are active makes no difference."""
    found = []
    if await directory.find_patient(conn, tenant_id, sent.patient_id) is None:
        found.append(Unresolved(path="patient_id", code="unknown_reference"))
    if await doctors.find_doctor(conn, tenant_id, sent.doctor_id) is None:
        found.append(Unresolved(path="doctor_id", code="unknown_reference"))
    return tuple(found)

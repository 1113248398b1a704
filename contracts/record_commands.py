"""What is asked of consultations and templates, on `prescription-commands-v1`, each keyed by its own id."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from contracts.message import Command
from contracts.prescription_commands import Unresolved
from contracts.values import MedicationEntity


class RecordCommand(Command):
    """A command about a consultation or a template, which the prescription service executes."""

    topic: ClassVar[str] = "prescription-commands-v1"
    source: ClassVar[str] = "/gateway"

    record_id: UUID
    expected_version: int | None = None
    """The version that the client has read (`If-Match`); 0: any, but there must be one (`*`)."""

    @property
    def key(self) -> str:
        return str(self.record_id)


class PutConsultation(RecordCommand):
    """Store a consultation, or replace it whole; `record_id` is the consultation's."""

    ce_type: ClassVar[str] = "recepta.consultation.put.v1"

    patient_id: UUID
    doctor_id: UUID
    unresolved: tuple[Unresolved, ...] = ()
    status: str
    language: str = "pt"
    medication_entities: tuple[MedicationEntity, ...] = ()


class DeleteTemplate(RecordCommand):
    """Show a template to nobody any more; `record_id` is the template's."""

    ce_type: ClassVar[str] = "recepta.template.delete.v1"

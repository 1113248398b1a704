"""What changed in the gateway's directory and matters to open prescriptions, on `directory-events-v1`."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from contracts.message import Message
from contracts.values import PatientFacts


class DirectoryEvent(Message):
    """A change in the directory, keyed by the person it is about."""

    topic: ClassVar[str] = "directory-events-v1"
    source: ClassVar[str] = "/gateway"

    tenant_id: UUID

    @property
    def tenant(self) -> UUID | None:
        return self.tenant_id


class PatientFactsChanged(DirectoryEvent):
    """A patient's allergies, birth date or sex are these from now on."""

    ce_type: ClassVar[str] = "recepta.directory.patient-facts-changed.v1"

    facts: PatientFacts

    @property
    def key(self) -> str:
        return str(self.facts.patient_id)


class DoctorStandingChanged(DirectoryEvent):
    """A doctor may sign, or may not, from now on."""

    ce_type: ClassVar[str] = "recepta.directory.doctor-standing-changed.v1"

    doctor_id: UUID
    version: int = Field(ge=1)
    active: bool

    @property
    def key(self) -> str:
        return str(self.doctor_id)

"""Prescriptions, step by step: create (delphos-dialect 5.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from pydantic import Field

from contracts.drafting_commands import CreatePrescription
from services.gateway.api.delphos import references
from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.checks.delphos.fields import NoQuery, Notes, OptionalUuid, Sent, Uuid
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos.prescriptions import WrappedPrescription
from shared import ids

WRITE: Final = "prescriptions:write"
REFERENCES: Final = ("unknown_reference", "inactive_reference", "consultation_mismatch")

endpoints = Endpoints("Prescriptions")


class OriginName(StrEnum):
    MANUAL = "manual"
    CONSULTATION = "consultation"
    IMPORTED = "imported"


class PrescriptionTypeName(StrEnum):
    STANDARD = "standard"
    CONTROLLED = "controlled"


Origin: TypeAlias = Annotated[OriginName, Field(strict=False)]
PrescriptionType: TypeAlias = Annotated[PrescriptionTypeName, Field(strict=False)]


class NewPrescription(Sent):
    patient_id: Uuid
    doctor_id: Uuid
    consultation_id: OptionalUuid = None
    origin: Origin = OriginName.MANUAL
    prescription_type: PrescriptionType = PrescriptionTypeName.STANDARD
    notes: Notes = None


@endpoints.write(
    "POST",
    "/v1/prescriptions",
    permission=WRITE,
    body=NewPrescription,
    status=201,
    answer=WrappedPrescription,
    errors=REFERENCES,
)
async def create_prescription(call: Call[NoQuery, NewPrescription]) -> Answer:
    """Make an empty draft."""
    sent = call.body
    people = await references.people(call, patient_id=sent.patient_id, doctor_id=sent.doctor_id)
    command = CreatePrescription(
        **call.asking(ids.new()).head(),
        **people.of_draft(),
        consultation_id=sent.consultation_id,
        origin=sent.origin.value,
        prescription_type=sent.prescription_type.value,
        notes=sent.notes,
    )
    return await call.ask(command)

"""Prescriptions, step by step: create, read, change what is said about them, save their items (5, 9.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from pydantic import Field

from contracts.drafting_commands import ChangeMetadata, CreatePrescription, SaveAsTemplate
from services.gateway.api.delphos import readers, references
from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.auth.rights import READ, WRITE
from services.gateway.checks.delphos.fields import (
    Changes,
    Description,
    FutureMoment,
    NoQuery,
    Notes,
    Nothing,
    OptionalUuid,
    Sent,
    TemplateName,
    Uuid,
)
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import prescriptions
from services.gateway.messages.delphos.prescriptions import PrescriptionDetail, WrappedPrescription
from services.gateway.messages.delphos.templates import Template
from services.gateway.messages.delphos.words import tagged
from shared import ids

ONE: Final = "/v1/prescriptions/{prescription_id}"
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


class MetadataChanges(Changes):
    notes: Notes = None
    valid_until: FutureMoment | None = None
    prescription_type: PrescriptionType = PrescriptionTypeName.STANDARD


class NewTemplate(Sent):
    name: TemplateName
    description: Description = None


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
    return await readers.ask(call, command)


@endpoints.read(ONE, permission=READ, answer=PrescriptionDetail, errors=("resource_not_found",))
async def read_prescription(call: Call[NoQuery, Nothing]) -> Answer:
    """Read a prescription whole: items, findings, and what stands in the way of signing."""
    shown = await readers.find(call)
    whole = prescriptions.detail(shown, await readers.reader(call))
    return tagged(200, whole, shown.version)


@endpoints.write(
    "PATCH",
    ONE,
    permission=WRITE,
    body=MetadataChanges,
    answer=PrescriptionDetail,
    errors=("resource_not_found", "version_mismatch", "not_editable", "not_in_future"),
)
async def change_metadata(call: Call[NoQuery, MetadataChanges]) -> Answer:
    """Change notes, expiry or type while it is a draft or under review."""
    command = ChangeMetadata(**call.head(call.path["prescription_id"]), changes=call.body.named)
    return await readers.ask(call, command)


@endpoints.write(
    "POST",
    f"{ONE}/save-as-template",
    permission=WRITE,
    body=NewTemplate,
    status=201,
    answer=Template,
    errors=("resource_not_found", "version_mismatch", "items_required", "template_name_taken"),
)
async def save_as_template(call: Call[NoQuery, NewTemplate]) -> Answer:
    """Keep its items under a name, to prescribe them again."""
    command = SaveAsTemplate(
        **call.head(call.path["prescription_id"]),
        template_id=ids.new(),
        name=call.body.name,
        description=call.body.description,
    )
    return await readers.ask(call, command)

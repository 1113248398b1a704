"""The patients of a tenant: the directory that both dialects share (delphos-dialect 12.1)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from contracts.drug_names import resolve
from contracts.values import Allergy
from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.auth.rights import READ, WRITE
from services.gateway.checks.delphos.fields import (
    Day,
    Language,
    LanguageName,
    NoQuery,
    OptionalName,
    read_with,
    text,
)
from services.gateway.checks.delphos.people import Email, ExternalIds, NationalId, Replacement
from services.gateway.checks.patient import ALLERGIES_MAX
from services.gateway.commands.directory import tell_of_patient
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import patients as messages
from services.gateway.messages.delphos.words import tagged
from services.gateway.messages.errors import Problem
from services.gateway.messages.patients import ListedPatient
from services.gateway.store import directory, ingredient_names, tenancy
from services.gateway.store.directory import KnownPatient, PatientExists
from services.gateway.store.drug_names import drug_names
from shared import clock
from shared.database import Connection

ONE: Final = "/v1/patients/{patient_id}"

endpoints = Endpoints("Registry")


class Gender(StrEnum):
    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"
    UNKNOWN = "unknown"


def _not_in_future(day: date, info: ValidationInfo) -> date:
    if day > read_with(info)["today"]:
        raise PydanticCustomError("value_error", "Value error, must not be in the future")
    return day


class SentAllergy(Replacement):
    """An allergy as it is registered."""

    READ_ONLY = ("matched_ingredient",)

    ingredient: Annotated[str, Field(min_length=1, max_length=128), BeforeValidator(text)]
    severity: Annotated[Severity, Field(strict=False)] = Severity.UNKNOWN
    reaction: Annotated[str, Field(max_length=256), BeforeValidator(text)] | None = None


class SentPatient(Replacement):
    """A patient whole; what only the other dialect knows stays."""

    READ_ONLY = ("id", "name_hash", "version", "created_at", "updated_at")

    birth_date: Annotated[Day, AfterValidator(_not_in_future)]
    gender: Annotated[Gender, Field(strict=False)] = Gender.UNKNOWN
    full_name: OptionalName = None
    email: Email = None
    national_id: NationalId | None = None
    preferred_language: Language = LanguageName.PORTUGUESE
    allergies: Annotated[list[SentAllergy], Field(max_length=ALLERGIES_MAX)] = Field(default_factory=list)
    external_ids: ExternalIds = Field(default_factory=dict)
    is_active: bool = True


@endpoints.read(ONE, permission=READ, answer=messages.Patient, errors=("resource_not_found",))
async def get_patient(call: Call[NoQuery, Any]) -> Answer:
    """Read a patient."""
    async with tenancy.transaction(call.gateway.pool, call.tenant_id) as conn:
        found = await directory.find_patient(conn, call.tenant_id, call.path["patient_id"])
        if found is None:
            raise Problem("resource_not_found")
        return await _answer(call, conn, found, 200)


@endpoints.write(
    "PUT",
    ONE,
    permission=WRITE,
    body=SentPatient,
    answer=messages.Patient,
    also=(201,),
    errors=("patient_exists", "version_mismatch"),
)
async def put_patient(call: Call[NoQuery, SentPatient]) -> Answer:
    """Put a patient on file, or replace the whole record."""

    async def put(conn: Connection, _request_id: object) -> Answer:
        try:
            return await _put(call, conn)
        except PatientExists as exists:
            raise Problem("patient_exists", patient_id=str(exists.patient_id)) from None

    return await call.at_once(put)


async def _put(call: Call[NoQuery, SentPatient], conn: Connection) -> Answer:
    now, patient_id = clock.now(), call.path["patient_id"]
    held = await directory.find_patient(conn, call.tenant_id, patient_id, hold=True)
    if held is None:
        call.check_version(None)
        new = _record(call.body, ListedPatient(patient_id=patient_id, first_name=""))
        made = await directory.put_patient(conn, call.tenant_id, new, now=now)
        if made is not None:
            await tell_of_patient(conn, call.tenant_id, made)
            return await _answer(call, conn, made, 201)
        held = await directory.find_patient(conn, call.tenant_id, patient_id, hold=True)
        assert held is not None, "patients on file are never removed"
    call.check_version(held.version)
    changed = await directory.change_patient(
        conn, call.tenant_id, held, _record(call.body, held.record), now=now
    )
    await tell_of_patient(conn, call.tenant_id, changed, before=held)
    return await _answer(call, conn, changed, 200)


def _record(sent: SentPatient, known: ListedPatient) -> ListedPatient:
    document = sent.national_id
    replaced = {
        "date_of_birth": sent.birth_date,
        "sex": sent.gender.upper(),
        "email_address": sent.email,
        "document_type": document and str(document.type),
        "document_number": document and document.value,
        "preferred_language": sent.preferred_language.value,
        "allergies": tuple(
            Allergy(ingredient=one.ingredient, severity=one.severity.upper(), reaction=one.reaction or None)
            for one in sent.allergies
        ),
        "external_ids": sent.external_ids,
        "active": sent.is_active,
    }
    return messages.renamed(known, sent.full_name).model_copy(update=replaced)


async def _answer(call: Call[NoQuery, Any], conn: Connection, known: KnownPatient, status: int) -> Answer:
    settings = call.caller.settings
    shown = messages.render(
        known.record,
        version=known.version,
        created_at=known.created_at,
        updated_at=known.updated_at,
        language=settings.language,
        matched=await _matched(conn, known.record, settings.country),
    )
    return tagged(status, shown, known.version)


async def _matched(conn: Connection, record: ListedPatient, country: str) -> dict[str, str]:
    """Which ingredient of the catalogue each allergy names, if it surely names one."""
    if not record.allergies:
        return {}
    names = await drug_names.present(conn)
    shown = await ingredient_names.names.seen_by(conn)
    found = {one.ingredient: resolve(one.ingredient, country, names) for one in record.allergies}
    return {
        text: shown[one.ingredients[0]]
        for text, one in found.items()
        if len(one.ingredients) == 1 and not one.unresolved and one.ingredients[0] in shown
    }

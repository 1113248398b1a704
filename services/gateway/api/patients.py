"""The patients of a provider: looked up by document, created and changed (osigu-dialect 3)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from services.gateway.api import schemas
from services.gateway.api.context import (
    Body,
    Gateway,
    Parameters,
    Parts,
    check_match,
    etag_of,
    require,
    respond,
)
from services.gateway.api.described import operation
from services.gateway.api.routes import Direct
from services.gateway.auth.principal import Principal
from services.gateway.checks import patient as reading
from services.gateway.checks.fields import Form
from services.gateway.commands.directory import tell_of_patient
from services.gateway.messages import ids
from services.gateway.messages import patients as messages
from services.gateway.messages.answers import Answer
from services.gateway.messages.errors import Problem
from services.gateway.store import directory, providers, tenancy
from services.gateway.store.directory import KnownPatient, PatientExists
from shared import clock
from shared.database import Connection
from shared.ids import new

router = APIRouter(tags=["Patients"], route_class=Direct)

Reader = Annotated[Principal, Depends(require("ehr:read"))]
Writer = Annotated[Principal, Depends(require("ehr:write"))]


@router.get(
    "/ehr/v1/patients",
    **operation(
        "Look a patient up",
        scopes=("ehr:read",),
        query=("document_number", "document_type", "page", "limit"),
        errors=("validation_failed",),
    ),
)
async def search_patients(request: Request, caller: Reader, gateway: Parts, query: Parameters) -> Response:
    """By document number, of one type or of any; spaces and separators make no difference."""
    number = query.text("document_number", limit=reading.DOCUMENT_LETTERS_MAX, required=True)
    kind = query.word("document_type", reading.DOCUMENT_TYPES)
    page = query.page()
    query.finish()
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        found, total = await directory.patients_by_document(
            conn,
            caller.tenant_id,
            reading.document(number or ""),
            kind,
            limit=page.limit,
            offset=page.offset,
        )
        today = (await providers.provider(conn, caller.tenant_id)).settings.today(clock.now())
    return respond(request, Answer(200, page.envelope([_shown(one, today) for one in found], total)))


@router.get(
    "/ehr/v1/patients/{patient_id}",
    **operation("Get a patient", scopes=("ehr:read",), errors=("resource_not_found",)),
)
async def get_patient(
    request: Request, patient_id: str, caller: Reader, gateway: Parts, query: Parameters
) -> Response:
    """One patient of the provider."""
    query.finish()
    found = await _find(gateway, caller, patient_id)
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        today = (await providers.provider(conn, caller.tenant_id)).settings.today(clock.now())
    return respond(request, Answer(200, _shown(found, today)), etag=_etag(found))


@router.post(
    "/ehr/v1/patients",
    **operation(
        "Create a patient",
        scopes=("ehr:write",),
        body=schemas.PATIENT,
        required=schemas.PATIENT_REQUIRED,
        status=201,
        errors=("patient_exists", "validation_failed"),
    ),
)
async def create_patient(
    request: Request, caller: Writer, body: Body, query: Parameters, gateway: Parts
) -> Response:
    """Of two creates with one document, one gets 201 and the other 409, which names the patient."""
    query.done()
    if (answer := await gateway.commands.earlier(request, caller, body)) is not None:
        return respond(request, answer)
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        settings = (await providers.provider(conn, caller.tenant_id)).settings
    patient = reading.read_patient(Form(body, query.checks), new(), today=settings.today(clock.now()))
    query.checks.settle()
    assert patient is not None

    async def create(conn: Connection, _request_id: object) -> Answer:
        now = clock.now()
        try:
            made = await directory.add_patient(conn, caller.tenant_id, patient, now=now)
        except PatientExists as exists:
            raise _exists(exists) from None
        await tell_of_patient(conn, caller.tenant_id, made)
        shown = _shown(made, settings.today(now))
        return Answer(201, shown, {"Location": f"/ehr/v1/patients/{shown['patient_id']}"})

    return respond(request, await gateway.commands.at_once(request, caller, body, create))


@router.put(
    "/ehr/v1/patients/{patient_id}",
    **operation(
        "Change a patient",
        scopes=("ehr:write",),
        body=schemas.PATIENT,
        required=schemas.PATIENT_REQUIRED,
        errors=("resource_not_found", "patient_exists", "version_mismatch", "validation_failed"),
    ),
)
async def update_patient(
    request: Request, patient_id: str, caller: Writer, body: Body, query: Parameters, gateway: Parts
) -> Response:
    """The whole record; issued prescriptions keep the old one."""
    query.done()
    if (answer := await gateway.commands.earlier(request, caller, body)) is not None:
        return respond(request, answer)
    known = await _find(gateway, caller, patient_id)
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        settings = (await providers.provider(conn, caller.tenant_id)).settings
    day = settings.today(clock.now())
    sent = reading.read_patient(Form(body, query.checks), known.record.patient_id, today=day)
    query.checks.settle()
    assert sent is not None

    async def change(conn: Connection, _request_id: object) -> Answer:
        now = clock.now()
        held = await directory.find_patient(conn, caller.tenant_id, sent.patient_id, hold=True)
        if held is None:
            raise Problem("resource_not_found")
        check_match(request, _etag(held))
        wanted = held.record.model_copy(update={name: getattr(sent, name) for name in reading.FIELDS})
        try:
            changed = await directory.change_patient(conn, caller.tenant_id, held, wanted, now=now)
        except PatientExists as exists:
            raise _exists(exists) from None
        await tell_of_patient(conn, caller.tenant_id, changed, before=held)
        return Answer(200, _shown(changed, settings.today(now)))

    return respond(request, await gateway.commands.at_once(request, caller, body, change))


async def _find(gateway: Gateway, caller: Principal, patient_id: str) -> KnownPatient:
    """The patient that a path names. Raises Problem `resource_not_found`."""
    found_id = ids.find("pat", patient_id)
    if found_id is not None:
        async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
            found = await directory.find_patient(conn, caller.tenant_id, found_id)
        if found is not None:
            return found
    raise Problem("resource_not_found")


def _shown(one: KnownPatient, today: date) -> dict[str, Any]:
    return messages.patient(one.record, created_at=one.created_at, updated_at=one.updated_at, today=today)


def _etag(one: KnownPatient) -> str:
    return etag_of(one.record.patient_id, one.version)


def _exists(error: PatientExists) -> Problem:
    return Problem("patient_exists", patient_id=ids.spell("pat", error.patient_id))

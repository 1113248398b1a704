"""The doctors of a provider: put on file, changed, listed and read (osigu-dialect 2)."""

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
from services.gateway.checks import doctor as checks
from services.gateway.checks.fields import Form
from services.gateway.commands.directory import tell_of_doctor
from services.gateway.messages import doctors, ids
from services.gateway.messages.answers import Answer
from services.gateway.messages.errors import Problem
from services.gateway.store import doctors as store
from services.gateway.store import providers, tenancy
from services.gateway.store.doctors import DoctorExists, KnownDoctor
from shared import clock
from shared.database import Connection
from shared.ids import new

router = APIRouter(tags=["Doctors"], route_class=Direct)

Reader = Annotated[Principal, Depends(require("ehr:read"))]
Writer = Annotated[Principal, Depends(require("ehr:write", unbound=True))]


@router.get(
    "/ehr/v1/doctors",
    **operation(
        "List doctors",
        scopes=("ehr:read",),
        query=("medical_license_number", "registration_status", "page", "limit"),
        errors=("validation_failed",),
    ),
)
async def list_doctors(request: Request, caller: Reader, gateway: Parts, query: Parameters) -> Response:
    """Newest first."""
    number = query.text("medical_license_number", limit=64)
    status = query.word("registration_status", checks.STATUSES)
    page = query.page()
    query.finish()
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        today = (await providers.provider(conn, caller.tenant_id)).settings.today(clock.now())
        found, total = await store.list_doctors(
            conn,
            caller.tenant_id,
            number=number,
            status=status,
            today=today,
            limit=page.limit,
            offset=page.offset,
        )
    return respond(request, Answer(200, page.envelope([_shown(one, today) for one in found], total)))


@router.get(
    "/ehr/v1/doctors/{doctor_id}",
    **operation("Get a doctor", scopes=("ehr:read",), errors=("resource_not_found",)),
)
async def get_doctor(
    request: Request, doctor_id: str, caller: Reader, gateway: Parts, query: Parameters
) -> Response:
    """One doctor of the provider."""
    query.finish()
    known, today = await _find(gateway, caller, doctor_id)
    return respond(request, Answer(200, _shown(known, today)), etag=_etag(known, today))


@router.post(
    "/ehr/v1/doctors",
    **operation(
        "Put a doctor on file",
        scopes=("ehr:write",),
        body=schemas.DOCTOR,
        required=schemas.DOCTOR_REQUIRED,
        status=201,
        errors=("doctor_exists", "validation_failed"),
    ),
)
async def create_doctor(
    request: Request, caller: Writer, body: Body, query: Parameters, gateway: Parts
) -> Response:
    """Active at once if the provider vouches for its doctors, else when the register has confirmed."""
    query.done()
    if (answer := await gateway.commands.earlier(request, caller, body)) is not None:
        return respond(request, answer)
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        settings = (await providers.provider(conn, caller.tenant_id)).settings
    sent, _ = checks.read_doctor(Form(body, query.checks), new())
    query.checks.settle()
    assert sent is not None
    status = checks.first_status(settings.doctor_registration_check)

    async def create(conn: Connection, _request_id: object) -> Answer:
        now = clock.now()
        today = settings.today(now)
        try:
            made = await store.add_doctor(conn, caller.tenant_id, sent, status=status, now=now)
        except DoctorExists as exists:
            raise _exists(exists) from None
        await tell_of_doctor(conn, caller.tenant_id, made, today)
        shown = _shown(made, today)
        return Answer(201, shown, {"Location": f"/ehr/v1/doctors/{shown['doctor_id']}"})

    return respond(request, await gateway.commands.at_once(request, caller, body, create))


@router.put(
    "/ehr/v1/doctors/{doctor_id}",
    **operation(
        "Change a doctor",
        scopes=("ehr:write",),
        body={**schemas.DOCTOR, "registration_status": schemas.one_of(checks.STATUSES)},
        required=schemas.DOCTOR_REQUIRED,
        errors=("resource_not_found", "doctor_exists", "version_mismatch", "validation_failed"),
    ),
)
async def update_doctor(
    request: Request, doctor_id: str, caller: Writer, body: Body, query: Parameters, gateway: Parts
) -> Response:
    """The whole record; issued prescriptions keep the old one."""
    query.done()
    if (answer := await gateway.commands.earlier(request, caller, body)) is not None:
        return respond(request, answer)
    known, day = await _find(gateway, caller, doctor_id)
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        settings = (await providers.provider(conn, caller.tenant_id)).settings
    form, rule = Form(body, query.checks), settings.doctor_registration_check
    sent, asked = checks.read_doctor(form, known.record.doctor_id, change=True)
    if sent is not None and checks.next_status(rule, known, sent, asked, day) is None:
        form.fail("registration_status", "invalid_value", "Only the register gives this status.")
    query.checks.settle()
    assert sent is not None

    async def change(conn: Connection, _request_id: object) -> Answer:
        now = clock.now()
        today = settings.today(now)
        held = await store.find_doctor(conn, caller.tenant_id, sent.doctor_id, hold=True)
        if held is None:
            raise Problem("resource_not_found")
        check_match(request, _etag(held, today))
        # Only the other dialect knows these.
        wanted = sent.model_copy(update={"external_ids": held.record.external_ids})
        status = checks.next_status(rule, held, sent, asked, today) or held.registration_status
        try:
            changed = await store.change_doctor(conn, caller.tenant_id, held, wanted, status=status, now=now)
        except DoctorExists as exists:
            raise _exists(exists) from None
        await tell_of_doctor(conn, caller.tenant_id, changed, today, before=held)
        return Answer(200, _shown(changed, today))

    return respond(request, await gateway.commands.at_once(request, caller, body, change))


async def _find(gateway: Gateway, caller: Principal, doctor_id: str) -> tuple[KnownDoctor, date]:
    """The doctor that a path names, and the provider's today. Raises Problem `resource_not_found`."""
    found_id = ids.find("doc", doctor_id)
    if found_id is None:
        raise Problem("resource_not_found")
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        found = await store.find_doctor(conn, caller.tenant_id, found_id)
        if found is None:
            raise Problem("resource_not_found")
        return found, (await providers.provider(conn, caller.tenant_id)).settings.today(clock.now())


def _shown(one: KnownDoctor, today: date) -> dict[str, Any]:
    return doctors.doctor(
        one.record, status=one.standing(today), created_at=one.created_at, updated_at=one.updated_at
    )


def _etag(one: KnownDoctor, today: date) -> str:
    return etag_of(one.record.doctor_id, one.version, one.standing(today))


def _exists(error: DoctorExists) -> Problem:
    return Problem("doctor_exists", doctor_id=ids.spell("doc", error.doctor_id))

"""The doctors of a provider: they are read here, and entered by the operator."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.gateway.api.context import Parameters, Parts, etag_of, require, respond
from services.gateway.api.described import operation
from services.gateway.api.routes import Direct
from services.gateway.auth.principal import Principal
from services.gateway.messages import doctors, ids
from services.gateway.messages.answers import Answer
from services.gateway.messages.errors import Problem
from services.gateway.store import doctors as store
from services.gateway.store import providers, tenancy
from shared import clock

router = APIRouter(tags=["Doctors"], route_class=Direct)

STATUSES = ("PENDING_VERIFICATION", "ACTIVE", "SUSPENDED", "EXPIRED")
Reader = Annotated[Principal, Depends(require("ehr:read"))]


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
    status = query.word("registration_status", STATUSES)
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
    data = [
        doctors.doctor(
            one.record, status=one.standing(today), created_at=one.created_at, updated_at=one.updated_at
        )
        for one in found
    ]
    return respond(request, Answer(200, page.envelope(data, total)))


@router.get(
    "/ehr/v1/doctors/{doctor_id}",
    **operation("Get a doctor", scopes=("ehr:read",), errors=("resource_not_found",)),
)
async def get_doctor(
    request: Request, doctor_id: str, caller: Reader, gateway: Parts, query: Parameters
) -> Response:
    """One doctor of the provider."""
    query.finish()
    found_id = ids.find("doc", doctor_id)
    if found_id is None:
        raise Problem("resource_not_found")
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        found = await store.find_doctor(conn, caller.tenant_id, found_id)
        if found is None:
            raise Problem("resource_not_found")
        today = (await providers.provider(conn, caller.tenant_id)).settings.today(clock.now())
    status = found.standing(today)
    shown = doctors.doctor(
        found.record, status=status, created_at=found.created_at, updated_at=found.updated_at
    )
    return respond(request, Answer(200, shown), etag=etag_of(found_id, found.version, status))

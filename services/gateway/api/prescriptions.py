"""Prescriptions over HTTP: create in v1 and v1.1, read, list, void, resend (osigu-dialect 5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from contracts import prescription_codes
from contracts.prescription_commands import IssuePrescription
from contracts.values import Patient, Prescription
from services.gateway.api import prescription_operations as described
from services.gateway.api.context import (
    Body,
    Gateway,
    Parameters,
    Parts,
    RequestId,
    expected,
    require,
    respond,
)
from services.gateway.api.routes import Direct
from services.gateway.auth import links
from services.gateway.auth.principal import Principal
from services.gateway.checks import channels, prescriber, prescription
from services.gateway.checks.fields import Form
from services.gateway.checks.patient import EMAIL
from services.gateway.checks.query import Query
from services.gateway.messages import by_the_clock, commands, ids, prescriptions
from services.gateway.messages.answers import Answer, to_json
from services.gateway.messages.commands import Asking
from services.gateway.messages.errors import Entry, Problem
from services.gateway.messages.moments import moment
from services.gateway.store import directory, issue, tenancy, views
from shared import clock
from shared import ids as new_ids

# All but create are the same under the three prefixes, so that a client may keep one.
PREFIXES: Final = ("/ehr/v1", "/ehr/v1.1", "/ehr/v2")

# An id that nothing has: filters by it find nothing.
NOBODY: Final = UUID(int=0)

router = APIRouter(tags=["Prescriptions"], route_class=Direct)

Writer = Annotated[Principal, Depends(require("ehr:write"))]
Reader = Annotated[Principal, Depends(require("ehr:read"))]


@router.post("/ehr/v1/prescriptions", **described.CREATE)
async def create_v1(
    request: Request, caller: Writer, body: Body, query: Parameters, gateway: Parts, id: RequestId
) -> Response:
    """Create, check, seal and release a prescription in one request."""
    return await _create("v1", request, caller, body, query, gateway, id)


@router.post("/ehr/v1.1/prescriptions", **described.CREATE_WITH_CONSENT)
async def create_v1_1(
    request: Request, caller: Writer, body: Body, query: Parameters, gateway: Parts, id: RequestId
) -> Response:
    """As in v1, and the patient's consent is demanded and recorded."""
    return await _create("v1.1", request, caller, body, query, gateway, id)


@router.post("/ehr/v2/prescriptions", include_in_schema=False)
@router.post("/ehr/v2/prescriptions/prepare", include_in_schema=False)
async def create_v2() -> Response:
    raise Problem("operation_not_offered")


async def _create(
    version: str,
    request: Request,
    caller: Principal,
    body: Mapping[str, Any],
    query: Query,
    gateway: Gateway,
    id: UUID,
) -> Response:
    # What the path says stands before query and body.
    query.checks.place("path.version")
    query.done()
    earlier = await gateway.commands.earlier(request, caller, body)
    if earlier is not None:
        return respond(request, earlier)
    now = clock.now()
    found = await gateway.look_ups.find(caller.tenant_id, prescription.wanted(body, caller.doctor_id, now))
    if version not in found.settings.allowed_versions:
        message = "Not a version that this provider may create prescriptions in."
        query.checks.fail("path.version", "version_not_allowed", message)
    order = prescription.check(
        body, version=version, bound=caller.doctor_id, found=found, now=now, checks=query.checks
    )
    patient = await _patient(gateway, caller, order, now)
    command = IssuePrescription(
        **Asking(caller.caller(), id, caller.tenant_id, new_ids.new(), now).head(),
        api_version=version,
        provider=found.provider,
        policy=found.settings.policy,
        patient=patient,
        doctor=order.doctor,
        diagnoses=order.diagnoses,
        items=order.items,
        allergies=order.allergies,
        patient_data_consent=order.consent,
        confidential=order.confidential,
        notes=order.notes,
        laboratory_notes=order.laboratory_notes,
        diagnostic_test_notes=order.diagnostic_test_notes,
        valid_until=order.valid_until,
        acknowledged=order.acknowledged,
    )
    answer = await gateway.commands.ask(
        request,
        caller,
        body,
        command,
        language=found.settings.language,
        lines=[(str(item.item_id), item.product and item.product.product_code) for item in order.items],
        inline_patient=order.inline,
    )
    return respond(request, answer)


async def _patient(gateway: Gateway, caller: Principal, order: prescription.Order, now: datetime) -> Patient:
    """The patient as the directory has them; an inline one gets a row that nobody sees before a success."""
    if not order.inline:
        return order.patient
    try:
        async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
            return await directory.inline_patient(conn, caller.tenant_id, order.patient, now=now)
    except directory.PatientConflict:
        raise Problem.of([Entry("patient", *prescription.PATIENT_CONFLICT)]) from None


async def read_prescription(
    request: Request, prescription_id: str, caller: Reader, query: Parameters, gateway: Parts
) -> Response:
    """One prescription whole, with a new link to its PDF."""
    one, now = await find(gateway, caller, prescription_id), clock.now()
    query.finish()
    shown = by_the_clock.as_of(one.prescription, now)
    stored = gateway.reads.body(one.prescription, shown)
    # Two JSON objects made one: what is stored has its bytes already, the link is new at every read.
    body = stored[:-1] + b"," + to_json(_link(gateway, one, now))[1:]
    return respond(request, Answer(200, body), etag=_etag(shown))


async def list_prescriptions(request: Request, caller: Reader, query: Parameters, gateway: Parts) -> Response:
    """The provider's prescriptions, newest first; a bound client's doctor's alone."""
    wanted = _filter(query, caller)
    page = query.page()
    query.finish()
    now = clock.now()
    found, total = await views.page(
        gateway.pool,
        tenant_id=caller.tenant_id,
        now=now,
        wanted=wanted,
        limit=page.limit,
        offset=page.offset,
    )
    rows = [prescriptions.row(by_the_clock.as_of(one, now)) for one in found]
    return respond(request, Answer(200, page.envelope(rows, total)))


async def void_prescription(
    request: Request,
    prescription_id: str,
    caller: Writer,
    body: Body,
    query: Parameters,
    gateway: Parts,
    id: RequestId,
) -> Response:
    """Cancel what is left of it; a live dispensation ends in the same commit."""
    earlier = await gateway.commands.earlier(request, caller, body)
    if earlier is not None:
        return respond(request, earlier)
    one, now = (await find(gateway, caller, prescription_id)).prescription, clock.now()
    named = prescriber.named(body, caller.doctor_id)
    found = await gateway.look_ups.find(caller.tenant_id, issue.Wanted(doctor_id=named.doctor_id))
    query.done()
    form = Form(body, query.checks)
    reason = form.text("reason", limit=500, least=3, required=True)
    reason_code = form.word("reason_code", described.REASON_CODES) or described.REASON_CODES[0]
    doctor = prescriber.by_id(form, caller.doctor_id, found.doctors, found.settings.today(now))
    form.unsupported("signing_authorization")
    form.done()
    query.checks.settle()
    command = commands.void(
        Asking(caller.caller(), id, caller.tenant_id, one.prescription_id, now),
        reason=reason or "",
        reason_code=reason_code,
        doctor_id=None if doctor is None else doctor.doctor_id,
    )
    shown = by_the_clock.as_of(one, now)
    command = expected(command, request, _etag(shown), shown.version)
    return respond(request, await gateway.commands.ask(request, caller, body, command))


async def resend_prescription(
    request: Request,
    prescription_id: str,
    caller: Writer,
    body: Body,
    query: Parameters,
    gateway: Parts,
    id: RequestId,
) -> Response:
    """Deliver it to the patient again."""
    earlier = await gateway.commands.earlier(request, caller, body)
    if earlier is not None:
        return respond(request, earlier)
    one, now = (await find(gateway, caller, prescription_id)).prescription, clock.now()
    query.done()
    form = Form(body, query.checks)
    channel = channels.read(form)
    address = form.text("email_address", limit=256, pattern=EMAIL)
    form.done()
    query.checks.settle()
    command = commands.resend(
        Asking(caller.caller(), id, caller.tenant_id, one.prescription_id, now),
        channel=channel,
        email_address=address.lower() if address else None,
    )
    shown = by_the_clock.as_of(one, now)
    command = expected(command, request, _etag(shown), shown.version)
    # The address itself is not kept with the request: what the answer shows of it is.
    masked = prescriptions.masked(address.lower()) if address else None
    answer = await gateway.commands.ask(request, caller, body, command, masked_destination=masked)
    return respond(request, answer)


for prefix in PREFIXES:
    shown = prefix == PREFIXES[0]
    one_path = f"{prefix}/prescriptions/{{prescription_id}}"
    for path, endpoint, method, how in (
        (f"{prefix}/prescriptions", list_prescriptions, "GET", described.LIST),
        (one_path, read_prescription, "GET", described.READ),
        (f"{one_path}/void", void_prescription, "POST", described.VOID),
        (f"{one_path}/resend", resend_prescription, "POST", described.RESEND),
    ):
        router.add_api_route(path, endpoint, methods=[method], include_in_schema=shown, **how)


async def find(gateway: Gateway, caller: Principal, text: str) -> views.Shown:
    """The caller's prescription, as it is stored. Raises Problem `resource_not_found`."""
    prescription_id = ids.find("rx", text)
    if prescription_id is not None:
        one = await views.find(
            gateway.pool,
            tenant_id=caller.tenant_id,
            prescription_id=prescription_id,
            doctor_id=caller.doctor_id,
            held=gateway.reads.held(caller.tenant_id, prescription_id),
        )
        if one is not None:
            return one
    raise Problem("resource_not_found")


def _etag(shown: Prescription) -> str:
    """Of what the clock has made of stored state; never of links (ruling 1.5)."""
    return f'"{shown.version}"'


def _link(gateway: Gateway, one: views.Shown, now: datetime) -> dict[str, str | None]:
    """A signed link, made at reading; none before issue."""
    if one.prescription.issued_at is None:
        return {"download_url": None, "download_url_expires_at": None}
    expires_at = now + timedelta(hours=one.download_url_ttl_h)
    token = links.token(
        gateway.settings.secret_key,
        tenant_id=one.prescription.tenant_id,
        prescription_id=one.prescription.prescription_id,
        expires_at=expires_at,
    )
    path = f"{prescriptions.path(one.prescription.prescription_id)}/pdf?token={token}"
    return {
        "download_url": f"{gateway.settings.base_url}{path}",
        "download_url_expires_at": moment(expires_at),
    }


def _filter(query: Query, caller: Principal) -> views.Filter:
    code = query.text("prescription_code", limit=64)
    patient_id = _id(query, "patient_id", "pat")
    doctor_id = _id(query, "doctor_id", "doc")
    bound = caller.doctor_id
    if bound is not None:
        doctor_id = bound if doctor_id in (None, bound) else NOBODY
    return views.Filter(
        prescription_code=None if code is None else prescription_codes.canonical(code) or code,
        patient_id=patient_id,
        doctor_id=doctor_id,
        statuses=_statuses(query),
        created_from=query.moment("created_from"),
        created_to=query.moment("created_to"),
    )


def _id(query: Query, name: str, prefix: str) -> UUID | None:
    """An id to filter by; one that names nothing gives an empty list, and is no error."""
    sent = query.text(name, limit=64)
    return None if sent is None else ids.find(prefix, sent) or NOBODY


def _statuses(query: Query) -> list[str] | None:
    sent = query.text("status", limit=512)
    if sent is None:
        return None
    words = [word.strip() for word in sent.split(",")]
    if not prescriptions.STATUS_WORDS.issuperset(words):
        query.fail("status", "invalid_value", "Must be words of the status table.")
        return None
    return [inner for word in words for inner in views.SHOWN_AS[word]]

"""Dispensing over HTTP (osigu-dialect 6): a request becomes a command, its outcome the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from contracts.prescription_commands import PrescriptionCommand
from contracts.values import DispensationStatus
from services.gateway.api.context import (
    Body,
    Gateway,
    Parameters,
    Parts,
    etag_of,
    expected,
    read_query,
    require,
    respond,
)
from services.gateway.api.described import operation
from services.gateway.api.routes import Direct
from services.gateway.auth.principal import Principal
from services.gateway.checks import dispensation as bodies
from services.gateway.checks import dispensing, verification
from services.gateway.checks.dispensing import Asked
from services.gateway.checks.prescription import QUANTITY_MAX
from services.gateway.messages import dispensations as messages
from services.gateway.messages import ids
from services.gateway.messages.answers import Answer
from services.gateway.messages.commands import DEADLINE
from services.gateway.messages.errors import Problem
from services.gateway.store import dispensing as store
from services.gateway.store import one_time_passwords as looks
from services.gateway.store import tenancy
from services.gateway.store.dispensing import Claim
from shared import clock, outbox
from shared import ids as new_ids
from shared.database import Connection

MET: Final = (
    "prescription_voided",
    "prescription_expired",
    "prescription_dispensed",
    "dispensation_completed",
    "dispensation_cancelled",
    "dispensation_expired",
)
WRITES: Final = ("validation_failed", "idempotency_key_reused")
_AMOUNT: Final = {"type": "number", "minimum": 0}
_LINE: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "price", "taxes", "quantity"],
    "properties": {
        "id": {"type": "string"},
        "product_code": {"type": "string", "maxLength": 64},
        "price": _AMOUNT,
        "taxes": _AMOUNT,
        "quantity": {"type": "integer", "minimum": 1, "maximum": QUANTITY_MAX},
        "substitute_product_code": {"type": "string", "maxLength": 64},
        "substitute_quantity": {"type": "integer", "minimum": 1, "maximum": QUANTITY_MAX},
        "substitution_reason_enum": {"type": "string", "enum": list(bodies.SUBSTITUTION_REASONS)},
        "substitution_reason": {"type": "string", "maxLength": 256},
        "substitution_other_description": {"type": "string", "maxLength": 500},
    },
}
_LINES: Final = {"type": "array", "items": _LINE, "minItems": 1, "maxItems": bodies.LINES_MAX}
_CURRENCY: Final = {"type": "string", "pattern": f"^{bodies.CURRENCY}$"}
_VERIFICATIONS: Final = {
    "type": "array",
    "maxItems": verification.VERIFICATIONS_MAX,
    "items": {"type": "object"},
}
_START: Final = {
    "code": {"type": "string", "maxLength": bodies.CODE_TEXT_MAX},
    "beneficiary_id": {"type": "string"},
    "branch_id": {"type": "string"},
    "pin": {"type": "string", "maxLength": 16},
    "currency_code": _CURRENCY,
    "products": _LINES,
    "external_verifications": _VERIFICATIONS,
}
_UPDATE: Final = {"products": _LINES, "currency_code": _CURRENCY, "currency": {"type": "object"}}
_COMPLETE: Final = {
    "amount": _AMOUNT,
    "document_number": {"type": "string", "maxLength": 64},
    "document_date": {"type": "string", "format": "date-time"},
    "document_serial": {"type": "string", "maxLength": 64},
    "document_digital_signature": {"type": "string", "maxLength": 4096},
    "provider_transaction_id": {"type": "string", "maxLength": 128},
    "provider_slug": {"type": "string", "maxLength": 64},
    verification.TOKEN: {"type": "string", "maxLength": verification.TOKEN_MAX},
    "external_verifications": _VERIFICATIONS,
}
_CANCEL: Final = {
    "void_reason": {"type": "string", "enum": list(bodies.VOID_REASONS)},
    "void_description": {"type": "string", "maxLength": 500},
}

router = APIRouter(prefix="/dispensing/v1", route_class=Direct)

Writer = Annotated[Principal, Depends(require("dispensing:write"))]
Reader = Annotated[Principal, Depends(require("dispensing:read"))]
Built = PrescriptionCommand | Problem
Build = Callable[[Connection, Asked, Mapping[str, Any]], Awaitable[Built]]
BuildFromClaim = Callable[[Connection, Asked, Mapping[str, Any], Claim], Awaitable[Built]]


@router.post(
    "/dispensations",
    **operation(
        "Start a dispensation",
        scopes=("dispensing:write",),
        body=_START,
        required=("code",),
        status=201,
        errors=(
            "code_not_found",
            "already_being_dispensed",
            "dispensation_already_started",
            "code_attempts_exceeded",
            "code_check_failed",
            "verification_invalid",
            *MET,
            *WRITES,
        ),
    ),
)
async def start_dispensation(request: Request, caller: Writer, body: Body, gateway: Parts) -> Response:
    """Give a pharmacy the prescription. Of two that ask, one gets it; asking again changes nothing."""

    async def build(conn: Connection, asked: Asked, body: Mapping[str, Any]) -> Built:
        return await dispensing.start(conn, asked, body, dispensation_id=new_ids.new())

    return await _write(request, caller, body, gateway, build)


@router.put(
    "/dispensations/{dispensation_id}",
    **operation(
        "Replace its lines",
        scopes=("dispensing:write",),
        body=_UPDATE,
        required=("products",),
        errors=("resource_not_found", "over_quantity", "version_mismatch", *MET, *WRITES),
    ),
)
async def update_dispensation(
    request: Request, caller: Writer, body: Body, gateway: Parts, dispensation_id: str
) -> Response:
    """Replace the lines of the own live dispensation; its time does not start anew."""
    return await _write(
        request, caller, body, gateway, _of_claim(request, dispensation_id, dispensing.update)
    )


@router.post(
    "/dispensations/{dispensation_id}/complete",
    **operation(
        "Complete it",
        scopes=("dispensing:write",),
        body=_COMPLETE,
        required=("amount", "document_number", "document_date"),
        errors=(
            *("resource_not_found", "amount_mismatch", "verification_required", "verification_invalid"),
            "version_mismatch",
            *MET,
            *WRITES,
        ),
    ),
)
async def complete_dispensation(
    request: Request, caller: Writer, body: Body, gateway: Parts, dispensation_id: str
) -> Response:
    """Hand over what the lines say; the same receipt again changes nothing."""
    return await _write(
        request, caller, body, gateway, _of_claim(request, dispensation_id, dispensing.complete)
    )


@router.post(
    "/dispensations/{dispensation_id}/cancel",
    **operation(
        "Cancel it",
        scopes=("dispensing:write",),
        body=_CANCEL,
        errors=("resource_not_found", "void_window_closed", "version_mismatch", *MET, *WRITES),
    ),
)
async def cancel_dispensation(
    request: Request, caller: Writer, body: Body, gateway: Parts, dispensation_id: str
) -> Response:
    """End the own live dispensation, or take a completed one back within its window."""
    return await _write(
        request, caller, body, gateway, _of_claim(request, dispensation_id, dispensing.cancel)
    )


@router.get(
    "/dispensations",
    **operation(
        "List the own dispensations",
        scopes=("dispensing:read",),
        query=("code", "status", "page", "limit"),
        errors=("validation_failed",),
    ),
)
async def list_dispensations(request: Request, caller: Reader, query: Parameters, gateway: Parts) -> Response:
    """The pharmacy's own dispensations, newest first."""
    code = query.text("code", limit=bodies.CODE_TEXT_MAX)
    status = query.word("status", [status.value for status in DispensationStatus])
    page = query.page()
    query.done()
    query.checks.settle()
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        claims, total = await store.listed(
            conn,
            caller.tenant_id,
            code=code and (bodies.canonical_code(code) or code),
            status=status,
            limit=page.limit,
            offset=page.offset,
            now=clock.now(),
        )
    rows = [messages.dispensation(claim.prescription, claim.dispensation) for claim in claims]
    return respond(request, Answer(200, page.envelope(rows, total)))


@router.get(
    "/dispensations/{dispensation_id}",
    **operation("Get a dispensation", scopes=("dispensing:read",), errors=("resource_not_found",)),
)
async def get_dispensation(
    request: Request, caller: Reader, query: Parameters, gateway: Parts, dispensation_id: str
) -> Response:
    """The pharmacy's own dispensation as it stands."""
    claim = await _own(gateway, caller, dispensation_id)
    query.finish()
    answer = Answer(200, messages.dispensation(claim.prescription, claim.dispensation))
    return respond(request, answer, etag=_etag(claim))


@router.get(
    "/dispensations/{dispensation_id}/verification-status",
    **operation(
        "Whether the beneficiary is verified", scopes=("dispensing:read",), errors=("resource_not_found",)
    ),
)
async def get_verification_status(
    request: Request, caller: Reader, query: Parameters, gateway: Parts, dispensation_id: str
) -> Response:
    """Whether the beneficiary must be, and has been, verified."""
    claim = await _own(gateway, caller, dispensation_id)
    query.finish()
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        at = await verification.verified_at(conn, caller.tenant_id, claim, now=clock.now())
    return respond(request, Answer(200, messages.verification_status(claim.dispensation, at)))


@router.get(
    "/codes/{code}",
    **operation(
        "Look at a code",
        scopes=("dispensing:read",),
        errors=("code_not_found", "code_check_failed", "code_attempts_exceeded"),
    ),
)
async def get_code(
    request: Request, caller: Reader, query: Parameters, gateway: Parts, code: str
) -> Response:
    """What is behind a code, for whoever holds it. It claims nothing; every look is in the history."""
    canonical = bodies.path_code(code)
    query.finish()
    asked = _asked(request, caller)
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        found = await dispensing.holder(conn, asked, canonical, branch_id=caller.branch_id)
        if not isinstance(found, Problem):
            patient_id = found.prescription.patient.patient_id
            await looks.note_look(conn, caller.tenant_id, patient_id, canonical, now=asked.now)
            await outbox.send(conn, dispensing.noted(asked, found))
    if isinstance(found, Problem):
        raise found
    one = found.prescription
    etag = etag_of("code", one.prescription_id, one.revision, one.version)
    return respond(request, Answer(200, messages.code(found.prescription)), etag=etag)


def _of_claim(request: Request, dispensation_id: str, build: BuildFromClaim) -> Build:
    async def from_claim(conn: Connection, asked: Asked, body: Mapping[str, Any]) -> Built:
        found = ids.find("dsp", dispensation_id)
        claim = found and await store.find(conn, asked.tenant_id, found, now=asked.now)
        if not claim:
            return Problem("resource_not_found")
        command = await build(conn, asked, body, claim)
        if isinstance(command, Problem):
            return command
        return expected(command, request, _etag(claim), claim.prescription.version)

    return from_claim


def _etag(claim: Claim) -> str:
    one = claim.prescription
    # What time alone has done to it has a version, and no entry in the history yet.
    return etag_of("dsp", claim.dispensation.dispensation_id, one.revision, one.version)


async def _write(
    request: Request, caller: Principal, body: Mapping[str, Any], gateway: Gateway, build: Build
) -> Response:
    earlier = await gateway.commands.earlier(request, caller, body)
    if earlier is not None:
        return respond(request, earlier)
    (await read_query(request)).finish()
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        command = await build(conn, _asked(request, caller), body)
    if isinstance(command, Problem):
        raise command
    return respond(request, await gateway.commands.ask(request, caller, body, command))


def _asked(request: Request, caller: Principal) -> Asked:
    now = clock.now()
    request_id: UUID = request.state.request_id
    return Asked(caller.caller(), request_id, now, now + DEADLINE)


async def _own(gateway: Gateway, caller: Principal, dispensation_id: str) -> Claim:
    found = ids.find("dsp", dispensation_id)
    if found is not None:
        async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
            claim = await store.find(conn, caller.tenant_id, found, now=clock.now())
        if claim is not None:
            return claim
    raise Problem("resource_not_found")

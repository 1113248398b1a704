"""The PDF of a prescription: with a token, or by a signed link without one (osigu-dialect 5.9)."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from fastapi import APIRouter, Request, Response

from contracts.message import Caller
from contracts.values import Prescription
from services.gateway.api import prescription_operations as described
from services.gateway.api.context import Gateway, Parameters, Parts, RequestId, check_transport, require
from services.gateway.api.making import FACES, PDF, made
from services.gateway.api.prescriptions import PREFIXES, find
from services.gateway.api.routes import Direct
from services.gateway.auth import links
from services.gateway.auth.principal import Principal
from services.gateway.commands import asked as asking
from services.gateway.messages import by_the_clock, commands, ids, prescriptions
from services.gateway.messages.commands import Asking
from services.gateway.messages.errors import Problem
from services.gateway.store import tenancy, views
from shared import clock, outbox

LINK_CLIENT: Final = "download-link"
TOKEN_LENGTH_MAX: Final = 512

router = APIRouter(tags=["Prescriptions"], route_class=Direct)
_reader = require("ehr:read", produces=PDF)


async def read_pdf(
    request: Request,
    prescription_id: str,
    query: Parameters,
    gateway: Parts,
    id: RequestId,
) -> Response:
    """The document of a prescription in its present state, made when it is first asked for."""
    # A token that cannot even be read is a wrong one, not a missing one.
    token = query.text("token", limit=TOKEN_LENGTH_MAX) or ("" if query.has("token") else None)
    one, caller = await _let_in(request, gateway, prescription_id, token)
    query.finish()
    now = clock.now()
    shown = by_the_clock.as_of(one, now)
    if shown.issued_at is None:
        raise Problem("prescription_not_issued")
    asker = Asking(caller, id, one.tenant_id, one.prescription_id, now)
    content = await made(
        gateway,
        asker,
        shown,
        face=FACES[shown.status],
        language=shown.provider.language,
        preference=asking.preference(request),
    )
    async with tenancy.transaction(gateway.pool, one.tenant_id) as conn:
        await outbox.send(conn, commands.note_download(asker))
    name = f"{prescriptions.code(shown)}.pdf"
    headers = {
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "private, no-store",
        "ETag": f'"{sha256(content).hexdigest()[:32]}"',
    }
    return Response(content, 200, headers, PDF)


async def _let_in(
    request: Request, gateway: Gateway, prescription_id: str, token: str | None
) -> tuple[Prescription, Caller]:
    """By bearer token; or by the link, which speaks for whoever was given it."""
    if token is None or "authorization" in request.headers:
        principal: Principal = await _reader(request)
        return (await find(gateway, principal, prescription_id)).prescription, principal.caller()
    await check_transport(request, produces=PDF)
    named = ids.find("rx", prescription_id)
    if named is None:
        raise Problem("resource_not_found")
    tenant_id = links.owner(gateway.settings.secret_key, token, prescription_id=named, now=clock.now())
    one = await views.find(gateway.pool, tenant_id=tenant_id, prescription_id=named)
    if one is None:
        raise Problem("resource_not_found")
    return one.prescription, Caller(tenant_id=tenant_id, client=LINK_CLIENT)


for prefix in PREFIXES:
    router.add_api_route(
        f"{prefix}/prescriptions/{{prescription_id}}/pdf",
        read_pdf,
        methods=["GET"],
        include_in_schema=prefix == PREFIXES[0],
        **described.PDF,
    )

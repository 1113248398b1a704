"""What became of a request: by its id, or by the key it was sent under (osigu-dialect 1.7)."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from services.gateway.api.context import Parameters, Parts, require, respond
from services.gateway.api.described import operation
from services.gateway.api.routes import Direct
from services.gateway.auth import tokens
from services.gateway.auth.principal import Principal
from services.gateway.commands.asked import KEY_LENGTH_MAX
from services.gateway.messages import ids
from services.gateway.messages import requests as messages
from services.gateway.messages.answers import Answer
from services.gateway.messages.errors import Problem
from services.gateway.store import requests

router = APIRouter(tags=["Requests"], route_class=Direct)


_caller: Final = require()


async def _of_one_dialect(request: Request) -> Principal:
    """The path is in both dialects: a token selects this one, a key the other, and both together neither."""
    caller = await _caller(request)
    if "x-api-key" in request.headers:
        raise tokens.invalid()
    return caller


Anyone = Annotated[Principal, Depends(_of_one_dialect)]


@router.get(
    "/v1/requests/{request_id}", **operation("Ask what became of a request", errors=("resource_not_found",))
)
async def read_request(
    request: Request, request_id: str, caller: Anyone, query: Parameters, gateway: Parts
) -> Response:
    """A request of this client; one that still runs says when to ask again."""
    named = ids.find("req", request_id)
    found = named and await requests.find(
        gateway.pool, tenant_id=caller.tenant_id, client=caller.client, request_id=named
    )
    if not found:
        raise Problem("resource_not_found")
    query.finish()
    headers = messages.RETRY_AFTER if found.answer is None else {}
    return respond(request, Answer(200, messages.body(found), headers))


@router.get(
    "/v1/requests",
    **operation(
        "Find a request by its idempotency key",
        query=("idempotency_key", "page", "limit"),
        errors=("validation_failed",),
    ),
)
async def find_request(request: Request, caller: Anyone, query: Parameters, gateway: Parts) -> Response:
    """The newest request under an idempotency key; none means that nothing was accepted under it."""
    key = query.text("idempotency_key", limit=KEY_LENGTH_MAX, required=True)
    page = query.page()
    query.finish()
    found = await requests.find_newest(
        gateway.pool, tenant_id=caller.tenant_id, client=caller.client, key=key or ""
    )
    rows = [messages.body(found)] if found else []
    shown = rows[page.offset : page.offset + page.limit]
    return respond(request, Answer(200, page.envelope(shown, len(rows))))

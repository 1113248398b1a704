"""What became of a request: by its id, or by the key it was sent under (delphos-dialect 2.7)."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from starlette.routing import Match

from services.gateway.api.delphos.endpoint import Call, Endpoints, Exactly
from services.gateway.auth.api_keys import KeyHolder
from services.gateway.auth.rights import READ
from services.gateway.checks.delphos.fields import NoQuery, Nothing, Page, text
from services.gateway.commands.asked import KEY_LENGTH_MAX
from services.gateway.messages import requests as messages
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos.asked import RequestList, RequestObject
from services.gateway.messages.errors import Problem
from services.gateway.messages.requests import Request
from services.gateway.store import requests

endpoints = Endpoints("Requests")


class KeySought(Page):
    idempotency_key: Annotated[str, Field(min_length=1, max_length=KEY_LENGTH_MAX), BeforeValidator(text)]


@endpoints.read(
    "/v1/requests/{request_id}",
    permission=None,
    answer=RequestObject,
    counted=False,
    errors=("permission_denied", "resource_not_found"),
)
async def read_request(call: Call[NoQuery, Nothing]) -> Answer:
    """Ask what became of a request.

    For the key that made it, and for any key of its tenant with `prescriptions:read`.
    """
    found = await requests.find(
        call.gateway.pool,
        tenant_id=call.tenant_id,
        client=call.caller.keys_of,
        request_id=call.path["request_id"],
    )
    if found is None:
        raise Problem("resource_not_found")
    _check_allowed(call.caller, found)
    return Answer(200, messages.body(found), _again(found))


@endpoints.read(
    "/v1/requests",
    permission=None,
    answer=RequestList,
    query=KeySought,
    counted=False,
    errors=("permission_denied",),
)
async def find_request(call: Call[KeySought, Nothing]) -> Answer:
    """Find the newest request under an idempotency key; none means that nothing was accepted under it.

    For the key that made it, and for any key of its tenant with `prescriptions:read`.
    """
    found = await requests.find_newest(
        call.gateway.pool,
        tenant_id=call.tenant_id,
        client=call.caller.keys_of,
        key=call.query.idempotency_key,
    )
    if found is not None:
        _check_allowed(call.caller, found)
    rows = [messages.body(found)] if found is not None else []
    limit, offset = call.query.limit, call.query.offset
    shown = rows[offset : offset + limit]
    told = {"requests": shown, "total": len(rows), "limit": limit, "offset": offset}
    return Answer(200, told, _again(found))


def _again(found: Request | None) -> Mapping[str, str]:
    """When to ask again of what still runs."""
    return messages.RETRY_AFTER if found is not None and found.answer is None else {}


def _check_allowed(caller: KeyHolder, found: Request) -> None:
    """The key that made it may see it, and any that may read prescriptions."""
    if found.asked.asked_by != caller.asked_by:
        caller.demand(READ)


class Keyed(Exactly):
    """A route that leaves calls with a token to the other dialect."""

    def matches(self, scope: MutableMapping[str, Any]) -> tuple[Match, MutableMapping[str, Any]]:
        if any(name == b"authorization" for name, _ in scope["headers"]):
            return Match.NONE, {}
        return super().matches(scope)


routes = [Keyed(one) for one in endpoints.operations]

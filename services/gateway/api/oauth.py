"""Access tokens by client credentials (RFC 6749), and the public keys that verify tokens and seals."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import APIRouter, Request, Response

from services.gateway.api.context import Parts, check_transport, respond
from services.gateway.api.routes import Direct
from services.gateway.auth.grants import Asked, Refused
from services.gateway.auth.rights import SCOPES
from services.gateway.messages.answers import Answer
from services.gateway.store import token_keys
from shared import database

router = APIRouter(tags=["OAuth"], route_class=Direct)

FORM = "application/x-www-form-urlencoded"
FIELDS_MAX = 20
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
KEPT_BRIEFLY = {"Cache-Control": "public, max-age=300"}


@router.post("/v1/oauth/token", summary="Get an access token")
async def get_token(request: Request, gateway: Parts) -> Response:
    """HTTP Basic with client id and secret, `grant_type=client_credentials`; ten requests a minute."""
    try:
        asked = await _asked(request)
        token = await gateway.grants.token(asked)
    except Refused as refusal:
        return respond(request, Answer(refusal.status, refusal.body(), refusal.headers | NOT_STORED))
    return respond(request, Answer(200, token, NOT_STORED))


async def _asked(request: Request) -> Asked:
    """What the token request says. A parameter may be in the form or, with an empty body, in the query."""
    await check_transport(request, takes=FORM, refused=Refused("invalid_request", "The body must be a form."))
    source = request.client.host if request.client else ""
    try:
        text = request.state.raw.decode("utf-8") or request.url.query
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise Refused("invalid_request", "The form cannot be read.") from None
    return Asked(request.headers.get("authorization"), tuple(pairs), source)


@router.get("/.well-known/jwks.json", summary="Public keys that verify access tokens")
async def token_key_set(request: Request, gateway: Parts) -> Response:
    """A key is published a day before it signs."""
    keys = [key.public_jwk for key in await gateway.door.token_keys()]
    return respond(request, Answer(200, {"keys": keys}, KEPT_BRIEFLY))


@router.get("/.well-known/seal-jwks.json", summary="Public keys that verify document seals")
async def seal_key_set(request: Request, gateway: Parts) -> Response:
    """Never valid for tokens; kept for ever, found by `x5t#S256`."""
    async with database.transaction(gateway.owner) as conn:
        keys = [orjson.loads(jwk) for jwk in await token_keys.seal_keys(conn)]
    return respond(request, Answer(200, {"keys": keys}, KEPT_BRIEFLY))


@router.get("/.well-known/oauth-authorization-server", summary="Metadata (RFC 8414)")
async def metadata(request: Request, gateway: Parts) -> Response:
    """What a client library needs to find the rest."""
    base = gateway.settings.base_url
    found: dict[str, Any] = {
        "issuer": base,
        "token_endpoint": f"{base}/v1/oauth/token",
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "scopes_supported": SCOPES,
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "service_documentation": f"{base}/ehr/docs",
    }
    return respond(request, Answer(200, found, KEPT_BRIEFLY))

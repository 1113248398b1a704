"""What is offered, for programs (`/ehr/openapi.json`) and for people (`/ehr/docs`, without any script)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from services.gateway.api import pages
from services.gateway.api.context import PROBLEM
from services.gateway.api.routes import Direct
from services.gateway.auth.rights import SCOPES
from services.gateway.checks.query import PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX
from services.gateway.messages import languages, products
from services.gateway.messages.errors import TABLE

router = APIRouter(route_class=Direct)

TITLE: Final = "Recepta"
VERSION: Final = "1"
SUMMARY: Final = "Electronic prescriptions: issue, deliver, dispense. The Osigu dialect."
ALWAYS: Final = ("not_acceptable", "rate_limited", "internal_error", "dependency_unavailable", "overloaded")
WITH_BODY: Final = ("malformed_json", "invalid_header", "payload_too_large", "unsupported_media_type")
WITH_TOKEN: Final = ("token_missing", "token_invalid", "token_expired", "insufficient_scope")

_PARAMETERS: Final[Mapping[str, dict[str, Any]]] = {
    "page": {"type": "integer", "minimum": 1, "default": 1},
    "limit": {"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT_MAX, "default": PAGE_LIMIT_DEFAULT},
    "query": {"type": "string", "minLength": 2, "maxLength": 100},
    "language": {"type": "string", "enum": list(languages.ALL)},
    "product_type": {"type": "string", "enum": list(products.TYPES)},
}


def operation(
    summary: str,
    *,
    scopes: Sequence[str] | None = (),
    query: Sequence[str] = (),
    body: Mapping[str, Any] | None = None,
    required: Sequence[str] = (),
    status: int = 200,
    errors: Sequence[str] = (),
) -> dict[str, Any]:
    """How a route describes itself, as arguments of its decorator. `scopes` None: without a token."""
    extra: dict[str, Any] = {
        "parameters": [
            {"name": name, "in": "query", "schema": _PARAMETERS.get(name, {"type": "string"})}
            for name in query
        ],
        "security": [] if scopes is None else [{"oauth2": [scope]} for scope in scopes or ("",)],
    }
    if body is not None:
        schema = {
            "type": "object",
            "additionalProperties": False,
            "properties": dict(body),
            "required": list(required),
        }
        extra["requestBody"] = {
            "required": bool(required),
            "content": {"application/json": {"schema": schema}},
        }
    sent = WITH_BODY if body is not None else ()
    codes = [*sent, *(WITH_TOKEN if scopes is not None else ()), *errors, *ALWAYS]
    codes = list(dict.fromkeys(codes))
    return {
        "summary": summary,
        "status_code": status,
        "openapi_extra": extra,
        "responses": _refusals(codes),
    }


def _refusals(codes: Sequence[str]) -> dict[int | str, dict[str, Any]]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(TABLE[code].status, []).append(code)
    problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": ", ".join(f"`{code}`" for code in found), "content": problem}
        for status, found in sorted(by_status.items())
    }


def description(app: FastAPI, base_url: str) -> dict[str, Any]:
    """The OpenAPI document of all that this installation serves."""
    document = get_openapi(
        title=TITLE,
        version=VERSION,
        summary=SUMMARY,
        routes=app.routes,
        servers=[{"url": base_url}],
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    scopes = {
        scope: f"To {'change' if scope.endswith('write') else 'read'} what belongs to {scope.split(':')[0]}."
        for scope in SCOPES
    }
    flow = {"clientCredentials": {"tokenUrl": f"{base_url}/v1/oauth/token", "scopes": scopes}}
    components["securitySchemes"] = {"oauth2": {"type": "oauth2", "flows": flow}}
    return document


_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457, with the members that every refusal has.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "enum": sorted(TABLE)},
        "message": {"type": "string"},
        "error_code": {"type": "string"},
        "retryable": {"type": "boolean"},
        "outcome": {"type": "string", "enum": ["not_applied"]},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
                "required": ["path", "code", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "code", "message", "retryable", "request_id", "errors"],
}


@router.get("/ehr/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """The same for everybody, and for as long as the process lives."""
    return Response(json.dumps(_described(request)), media_type="application/json")


@router.get("/ehr/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """A page that needs nothing from elsewhere."""
    links = {"openapi.json": "/ehr/openapi.json", "all error codes": "/errors"}
    return Response(pages.page(_described(request), links), media_type=pages.HTML)


def _described(request: Request) -> dict[str, Any]:
    app: FastAPI = request.app
    if app.openapi_schema is None:
        app.openapi_schema = description(app, app.state.gateway.settings.base_url)
    return app.openapi_schema

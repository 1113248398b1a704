"""What this dialect offers, for programs (`/openapi.json`) and for people (`/docs`, `/redoc`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from fastapi import Request, Response
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from starlette.routing import Route

from services.gateway.api import pages
from services.gateway.api.context import JSON
from services.gateway.api.delphos import headers
from services.gateway.api.delphos.endpoint import Operation
from services.gateway.api.delphos.headers import PATH_PART
from services.gateway.messages.delphos.asked import RequestObject
from services.gateway.messages.delphos.errors import MEMBERS, PLACES, TABLE

TITLE: Final = "Recepta"
VERSION: Final = "1"
SUMMARY: Final = (
    "Electronic prescriptions, step by step: draft, items, checks, review, signature, release. "
    "The DELPHOS dialect."
)
DOCUMENT: Final = "/openapi.json"
_REFERENCE: Final = "#/components/schemas/{model}"

# Members that answers always have, and that this release added to the published objects: clients written
# before, and examples, do without.
ADDED: Final = frozenset(
    {"suggestions", "assumed", "assumptions", "rule_id", "coverage", "not_evaluated", "findings", "client"}
)

_ALWAYS: Final = ("internal_error", "dependency_unavailable", "overloaded")
_KEYED: Final = ("invalid_api_key", "rate_limited", "validation_failed")
_WITH_BODY: Final = ("malformed_json", "payload_too_large", "unsupported_media_type")
_RECORDED: Final = ("invalid_header", "idempotency_key_reused")


def description(operations: Sequence[Operation], base_url: str) -> dict[str, Any]:
    """The OpenAPI document of these operations."""
    references, schemas = _models(operations)
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, references)
    key = {"type": "apiKey", "in": "header", "name": "x-api-key"}
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "summary": SUMMARY},
        "servers": [{"url": base_url}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, **{_error_name(code): _error(code) for code in TABLE}},
            "headers": headers.ANSWERED,
            "securitySchemes": {"key": key},
        },
    }


_References = Mapping[tuple[type[BaseModel], JsonSchemaMode], dict[str, Any]]


def _models(operations: Sequence[Operation]) -> tuple[_References, dict[str, Any]]:
    """References to the schemas of all bodies and answers, and the schemas."""
    bodies = dict.fromkeys(one.body for one in operations if one.body is not None)
    answers: dict[type[BaseModel], None] = {RequestObject: None}
    answers |= dict.fromkeys(one.answer for one in operations if one.answer is not None)
    read: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in bodies]
    shown: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "serialization") for model in answers]
    references, document = models_json_schema([*read, *shown], ref_template=_REFERENCE)
    schemas: dict[str, Any] = document.get("$defs", {})
    for schema in schemas.values():
        if "required" in schema:
            schema["required"] = [name for name in schema["required"] if name not in ADDED]
    return cast(_References, references), schemas


def _operation(one: Operation, references: _References) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [one.tag],
        "operationId": getattr(one.endpoint, "__name__", one.path),
        "summary": one.summary,
        "parameters": [*_path(one), *_query(one), *headers.sent(one)],
        "security": [{"key": []}] if one.keyed else [],
        "responses": _responses(one, references),
    }
    if one.permission is not None:
        described["x-permission"] = one.permission
    if one.description:
        described["description"] = one.description
    if one.body is not None and one.method != "DELETE":
        schema = references[one.body, "validation"]
        described["requestBody"] = {
            "required": bool(one.body.model_fields),
            "content": {JSON: {"schema": schema}},
        }
    return described


def _path(one: Operation) -> list[dict[str, Any]]:
    schema = {"type": "string", "format": "uuid"}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name in PATH_PART.findall(one.path)
    ]


def _query(one: Operation) -> list[dict[str, Any]]:
    schema = one.query.model_json_schema()
    required = schema.get("required", ())
    definitions = schema.get("$defs", {})
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _inline(found, definitions)}
        for name, found in schema.get("properties", {}).items()
    ]


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema without references; a parameter that may be left out is not sent as null."""
    if isinstance(schema, list):
        return [_inline(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(choices) == 1:
        return _inline(choices[0], definitions)
    if choices:
        return {"anyOf": _inline(choices, definitions)}
    return {name: _inline(value, definitions) for name, value in schema.items() if value is not None}


def _responses(one: Operation, references: _References) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if one.produces != JSON:
        content = {one.produces: {"schema": {"type": "string", "format": "binary"}}}
    elif one.answer is not None:
        content = {JSON: {"schema": references[one.answer, "serialization"]}}
    success = {"description": "Done.", **({"content": content} if content else {})}
    responses: dict[str, Any] = {
        str(status): {**success, "headers": headers.answered(one, str(status))}
        for status in (one.status, *one.also)
    }
    if one.recorded:
        pending = {JSON: {"schema": references[RequestObject, "serialization"]}}
        responses["202"] = {
            "description": "Accepted, and not yet done.",
            "headers": headers.answered(one, "202"),
            "content": pending,
        }
    for status, codes in sorted(_refusals(one).items()):
        schemas = [{"$ref": _REFERENCE.format(model=_error_name(code))} for code in codes]
        answer = {
            "description": ", ".join(f"`{code}`" for code in codes),
            "headers": headers.answered(one, str(status), codes),
            "content": {JSON: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}},
        }
        if str(status) in responses:
            known = responses[str(status)]["content"][JSON]["schema"]
            answer["content"][JSON]["schema"] = {"anyOf": [known, *schemas]}  # type: ignore[index]
        responses[str(status)] = answer
    return responses


def _refusals(one: Operation) -> dict[int, list[str]]:
    """The codes that it may be refused with, by status; types of a 422 are within `validation_failed`."""
    codes = [*one.errors, *(_KEYED if one.keyed else ())]
    if one.body is not None:
        codes += _WITH_BODY
    if one.recorded:
        codes += _RECORDED
        codes += ("version_mismatch",) if PATH_PART.search(one.path) else ()
    if one.permission is not None:
        codes.append("permission_denied")
    if PATH_PART.search(one.path):
        codes.append("resource_not_found")
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys([*codes, *_ALWAYS]):
        if code in TABLE:
            by_status.setdefault(TABLE[code].status, []).append(code)
        elif code not in PLACES:
            raise LookupError(f"{one.method} {one.path} names an unknown error: {code}")
    return by_status


def _error_name(code: str) -> str:
    return "Error." + code


def _error(code: str) -> dict[str, Any]:
    """The body of one error code (section 14)."""
    row = TABLE[code]
    named = {name: MEMBERS[name] for name in row.members}
    if code == "unacknowledged_interactions":
        properties = {"error": {"const": code}, **named, "message": {"type": "string"}}
    else:
        detail: dict[str, Any] = _ENTRIES if code == "validation_failed" else {"type": "string"}
        properties = {
            "detail": detail,
            "error": {"const": code},
            "retryable": {"const": row.retryable},
            **named,
        }
    return {
        "type": "object",
        "description": f"{row.meaning} Acts: {row.who}.",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_ENTRIES: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "description": "Types of our own: " + ", ".join(PLACES) + "; all others are those of pydantic.",
    "items": {
        "type": "object",
        "properties": {
            "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
            "msg": {"type": "string"},
            "type": {"type": "string"},
        },
        "required": ["loc", "msg", "type"],
        "additionalProperties": False,
    },
}


def routes(operations: Sequence[Operation]) -> list[Route]:
    """The description, at the root; the same for everybody, and for as long as the process lives."""
    made: dict[str, Any] = {}

    def described(request: Request) -> dict[str, Any]:
        if not made:
            made.update(description(operations, request.app.state.gateway.settings.base_url))
        return made

    async def document(request: Request) -> Response:
        return Response(json.dumps(described(request)), media_type=JSON)

    async def page(request: Request) -> Response:
        links = {"openapi.json": DOCUMENT, "the other dialect": "/ehr/docs"}
        return Response(pages.page(described(request), links), media_type=pages.HTML)

    found = [Route(path, show) for path, show in ((DOCUMENT, document), ("/docs", page), ("/redoc", page))]
    for route in found:
        route.methods = {"GET"}  # Starlette would add HEAD.
    return found

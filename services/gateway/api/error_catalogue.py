"""The error table as JSON: what each code means, and who must act (osigu-dialect 1.6, 9)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from services.gateway.api.context import check_transport, respond
from services.gateway.api.described import operation
from services.gateway.api.routes import Direct
from services.gateway.messages.answers import Answer
from services.gateway.messages.error_codes import ErrorCode
from services.gateway.messages.errors import TABLE, Problem

router = APIRouter(tags=["Errors"], route_class=Direct)


@router.get("/errors", **operation("All error codes", scopes=None))
async def list_errors(request: Request) -> Response:
    await check_transport(request)
    return respond(request, Answer(200, {"data": [_body(row) for row in TABLE.values()]}))


@router.get(
    "/errors/{code}", **operation("What an error code means", scopes=None, errors=("resource_not_found",))
)
async def read_error(request: Request, code: str) -> Response:
    await check_transport(request)
    row = TABLE.get(code)
    if row is None:
        raise Problem("resource_not_found")
    return respond(request, Answer(200, _body(row)))


def _body(row: ErrorCode) -> dict[str, Any]:
    return {
        "code": row.code,
        "status": row.status,
        "retryable": row.retryable,
        "who": row.who,
        "meaning": row.meaning,
    }

"""Requests as both dialects tell of them: what was asked, and what became of it (1.7, and 2.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from services.gateway.messages import dialects
from services.gateway.messages.answers import Answer
from services.gateway.messages.dialects import Dialect
from services.gateway.messages.errors import Problem

RETRY_AFTER: Final = {"Retry-After": "1"}


@dataclass(frozen=True)
class Asked:
    """A write as it came: whose, under which key, and the digest that tells its content from any other.

    `client`: whose idempotency keys these are; `asked_by`: which API key it was, where these are a tenant's.
    """

    request_id: UUID
    tenant_id: UUID
    client: str
    method: str
    path: str
    content_digest: bytes
    idempotency_key: str | None = None
    source: str = "osigu"
    asked_by: str | None = None


@dataclass(frozen=True)
class Request:
    """A request that was accepted, as it stands; `context`: what rendering its answer needs besides."""

    asked: Asked
    kind: str
    accepted_at: datetime
    prescription_id: UUID | None = None
    context: Mapping[str, Any] | None = None
    state: str = "PENDING"
    finished_at: datetime | None = None
    answer: Answer | None = None

    @property
    def dialect(self) -> Dialect:
        return dialects.of_source(self.asked.source)

    @property
    def id(self) -> str:
        return self.dialect.spell("req", self.asked.request_id)

    @property
    def path(self) -> str:
        return f"{dialects.REQUESTS}/{self.id}"

    @property
    def base_url(self) -> str:
        return str((self.context or {})["base_url"])


def body(request: Request) -> dict[str, Any]:
    """The request as look-up shows it; the stored answer is repeated byte for byte."""
    asked, dialect = request.asked, request.dialect
    finished_at = request.finished_at
    return {
        "request_id": request.id,
        "state": request.state,
        "method": asked.method,
        "path": asked.path,
        "idempotency_key": asked.idempotency_key,
        "accepted_at": dialect.moment(request.accepted_at),
        "finished_at": None if finished_at is None else dialect.moment(finished_at),
        "prescription_id": None
        if request.prescription_id is None
        else dialect.spell("rx", request.prescription_id),
        "response": None if request.answer is None else _response(request.answer),
    }


def _response(answer: Answer) -> dict[str, Any]:
    content = answer.content()
    return {
        "status": answer.status,
        "headers": dict(answer.headers),
        "body": orjson.Fragment(content) if content else None,
    }


def pending(request: Request, *, applied: str | None) -> Answer:
    """The 202 of a request that still runs."""
    headers = RETRY_AFTER | {"Location": request.path, "X-Request-ID": request.id}
    if applied is not None:
        headers["Preference-Applied"] = applied
    return Answer(202, body(request), headers)


def reused(holder: Request) -> Problem:
    """Its key came with other content; the second dialect names the first request."""
    if holder.dialect is dialects.DELPHOS:
        return Problem("idempotency_key_reused", request_id=holder.id)
    return Problem("idempotency_key_reused")

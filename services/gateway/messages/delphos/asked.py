"""A request as this dialect shows it (2.7): the description of what `messages.requests` writes."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field, JsonValue

from services.gateway.messages.delphos.words import Moment, Shown


class DirectAnswer(Shown):
    """What the direct answer was, or would have been."""

    status: int
    headers: dict[str, str]
    content: JsonValue = Field(alias="body")


class RequestObject(Shown):
    """A write and what became of it; while it runs, `finished_at` and `response` are null."""

    request_id: UUID
    state: Literal["PENDING", "SUCCEEDED", "FAILED"]
    method: str
    path: str
    idempotency_key: str | None
    accepted_at: Moment
    finished_at: Moment | None
    prescription_id: UUID | None
    response: DirectAnswer | None


class RequestList(Shown):
    """The newest request under a key, or none."""

    requests: list[RequestObject]
    total: int
    limit: int
    offset: int

"""The headers of calls and answers, as the description tells of them (delphos-dialect 2.1, 2.5 to 2.7)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from services.gateway.api.context import JSON
from services.gateway.api.delphos.endpoint import Operation
from services.gateway.commands.asked import KEY
from services.gateway.messages.delphos.errors import TABLE

PATH_PART: Final = re.compile(r"{(\w+)}")
REQUESTS: Final = "/v1/requests"
_SPEAKING: Final = "Interaction"
"""What is told of a finding is told in words."""
_BEFORE_COUNTING: Final = frozenset({"401", "413", "415"})
_BEFORE_ACCEPTANCE: Final = frozenset({"400", "401", "403", "413", "415", "429"})
_COUNTS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Window")

_SENT: Final[dict[str, dict[str, Any]]] = {
    "Idempotency-Key": {
        "type": "string",
        "pattern": f"^{KEY}$",
        "description": "1 to 255 visible ASCII characters; remembered for 7 days",
    },
    "Prefer": {"type": "string", "description": "respond-async, or wait=n with n from 0 to 60"},
    "If-Match": {
        "type": "string",
        "pattern": '^(\\*|"[0-9]{1,18}")$',
        "description": "* or the version that was read, in double quotes",
    },
    "Accept-Language": {"type": "string", "description": "pt, es or en; else the language of the tenant"},
}


def _text(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string", **schema}}


def _count(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "minimum": 0}}


ANSWERED: Final[dict[str, dict[str, Any]]] = {
    "X-Request-Id": {
        **_text("Made here for each call; of a write, its `request_id`", format="uuid"),
        "required": True,
    },
    "Cache-Control": {**_text("Nothing is to be kept", const="no-store"), "required": True},
    "ETag": _text("The version of what the answer is about, in quotes", pattern='^"[0-9]+"$'),
    "Location": _text("Where to ask what became of the write"),
    "Retry-After": _count("Seconds after which to ask, or to try, again"),
    "Preference-Applied": _text("Of `Prefer`, what was followed"),
    "Idempotency-Replayed": _text(
        "The answer was given before, to the same call under its key", const="true"
    ),
    "X-RateLimit-Limit": _count("Calls that the window with the smallest share left allows"),
    "X-RateLimit-Remaining": _count("Calls left in it"),
    "X-RateLimit-Reset": _count("Seconds until it ends"),
    "X-RateLimit-Window": _text("Which one it is", enum=["minute", "hour", "day"]),
    "Content-Disposition": _text("An attachment with its name"),
}


def sent(one: Operation) -> list[dict[str, Any]]:
    """The headers that change what a call does."""
    names = ["Idempotency-Key", "Prefer"] if one.recorded else []
    if one.recorded and PATH_PART.search(one.path):
        names.append("If-Match")
    if _speaks(one):
        names.append("Accept-Language")
    return [{"name": name, "in": "header", "schema": _SENT[name]} for name in names]


def answered(one: Operation, status: str, codes: Collection[str] = ()) -> dict[str, Any]:
    """The headers of one of its answers; `codes` are those that a refusal may bear."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in _names(one, status, codes)}


def _names(one: Operation, status: str, codes: Collection[str]) -> Iterator[str]:
    yield from ("X-Request-Id", "Cache-Control")
    if one.keyed and one.counted and status not in _BEFORE_COUNTING:
        yield from _COUNTS
    if one.recorded and status not in _BEFORE_ACCEPTANCE:
        yield "Preference-Applied"
    if status == "202":
        yield from ("Location", "Retry-After")
    elif status.startswith("2"):
        yield from _of_success(one)
    elif status == "503" or any(TABLE[code].retryable and TABLE[code].status < 500 for code in codes):
        yield "Retry-After"


def _of_success(one: Operation) -> Iterator[str]:
    if one.path.startswith(REQUESTS):
        yield "Retry-After"
    elif one.recorded or PATH_PART.search(one.path):
        yield "ETag"
    if one.recorded:
        yield "Idempotency-Replayed"
    if one.produces != JSON:
        yield "Content-Disposition"


def _speaks(one: Operation) -> bool:
    return one.answer is not None and _SPEAKING in one.answer.model_json_schema().get("$defs", {})

"""How this dialect refuses: the body of a problem, and the problem that a refused command is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from contracts.command_outcomes import CommandRefused, RecordCommandRefused, Refusal
from services.gateway.messages.delphos import words
from services.gateway.messages.delphos.errors import PLACES, TABLE
from services.gateway.messages.errors import Entry, Problem

FOREIGN: Final = {"operation_not_offered": "resource_not_found"}
"""Codes of the other dialect, as this one calls them."""
UNKNOWN: Final = "internal_error"
WAITED_FOR: Final = frozenset({409, 429, 503})
"""The statuses whose retryable refusals say when to come back."""
_STEP: Final = re.compile(r"[^.\[\]]+")
_PARTS: Final = frozenset({"body", "path", "query", "header"})


def body(problem: Problem) -> dict[str, Any]:
    """`detail`, `error`, `retryable`, and the members that the table names; one refusal has its own body."""
    code = _known(problem.code)
    row = TABLE[code]
    named = {name: problem.members.get(name) for name in row.members}
    if code == "unacknowledged_interactions":
        return {"error": code, **named, "message": problem.message}
    detail: Any = problem.message or row.meaning
    if row.status == 422:
        detail = problem.members.get("detail") or [_entry(one) for one in problem.entries]
    elif problem.message == problem.row.meaning:
        detail = problem.entries[0].message if problem.entries else row.meaning
    return {"detail": detail, "error": code, "retryable": row.retryable, **named}


def _known(code: str) -> str:
    code = FOREIGN.get(code, code)
    if code in PLACES:
        return "validation_failed"
    return code if code in TABLE else UNKNOWN


def failed(*entries: Mapping[str, Any]) -> Problem:
    """A 422 of these entries: `loc`, `msg`, `type`."""
    return Problem("validation_failed", detail=list(entries))


def entry(loc: Sequence[str | int], kind: str, message: str) -> dict[str, Any]:
    """One failing check; never with the value that was sent."""
    return {"loc": list(loc), "msg": message, "type": kind}


def _entry(found: Entry) -> dict[str, Any]:
    return entry(located(found.path), found.code, found.message)


def located(path: str) -> list[str | int]:
    """A path such as `items[0].dosage` as FastAPI writes it; of the body, unless it says of what."""
    steps: list[str | int] = [int(step) if step.isdigit() else step for step in _STEP.findall(path)]
    return steps if steps and steps[0] in _PARTS else ["body", *steps]


def of(outcome: CommandRefused | RecordCommandRefused) -> Problem:
    """The domain's refusal as a problem of this dialect, tagged with the version it was decided on (2.6)."""
    problem = _problem(outcome)
    if isinstance(outcome, CommandRefused) and outcome.prescription is not None:
        problem.headers["ETag"] = words.tag(outcome.prescription.version)
    return problem


def _problem(outcome: CommandRefused | RecordCommandRefused) -> Problem:
    """A code that the table lacks is a fault of ours."""
    code = _known(outcome.code)
    members = dict(outcome.data)
    seconds = members.pop("retry_after_seconds", None)
    later = TABLE[code].retryable and TABLE[code].status in WAITED_FOR
    headers = {"Retry-After": str(seconds or 1)} if later else {}
    if code == "validation_failed":
        entries = [_refusal(one) for one in outcome.refusals] or [_only(outcome)]
        return Problem(code, outcome.message, headers=headers, detail=entries)
    named = {name: members[name] for name in TABLE[code].members if name in members}
    return Problem(code, outcome.message, headers=headers, **named)


def _refusal(one: Refusal) -> dict[str, Any]:
    return entry(located(one.path or PLACES.get(one.code) or ""), one.code, one.message)


def _only(outcome: CommandRefused | RecordCommandRefused) -> dict[str, Any]:
    """A refusal without entries is about the field that its code belongs to."""
    return entry(located(PLACES.get(outcome.code) or ""), outcome.code, outcome.message)

"""How the outcome of a command is answered: one renderer for each kind of request, one for all refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

from contracts.command_outcomes import (
    CommandRefused,
    CommandSucceeded,
    RecordCommandRefused,
    RecordCommandSucceeded,
)
from contracts.message import Command
from contracts.values import Coverage, KeyedFinding, NotEvaluated
from services.gateway.messages import dialects, findings, ids, languages
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import refusals
from services.gateway.messages.errors import TABLE, Entry, Problem
from services.gateway.messages.requests import Request

Renderer: TypeAlias = Callable[[CommandSucceeded, Request], Answer]
RecordRenderer: TypeAlias = Callable[[RecordCommandSucceeded, Request], Answer]

_renderers: Final[dict[str, Renderer]] = {}
_record_renderers: Final[dict[str, RecordRenderer]] = {}
_ID_PREFIXES: Final = {"dispensation_id": "dsp", "prescription_id": "rx", "patient_id": "pat"}


def answers(command: type[Command]) -> Callable[[Renderer], Renderer]:
    """Say how the success of this command is answered."""

    def register(renderer: Renderer) -> Renderer:
        _renderers[command.ce_type] = renderer
        return renderer

    return register


def record_answers(command: type[Command]) -> Callable[[RecordRenderer], RecordRenderer]:
    """Say how the success of a command about a consultation or a template is answered."""

    def register(renderer: RecordRenderer) -> RecordRenderer:
        _record_renderers[command.ce_type] = renderer
        return renderer

    return register


def success(outcome: CommandSucceeded | RecordCommandSucceeded, request: Request) -> Answer:
    if isinstance(outcome, RecordCommandSucceeded):
        return _record_renderers[request.kind](outcome, request)
    return _renderers[request.kind](outcome, request)


def refusal(problem: Problem, request: Request) -> Answer:
    """The body of a problem in the dialect of its request, with the request's id where it has one."""
    body = request.dialect.refused(problem, request.base_url, request.id)
    return Answer(problem.status, body, problem.headers)


def problem(outcome: CommandRefused | RecordCommandRefused, request: Request) -> Problem:
    """The domain's refusal in the dialect of the request."""
    if request.dialect is dialects.DELPHOS:
        return refusals.of(outcome)
    return _osigu(outcome, request)


def _osigu(outcome: CommandRefused | RecordCommandRefused, request: Request) -> Problem:
    """A code that its table lacks is a fault of ours."""
    code = outcome.code if outcome.code in TABLE else "internal_error"
    members = dict(outcome.data)
    headers = _retry_after(code, members)
    if code == "safety_blocked":
        members |= _safety(members, request)
    entries = [Entry(one.path, one.code, one.message, _spelled(one.data)) for one in outcome.refusals]
    return Problem(code, outcome.message or None, entries=entries, headers=headers, **_spelled(members))


def _retry_after(code: str, members: dict[str, Any]) -> dict[str, str]:
    seconds = members.pop("retry_after_seconds", None)
    if seconds is None:
        return {"Retry-After": "1"} if TABLE[code].status == 503 else {}
    return {"Retry-After": str(seconds)}


def _spelled(data: Mapping[str, Any]) -> dict[str, Any]:
    """Ids as this dialect spells them."""
    return {name: _spell(name, value) for name, value in data.items()}


def _spell(name: str, value: Any) -> Any:
    prefix = _ID_PREFIXES.get(name)
    if prefix is None or not isinstance(value, str):
        return value
    try:
        return ids.spell(prefix, UUID(value))
    except ValueError:
        return value


def _safety(members: dict[str, Any], request: Request) -> dict[str, Any]:
    """All findings, worst first, and what was not evaluated, in the provider's language."""
    context = request.context or {}
    lines = [findings.Line(UUID(item_id), product) for item_id, product in context.get("lines", ())]
    reader = findings.Reader(lines, context.get("language", languages.DEFAULT))
    found = [KeyedFinding.model_validate(one) for one in members.pop("findings", ())]
    checks = {check: Coverage.model_validate(one) for check, one in members.pop("coverage", {}).items()}
    left = [NotEvaluated.model_validate(one) for one in members.pop("not_evaluated", ())]
    return {
        "findings": reader.findings(found),
        "safety_coverage": findings.coverage(checks),
        "safety_not_evaluated": reader.not_evaluated(left),
    }

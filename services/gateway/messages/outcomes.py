"""How the outcome of a command is answered: one renderer for each kind of request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.message import Command
from services.gateway.messages.answers import Answer
from services.gateway.messages.errors import TABLE, Entry, Problem
from services.gateway.messages.requests import Request

Renderer: TypeAlias = Callable[[CommandSucceeded, Request], Answer]

_renderers: Final[dict[str, Renderer]] = {}


def answers(command: type[Command]) -> Callable[[Renderer], Renderer]:
    """Say how the success of this command is answered."""

    def register(renderer: Renderer) -> Renderer:
        _renderers[command.ce_type] = renderer
        return renderer

    return register


def success(outcome: CommandSucceeded, request: Request) -> Answer:
    return _renderers[request.kind](outcome, request)


def refusal(problem: Problem, request: Request) -> Answer:
    """The problem body of one request, with its id in it."""
    return Answer(
        problem.status, problem.body(base_url=request.base_url, request_id=request.id), problem.headers
    )


def problem(outcome: CommandRefused) -> Problem:
    """The domain's refusal in this dialect; a code that its table lacks is a fault of ours."""
    entries = [Entry(one.path, one.code, one.message, one.data) for one in outcome.refusals]
    code = outcome.code if outcome.code in TABLE else "internal_error"
    return Problem(code, outcome.message or None, entries=entries, headers=_headers(code), **outcome.data)


def _headers(code: str) -> dict[str, str]:
    return {"Retry-After": "1"} if TABLE[code].status == 503 else {}

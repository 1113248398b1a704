"""Round every request: an answer with its id, in the form of its path's dialect whatever goes wrong."""

from __future__ import annotations

from typing import Final

import structlog
from starlette.datastructures import MutableHeaders

from services.gateway.messages import dialects
from services.gateway.messages.answers import to_json
from services.gateway.messages.errors import Problem
from shared import telemetry
from shared.errors import Overloaded, TooLarge, Unavailable
from shared.http import App, Message, Receive, Scope, Send

RETRY_AFTER_SECONDS: Final = 1
OWN_PATHS: Final = ("/health/", "/metrics")

log = structlog.get_logger()


class Answered:
    """The outermost layer: every answer has its id, and every error is a problem of the dialect.

    What `scope["state"]["headers"]` holds goes with the answer too.
    """

    def __init__(self, app: App, *, base_url: str) -> None:
        self._app = app
        self._base_url = base_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(OWN_PATHS):
            await self._app(scope, receive, send)
            return
        dialect = dialects.of_path(scope["path"], with_token=_with_token(scope))
        spelled = dialect.spell("req", scope["state"]["request_id"])
        begun = False

        async def answering(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                # A repeated answer brings the id of the first.
                headers.setdefault("X-Request-ID", spelled)
                for name, value in {**dialect.headers, **scope["state"].get("headers", {})}.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, answering)
        except Exception as error:
            problem = _problem(error)
            if problem.status >= 500:
                log.error("not_answered", status=problem.status, **telemetry.failure(error))
            if begun:
                raise
            body = to_json(dialect.refused(problem, self._base_url, spelled))
            await _send(answering, problem, body, dialect.problem_type)


def _problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, Unavailable):
        code = "overloaded" if isinstance(error, Overloaded) else "dependency_unavailable"
        return Problem(code, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    if isinstance(error, TooLarge):
        return Problem("payload_too_large")
    return Problem("internal_error")


def _with_token(scope: Scope) -> bool:
    return any(name == b"authorization" for name, _ in scope["headers"])


async def _send(send: Send, problem: Problem, body: bytes, media_type: str) -> None:
    headers = {
        "content-type": media_type,
        "content-length": str(len(body)),
        **problem.headers,
    }
    await send(
        {
            "type": "http.response.start",
            "status": problem.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})

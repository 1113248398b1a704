"""HTTP's share of the chassis: what an error means for a request, and the trace it belongs to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

from shared import errors, ids, telemetry
from shared.errors import Rejected, Unavailable

STATUS: Final[Mapping[type[Exception], int]] = {
    errors.Unreadable: 400,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.GaveUp: 500,
    Rejected: 422,
    Unavailable: 503,
    errors.Overloaded: 503,
    Exception: 500,
}

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


def status(error: Exception) -> int:
    """The HTTP status of an error: of its class, or of the nearest class above it."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


class Traced:
    """ASGI middleware: each request has an id, a place in a trace, and both in every log event.

    The id, a UUID, is in `scope["state"]["request_id"]`; the headers of the answer are the application's own.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = ids.new()
        scope.setdefault("state", {})["request_id"] = request_id
        parent = telemetry.valid_traceparent(_header(scope, b"traceparent")) or telemetry.new_traceparent()
        with telemetry.span(f"{scope['method']} request", parent, kind="server", request_id=str(request_id)):
            await self._app(scope, receive, send)


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return None

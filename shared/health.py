"""What a supervisor asks: is this process getting on, can it serve, and what has it counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

READY_SECONDS_MAX: Final = 3.0

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Judged(Protocol):
    """What can be asked of a running service."""

    def stuck(self) -> Sequence[str]:
        """The parts that have not moved for too long, though nothing outside explains it."""
        ...

    async def lacking(self) -> Sequence[str]:
        """The dependencies that do not answer."""
        ...


def routes(running: Judged) -> list[tuple[str, App]]:
    """`/health/live` judges progress, `/health/ready` dependencies; `/metrics` is for Prometheus."""

    async def live(_scope: Scope, _receive: Receive, send: Send) -> None:
        await _answer(send, "stuck", running.stuck())

    async def ready(_scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            lacking = await asyncio.wait_for(running.lacking(), READY_SECONDS_MAX)
        except TimeoutError:
            lacking = ["answer in time"]
        await _answer(send, "lacking", lacking)

    async def metrics(_scope: Scope, _receive: Receive, send: Send) -> None:
        await _send(send, 200, CONTENT_TYPE_LATEST, generate_latest())

    return [("/health/live", live), ("/health/ready", ready), ("/metrics", metrics)]


async def _answer(send: Send, word: str, found: Sequence[str]) -> None:
    body = orjson.dumps({"status": "failing" if found else "ok", word: list(found)})
    await _send(send, 503 if found else 200, "application/json", body)


async def _send(send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Routes that call their endpoint directly; FastAPI still describes them in OpenAPI."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from fastapi import Request, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute

from shared.http import App, Receive, Scope, Send

Reader: TypeAlias = Callable[[Request], Awaitable[Any]]


class Direct(APIRoute):
    """A route whose parameters are the request, dependencies that take the request, and parts of the path.

    Our endpoints need no more, and what FastAPI does for the general case (graphs of dependencies, checks of
    values, exit stacks) costs a third of a read. Dependencies are read in the order of the signature.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **how: Any) -> None:
        super().__init__(path, endpoint, **how)
        self.app = _app(endpoint)


class Asgi:
    """An ASGI application in the place of an endpoint; a plain function would be wrapped."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _app(endpoint: Callable[..., Awaitable[Response]]) -> App:
    hints = get_type_hints(endpoint, include_extras=True)
    readers = [(name, _reader(name, hints[name])) for name in inspect.signature(endpoint).parameters]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        found = {name: await read(request) for name, read in readers}
        response = await endpoint(**found)
        await response(scope, receive, send)

    return app


def _reader(name: str, hint: Any) -> Reader:
    """Where a parameter comes from. Raises TypeError for one that only FastAPI could fill."""
    if get_origin(hint) is Annotated:
        for depends in get_args(hint)[1:]:
            if isinstance(depends, Depends) and inspect.iscoroutinefunction(depends.dependency):
                return depends.dependency
    if hint is Request:
        return _itself
    if hint is str:
        return lambda request: _from_path(request, name)
    raise TypeError(
        f"{name} is neither the request, nor a part of the path, nor what a coroutine reads from it"
    )


async def _itself(request: Request) -> Request:
    return request


async def _from_path(request: Request, name: str) -> str:
    text: str = request.path_params[name]
    return text

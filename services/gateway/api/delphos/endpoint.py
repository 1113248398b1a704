"""How every endpoint of this dialect begins: the order of section 2.3, to the end of shape and types."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeAlias, TypeVar
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Route

from contracts.message import Command
from services.gateway.api.context import BODY_BYTES_MAX, JSON, Gateway, media_type, read_bytes
from services.gateway.api.routes import Asgi
from services.gateway.auth.api_keys import KeyHolder
from services.gateway.checks import fields
from services.gateway.checks.delphos import reading
from services.gateway.checks.delphos.fields import Asked, NoQuery, Nothing
from services.gateway.commands import Act
from services.gateway.messages.answers import Answer
from services.gateway.messages.commands import Asking
from services.gateway.messages.delphos.words import Shown
from services.gateway.messages.errors import Problem
from shared import clock
from shared.http import App, Receive, Scope, Send

Q = TypeVar("Q", bound=Asked)
B = TypeVar("B", bound=BaseModel)

ANY_VERSION: Final = 0
NO_VERSION: Final = -1
"""Of `"0"`: versions begin at 1."""
_IF_MATCH: Final = re.compile(r'\*|"([0-9]{1,18})"')


@dataclass(frozen=True)
class Call(Generic[Q, B]):
    """One call that has been let in and read: its path's ids, its query, its body."""

    request: Request
    gateway: Gateway
    caller: KeyHolder
    path: Mapping[str, UUID]
    query: Q
    body: B
    raw: object
    """The body as it was sent: what a repetition under the same key is compared by."""
    expected_version: int | None
    """What `If-Match` names; ANY_VERSION for `*`: any, but there must be one."""
    now: datetime

    @property
    def request_id(self) -> UUID:
        found: UUID = self.request.state.request_id
        return found

    @property
    def tenant_id(self) -> UUID:
        return self.caller.tenant_id

    def asking(self, prescription_id: UUID, doctor_id: UUID | None = None) -> Asking:
        caller = self.caller.caller(doctor_id)
        return Asking(caller, self.request_id, self.tenant_id, prescription_id, self.now)

    def head(self, prescription_id: UUID, *, doctor_id: UUID | None = None) -> Mapping[str, Any]:
        """What every command about a stored prescription begins with; `*` takes any version of it.

        `doctor_id` is the doctor of the tenant who signs, or answers for findings.
        """
        expected = self.expected_version or None
        return {**self.asking(prescription_id, doctor_id).head(), "expected_version": expected}

    def check_version(self, present: int | None) -> None:
        """Raises Problem `version_mismatch` for another version, and for what is not there (ruling 3.9)."""
        expected = self.expected_version
        if expected is None or (present is not None and expected in (ANY_VERSION, present)):
            return
        raise Problem("version_mismatch", current_version=present)

    async def ask(self, command: Command, **context: object) -> Answer:
        """Send a command once per key, and wait for its outcome as long as the client prefers."""
        return await self.gateway.commands.ask(self.request, self.caller, self.raw, command, **context)

    async def at_once(self, act: Act) -> Answer:
        """Do a write of the directory: request, rows, event and answer in one transaction."""
        return await self.gateway.commands.at_once(self.request, self.caller, self.raw, act)


# Of a Call; where no key is asked for, of the gateway's parts.
Endpoint: TypeAlias = Callable[[Any], Awaitable[Answer | Response]]
Unreadable: TypeAlias = Callable[[object], None]
Registered: TypeAlias = Callable[[Endpoint], Endpoint]


@dataclass(frozen=True)
class Operation:
    """One method of one path, as it is served and described.

    `permission` None: any valid key. `answer` describes a success's body, None: it has none.
    """

    method: str
    path: str
    tag: str
    endpoint: Endpoint
    permission: str | None
    answer: type[Shown] | None
    status: int = 200
    also: tuple[int, ...] = ()
    """Other statuses of success."""
    query: type[Asked] = NoQuery
    body: type[BaseModel] | None = None
    bytes_max: int = BODY_BYTES_MAX
    recorded: bool = False
    """Whether it is a write, with a request that can be looked up."""
    counted: bool = True
    errors: tuple[str, ...] = ()
    """Codes of section 14, and types of its 422, that are its own."""
    produces: str = JSON
    keyed: bool = True
    """Whether the caller shows a key; else the endpoint is given the gateway's parts alone."""
    unreadable: Unreadable | None = None
    """Raises a Problem of status 400 for a body that is JSON and cannot be read all the same."""

    @property
    def summary(self) -> str:
        return (self.endpoint.__doc__ or "").strip().partition("\n")[0].rstrip(".")

    @property
    def description(self) -> str:
        """What its docstring says besides."""
        return " ".join((self.endpoint.__doc__ or "").partition("\n")[2].split())


class _Id(Convertor[str]):
    """A part of a path in the place of an id.

    Words that are paths of their own are none: another method of one is 405, what is not offered 404.
    """

    regex = "(?!(?:auto-create|from-template|stream)$)[^/]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", _Id())


class Exactly(Route):
    """A route of one method; Starlette would add HEAD."""

    def __init__(self, operation: Operation) -> None:
        path = operation.path.replace("}", ":id}")
        super().__init__(path, Asgi(_app(operation)), include_in_schema=False)
        self.methods = {operation.method}


class Endpoints:
    """The endpoints of one part of the dialect, for its router and for its description."""

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self.operations: list[Operation] = []

    def read(
        self, path: str, *, permission: str | None, answer: type[Shown] | None, **how: Any
    ) -> Registered:
        """A GET; `how` are fields of Operation."""
        return self._registered(method="GET", path=path, permission=permission, answer=answer, **how)

    def write(
        self,
        method: str,
        path: str,
        *,
        permission: str | None,
        answer: type[Shown] | None,
        body: type[BaseModel] = Nothing,
        recorded: bool = True,
        **how: Any,
    ) -> Registered:
        """A POST, PUT, PATCH or DELETE; not `recorded`: it changes nothing. `how`: fields of Operation."""
        return self._registered(
            method=method,
            path=path,
            permission=permission,
            answer=answer,
            body=body,
            recorded=recorded,
            **how,
        )

    def _registered(self, **how: Any) -> Registered:
        def register(endpoint: Endpoint) -> Endpoint:
            self.operations.append(Operation(tag=self._tag, endpoint=endpoint, **how))
            return endpoint

        return register

    @property
    def routes(self) -> list[Route]:
        return [Exactly(one) for one in self.operations]


def _app(operation: Operation) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        answered = await _answer(operation, request)
        response = answered if isinstance(answered, Response) else _response(answered)
        await response(scope, receive, send)

    return app


def _response(answer: Answer) -> Response:
    sent = None if answer.body is None else JSON
    return Response(answer.content(), answer.status, dict(answer.headers), sent)


async def _answer(operation: Operation, request: Request) -> Answer | Response:
    gateway: Gateway = request.app.state.gateway
    if not operation.keyed:
        return await operation.endpoint(gateway)
    sent = await _transported(operation, request)
    caller = await enter(request, counted=operation.counted)
    if operation.permission is not None:
        caller.demand(operation.permission)
    raw = fields.decode(sent) if operation.body is not None else None
    if operation.unreadable is not None:
        operation.unreadable(raw)
    expected_version = _expected_version(request) if operation.recorded else None
    if operation.recorded:
        earlier = await gateway.commands.earlier(request, caller, raw)
        if earlier is not None:
            return earlier
    now = clock.now()
    read = reading.read(
        request.path_params,
        request.scope["query_string"],
        operation.query,
        raw,
        operation.body,
        today=caller.settings.today(now),
    )
    return await operation.endpoint(
        Call(
            request=request,
            gateway=gateway,
            caller=caller,
            path=read.path,
            query=read.query,
            body=read.body,
            raw=raw,
            expected_version=expected_version,
            now=now,
        )
    )


async def _transported(operation: Operation, request: Request) -> bytes:
    """413, 415: what can be said before anybody is asked who they are."""
    if operation.body is None:
        return b""
    sent = await read_bytes(request, operation.bytes_max)
    if sent and media_type(request) != JSON:
        raise Problem("unsupported_media_type")
    return sent


async def enter(request: Request, *, counted: bool) -> KeyHolder:
    """401, 429: who calls, and whether their tenant may."""
    door = (request.app.state.gateway).key_door
    address = request.client.host if request.client is not None else ""
    caller: KeyHolder = await door.enter(request.headers.getlist("x-api-key"), address)
    if counted:
        # From here on the answer says how often the tenant may call, whatever becomes of this one.
        request.state.headers = await door.count(caller)
    return caller


def _expected_version(request: Request) -> int | None:
    """`If-Match`: `*`, or one number in quotes (ruling 3.9). Raises Problem `invalid_header`."""
    sent = request.headers.getlist("if-match")
    if not sent:
        return None
    found = _IF_MATCH.fullmatch(sent[0].strip()) if len(sent) == 1 else None
    if found is None:
        raise Problem("invalid_header", 'If-Match must be "*" or one version in double quotes.')
    return int(found[1]) or NO_VERSION if found[1] else ANY_VERSION

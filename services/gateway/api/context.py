"""What every endpoint starts from: the verified caller, a strictly read body or query, the gateway's parts.

The checks run in the order of osigu-dialect 1.6: transport, token, rate, scope, then JSON.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Final, TypeVar, cast
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Depends, Request, Response

from contracts.prescription_commands import PrescriptionCommand
from services.gateway.auth.api_keys import KeyDoor
from services.gateway.auth.door import Door
from services.gateway.auth.grants import Grants
from services.gateway.auth.principal import Principal
from services.gateway.checks import fields
from services.gateway.checks.query import PARAMETERS_MAX, Query
from services.gateway.commands import Commands
from services.gateway.messages.answers import Answer
from services.gateway.messages.errors import Entry, Problem
from services.gateway.messages.reads import Reads
from services.gateway.settings import Settings
from services.gateway.store.issue import LookUps
from shared.database import Pool
from shared.health import Judged

BODY_BYTES_MAX: Final = 256 * 1024
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"

Asked = TypeVar("Asked", bound=PrescriptionCommand)


@dataclass(frozen=True)
class Gateway:
    """The parts of one instance: `pool` is under row-level security, `owner` is not."""

    settings: Settings
    pool: Pool
    look_ups: LookUps
    owner: Pool
    door: Door
    grants: Grants
    commands: Commands
    health: Judged
    key_door: KeyDoor
    reads: Reads = field(default_factory=Reads)


# FastAPI takes a dependency that is no coroutine to another thread, which costs more than all the rest of it.
async def gateway(request: Request) -> Gateway:
    return cast(Gateway, request.app.state.gateway)


async def request_id(request: Request) -> UUID:
    """The id of this very request (UUIDv7): a write is recorded under it."""
    return cast(UUID, request.state.request_id)


Parts = Annotated[Gateway, Depends(gateway)]
RequestId = Annotated[UUID, Depends(request_id)]


def require(
    *any_of: str, produces: str = JSON, unbound: bool = False
) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency: the caller, who holds one of these scopes; `unbound`: and is not bound to a doctor."""

    async def caller(request: Request) -> Principal:
        await check_transport(request, produces)
        principal = await (await gateway(request)).door.enter(request.headers.get("authorization"))
        if not principal.may(*any_of):
            scope = " ".join(any_of)
            raise Problem(
                "insufficient_scope",
                headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            )
        if unbound and principal.doctor_id is not None:
            raise Problem(
                "insufficient_scope", headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
            )
        request.state.principal = principal
        return principal

    return caller


async def check_transport(
    request: Request, produces: str = JSON, takes: str = JSON, refused: Exception | None = None
) -> None:
    """406, 413, 415: what can be said before anybody is asked who they are. `refused` in the place of 415."""
    if not _accepts(request.headers.get("accept"), produces):
        raise Problem("not_acceptable")
    if request.method in ("GET", "HEAD"):
        return
    request.state.raw = await read_bytes(request)
    if request.state.raw and media_type(request) != takes:
        raise refused or Problem("unsupported_media_type")


def media_type(request: Request) -> str:
    """What the body says that it is."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_bytes(request: Request, limit: int = BODY_BYTES_MAX) -> bytes:
    """The body, of which no more than the limit is ever held."""
    if int(request.headers.get("content-length", "0")) > limit:
        raise Problem("payload_too_large")
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > limit:
            raise Problem("payload_too_large")
    return bytes(raw)


def _accepts(accept: str | None, produces: str) -> bool:
    if accept is None or not accept.strip():
        return True
    family = produces.partition("/")[0]
    wanted = {"*/*", f"{family}/*", produces, PROBLEM}
    for one in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in one.split(";"))
        if media_type in wanted and not any(p in ("q=0", "q=0.0", "q=0.00", "q=0.000") for p in parameters):
            return True
    return False


async def read_body(request: Request) -> dict[str, Any]:
    """The body as one JSON object, read after the caller has been let in."""
    return fields.parse(request.state.raw)


Body = Annotated[dict[str, Any], Depends(read_body)]


async def read_query(request: Request) -> Query:
    sent = request.scope["query_string"].decode("latin-1")
    try:
        return Query(parse_qsl(sent, keep_blank_values=True, max_num_fields=PARAMETERS_MAX))
    except ValueError:
        message = f"Must have at most {PARAMETERS_MAX} parameters."
        raise Problem.of([Entry("query", "too_many", message)]) from None


Parameters = Annotated[Query, Depends(read_query)]


def respond(request: Request, answer: Answer, *, etag: str | None = None) -> Response:
    """Send an answer; with an `etag` (of stored state only) If-None-Match is honoured."""
    headers = dict(answer.headers)
    if etag is not None:
        headers["ETag"] = etag
        if _is_known(etag, request.headers.getlist("if-none-match")):
            return Response(status_code=304, headers=headers)
    sent = PROBLEM if answer.status >= 400 else JSON
    return Response(answer.content(), answer.status, headers, None if answer.body is None else sent)


def _is_known(etag: str, sent: list[str]) -> bool:
    """Whether If-None-Match names this tag; its comparison is the weak one (RFC 9110, 13.1.2)."""
    named = {one.strip().removeprefix("W/") for one in ",".join(sent).split(",")}
    return etag in named or "*" in named


def etag_of(*parts: object) -> str:
    """A strong entity tag of what is stored: ids and versions, never of what is computed at reading."""
    return '"' + sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32] + '"'


def check_match(request: Request, etag: str) -> bool:
    """Whether the client names this very state. Raises Problem `version_mismatch` if another (ruling 1.5)."""
    sent = request.headers.get("if-match")
    tags = set() if sent is None else {tag.strip() for tag in sent.split(",")}
    if tags and not {"*", etag} & tags:
        raise Problem("version_mismatch")
    return etag in tags and "*" not in tags


def expected(command: Asked, request: Request, etag: str, version: int) -> Asked:
    """The command, for this version alone if the client names it: what is seen here may have changed since.

    Raises Problem `version_mismatch`.
    """
    return command.model_copy(update={"expected_version": version}) if check_match(request, etag) else command

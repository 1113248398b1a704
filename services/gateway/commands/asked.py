"""Reading a write as it came: its idempotency key, its digest, and how long its client will wait."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from hashlib import sha256
from typing import Final, Protocol
from uuid import UUID

from starlette.requests import Request as HttpRequest

from services.gateway.checks.fields import UNREADABLE
from services.gateway.messages.errors import Entry, Problem
from services.gateway.messages.requests import Asked

WAIT_SECONDS_DEFAULT: Final = 10.0
WAIT_SECONDS_MAX: Final = 60
KEY_LENGTH_MAX: Final = 255
KEY: Final = f"[!-~]{{1,{KEY_LENGTH_MAX}}}"
_WAIT: Final = re.compile(r'wait\s*=\s*"?(\d{1,4})"?', re.IGNORECASE)
# More digits than a readable body may have, so that no number is rounded.
_EXACT: Final = Context(prec=64, Emax=MAX_EMAX, Emin=MIN_EMIN)


class Asker(Protocol):
    """Who asks, as far as requests and their keys are concerned."""

    @property
    def tenant_id(self) -> UUID: ...

    @property
    def keys_of(self) -> str:
        """Whose idempotency keys these are."""
        ...

    @property
    def dialect(self) -> str: ...

    @property
    def asked_by(self) -> str | None: ...


@dataclass(frozen=True)
class Preference:
    """How long a client waits for its answer; `applied` is what the answer says was honoured."""

    seconds: float = WAIT_SECONDS_DEFAULT
    applied: str | None = None

    @property
    def at_once(self) -> bool:
        """Whether the client wants to be told where to ask, and not to wait at all."""
        return not self.seconds


def read(request: HttpRequest, caller: Asker, body: object) -> Asked:
    """Who asks what under which key. Raises Problem `invalid_header`."""
    scope = request.scope
    return Asked(
        request_id=request.state.request_id,
        tenant_id=caller.tenant_id,
        client=caller.keys_of,
        method=scope["method"],
        path=scope["path"],
        content_digest=digest(scope["method"], scope["path"], scope["query_string"], body),
        idempotency_key=_key(request),
        source=caller.dialect,
        asked_by=caller.asked_by,
    )


def repeatable(request: HttpRequest) -> bool:
    """Whether it comes under a key, so that there may be an earlier one. Raises Problem `invalid_header`."""
    return _key(request) is not None


def digest(method: str, path: str, query: bytes, body: object) -> bytes:
    """Of what was asked; white space and the order of keys make no difference."""
    content = json.dumps(body, sort_keys=True, separators=(",", ":"), default=_number)
    return sha256(b"\0".join((method.encode(), path.encode(), query, content.encode()))).digest()


def _number(value: object) -> dict[str, str]:
    """A number with a fraction, spelled one way, and unlike any string."""
    if isinstance(value, Decimal):
        return {"": str(_EXACT.normalize(value))}
    if value is UNREADABLE:
        return {"": "unreadable"}
    raise TypeError(f"{type(value).__name__} does not come from JSON")


def _key(request: HttpRequest) -> str | None:
    sent = request.headers.getlist("idempotency-key")
    if not sent:
        return None
    if len(sent) == 1 and re.fullmatch(KEY, sent[0]):
        return sent[0]
    message = f"Must be 1 to {KEY_LENGTH_MAX} visible ASCII characters, sent once."
    raise Problem("invalid_header", entries=[Entry("header.Idempotency-Key", "invalid_header", message)])


def preference(request: HttpRequest) -> Preference:
    """RFC 7240; what is malformed is ignored and not echoed, and `respond-async` wins over `wait`."""
    wait: Preference | None = None
    for one in ",".join(request.headers.getlist("prefer")).split(","):
        token = one.partition(";")[0].strip()
        if token.lower() == "respond-async":
            return Preference(0.0, "respond-async")
        found = _WAIT.fullmatch(token)
        if wait is None and found and int(found[1]) <= WAIT_SECONDS_MAX:
            wait = Preference(float(found[1]), f"wait={int(found[1])}")
    return wait or Preference()

"""The token endpoint's rules: who gets a token, for which scopes, and how often one may ask."""

from __future__ import annotations

import binascii
import hmac
import math
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from services.gateway.auth import keys, tokens
from services.gateway.auth.door import Door
from services.gateway.auth.principal import held
from services.gateway.messages.errors import TABLE
from services.gateway.settings import Settings
from services.gateway.store import clients
from services.gateway.store.clients import Client
from shared import clock, database
from shared.database import Pool

REQUESTS_MAX: Final = 10
WINDOW: Final = timedelta(seconds=60)
CLIENT_ID_MAX: Final = 128
SOURCE_MAX: Final = 64
GRANT: Final = "client_credentials"


@dataclass(frozen=True)
class Asked:
    """One token request, unverified: its Authorization header, its parameters, where it came from."""

    authorization: str | None
    parameters: tuple[tuple[str, str], ...]
    source: str


@dataclass(frozen=True)
class Granted:
    """Whom a token is for, and what it will allow."""

    client: Client
    scopes: frozenset[str]


class Refused(Exception):
    """The members of RFC 6749, and those of every error beside them."""

    def __init__(self, code: str, description: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        return TABLE[self.code].status

    def body(self) -> dict[str, Any]:
        return {
            "error": self.code,
            "error_description": self.description,
            "code": self.code,
            "message": self.description,
        }


def _invalid_client() -> Refused:
    return Refused(
        "invalid_client",
        "Unknown client, wrong secret or disabled client.",
        {"WWW-Authenticate": 'Basic realm="recepta", charset="UTF-8"'},
    )


class Grants:
    """Issues tokens; `pool` is the owner's."""

    def __init__(self, pool: Pool, door: Door, settings: Settings) -> None:
        self._pool = pool
        self._door = door
        self._settings = settings

    async def token(self, asked: Asked) -> dict[str, Any]:
        """The answer with a token. Raises Refused; that counts too, but for a 429."""
        client_id, secret = _credentials(asked.authorization)
        now = clock.now()
        source = asked.source[:SOURCE_MAX]
        async with database.transaction(self._pool) as conn:
            before = await clients.token_requests(conn, client_id, source, since=now - WINDOW)
            if len(before) >= REQUESTS_MAX:
                raise _too_many(before, now)
            judged = _judge(await clients.find_client(conn, client_id), secret, asked.parameters)
            failed_from = source if isinstance(judged, Refused) else None
            await clients.note_token_request(conn, client_id, failed_from, now=now, kept=WINDOW)
        if isinstance(judged, Refused):
            raise judged
        return await self._issue(judged, now)

    async def _issue(self, granted: Granted, now: datetime) -> dict[str, Any]:
        key = await self._door.signing_key()
        return {
            "access_token": tokens.issue(granted.client, granted.scopes, key, self._settings, now),
            "token_type": "bearer",
            "expires_in": self._settings.token_seconds,
            "scope": " ".join(sorted(granted.scopes)),
        }


def _credentials(authorization: str | None) -> tuple[str, str]:
    """Client id and secret of HTTP Basic (RFC 7617). Raises Refused."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        raise _invalid_client()
    try:
        client_id, colon, secret = b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (ValueError, binascii.Error):
        raise _invalid_client() from None
    if not colon or not client_id or len(client_id) > CLIENT_ID_MAX or "\0" in client_id:
        raise _invalid_client()
    return client_id, secret


def _judge(client: Client | None, secret: str, parameters: tuple[tuple[str, str], ...]) -> Granted | Refused:
    known = client.secret_sha256 if client is not None else bytes(32)
    if not hmac.compare_digest(keys.digest(secret), known) or client is None or client.disabled:
        return _invalid_client()
    names = [name for name, _ in parameters]
    if "client_id" in names or "client_secret" in names:
        return _invalid_client()
    if len(set(names)) != len(names):
        return Refused("invalid_request", "A parameter is repeated.")
    values = dict(parameters)
    if not values.get("grant_type"):
        return Refused("invalid_request", "grant_type is missing.")
    if values["grant_type"] != GRANT:
        return Refused("unsupported_grant_type", f"Only {GRANT} is served.")
    asked = frozenset(values.get("scope", "").split())
    if not all(held(scope, client.scopes) for scope in asked):
        return Refused("invalid_scope", "A scope was asked for that the client does not have.")
    return Granted(client, asked or client.scopes)


def _too_many(before: list[datetime], now: datetime) -> Refused:
    leaves = before[len(before) - REQUESTS_MAX] + WINDOW - now
    seconds = max(1, math.ceil(leaves.total_seconds()))
    return Refused(
        "rate_limited", f"At most {REQUESTS_MAX} token requests a minute.", {"Retry-After": str(seconds)}
    )

"""Access tokens: JSON Web Tokens signed by the newest key in use, verified by the key that they name."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError

from services.gateway.auth.keys import TokenKey
from services.gateway.messages import ids
from services.gateway.messages.errors import Problem
from services.gateway.settings import Settings
from services.gateway.store.clients import Client
from shared.ids import new

TOLERANCE_SECONDS: Final = 60
TOKEN_BYTES_MAX: Final = 4_096


@dataclass(frozen=True)
class Verified:
    """What a token that verifies says; it may have expired."""

    client_id: str
    scopes: frozenset[str]
    issued_at: float
    expires_at: float

    def check_time(self, moment: float) -> None:
        """Raises Problem `token_expired` or `token_invalid`."""
        if moment > self.expires_at + TOLERANCE_SECONDS:
            raise Problem("token_expired", headers=_challenge("The access token expired."))
        if moment < self.issued_at - TOLERANCE_SECONDS:
            raise invalid()


def _challenge(description: str) -> dict[str, str]:
    return {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{description}"'}


def invalid() -> Problem:
    return Problem("token_invalid", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


def issue(client: Client, scopes: frozenset[str], key: TokenKey, settings: Settings, now: datetime) -> str:
    """A token for a client; it names what the client is bound to."""
    issued_at = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": settings.base_url,
        "aud": settings.base_url,
        "sub": client.client_id,
        "iat": issued_at,
        "exp": issued_at + settings.token_seconds,
        "jti": str(new()),
        "scope": " ".join(sorted(scopes)),
        "provider_id": ids.spell("prv", client.tenant_id),
        "provider_slug": client.provider_slug,
        "environment": settings.environment,
    }
    if client.doctor_id is not None:
        claims["doctor_id"] = ids.spell("doc", client.doctor_id)
    if client.branch_id is not None:
        claims["branch_id"] = ids.spell("branch", client.branch_id)
    header = {"alg": key.algorithm, "typ": "JWT", "kid": key.key_id}
    return jwt.encode(header, claims, key.private, algorithms=[key.algorithm])


def key_id_of(token: str) -> str | None:
    """Which key a token says it was signed with; None when it is no token."""
    try:
        head = token.split(".", 1)[0]
        header = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    found = header.get("kid") if isinstance(header, dict) else None
    return found if isinstance(found, str) else None


def verify(token: str, key: TokenKey, settings: Settings) -> Verified:
    """What the token says, whatever the time. Raises Problem `token_invalid`."""
    try:
        claims: Mapping[str, Any] = jwt.decode(token, key.private, algorithms=[key.algorithm]).claims
    except (JoseError, ValueError, TypeError):
        raise invalid() from None
    if (claims.get("iss"), claims.get("aud")) != (settings.base_url, settings.base_url):
        raise invalid()
    if claims.get("environment") != settings.environment:
        raise invalid()
    return Verified(
        claims["sub"], frozenset(claims["scope"].split()), float(claims["iat"]), float(claims["exp"])
    )

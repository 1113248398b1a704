"""One-time passwords on the wire (osigu-dialect 7): codes, tokens, and the answers to send and validate."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from services.gateway.messages import ids

DIGITS: Final = 6
CODE: Final = rf"[0-9]{{{DIGITS}}}"
LIFE: Final = timedelta(minutes=5)
TOKEN_LIFE: Final = timedelta(minutes=10)
_TOKEN_BYTES: Final = 32


def new_code() -> str:
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def code_digest(otp_id: UUID, code: str) -> bytes:
    """Costs about ten milliseconds: trying all codes takes much longer than one of them lives."""
    return hashlib.scrypt(code.encode(), salt=otp_id.bytes, n=2**12, r=8, p=1, dklen=32)


def new_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def sent(otp_id: UUID, address: str) -> dict[str, Any]:
    """The answer to send."""
    return {
        "otp_id": ids.spell("otp", otp_id),
        "channel": "EMAIL",
        "expires_in": int(LIFE.total_seconds()),
        "masked_destination": masked(address),
    }


def validated(otp_id: UUID, token: str) -> dict[str, Any]:
    """The answer to validate."""
    return {
        "otp_verification_token": token,
        "otp_id": ids.spell("otp", otp_id),
        "expires_in": int(TOKEN_LIFE.total_seconds()),
    }


def masked(address: str) -> str:
    """An address that its owner recognises and a pharmacy cannot use: `a***@e***.example`."""
    name, _, domain = address.rpartition("@")
    host, dot, ending = domain.rpartition(".")
    return f"{name[:1]}***@{(host or ending)[:1]}***{dot + ending if host else ''}"

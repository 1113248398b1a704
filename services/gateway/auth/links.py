"""Signed links to a prescription's PDF: who has one needs no token, until it expires (osigu-dialect 5.9)."""

from __future__ import annotations

import binascii
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from uuid import UUID

from pydantic import SecretStr

from services.gateway.auth import keys
from services.gateway.messages.errors import Problem

_PURPOSE: Final = "download links"
_HEAD: Final = struct.Struct(">Q16s")
_MAC_BYTES: Final = 16


def token(secret: SecretStr, *, tenant_id: UUID, prescription_id: UUID, expires_at: datetime) -> str:
    head = _HEAD.pack(int(expires_at.timestamp()), tenant_id.bytes)
    signed = head + _mac(secret.get_secret_value(), head, prescription_id)
    return urlsafe_b64encode(signed).rstrip(b"=").decode()


def owner(secret: SecretStr, text: str, *, prescription_id: UUID, now: datetime) -> UUID:
    """Whose prescription the link opens. Raises Problem: 404 for a token not ours, 410 for a past one."""
    try:
        signed = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        raise Problem("resource_not_found") from None
    head, mac = signed[: _HEAD.size], signed[_HEAD.size :]
    if len(head) != _HEAD.size or len(mac) != _MAC_BYTES:
        raise Problem("resource_not_found")
    if not hmac.compare_digest(mac, _mac(secret.get_secret_value(), head, prescription_id)):
        raise Problem("resource_not_found")
    expires, tenant = _HEAD.unpack(head)
    if datetime.fromtimestamp(expires, UTC) <= now:
        raise Problem("download_link_expired")
    return UUID(bytes=tenant)


def _mac(secret: str, head: bytes, prescription_id: UUID) -> bytes:
    return blake2b(head + prescription_id.bytes, key=_key(secret), digest_size=_MAC_BYTES).digest()


@lru_cache(4)
def _key(secret: str) -> bytes:
    return keys.purpose_key(secret, _PURPOSE)

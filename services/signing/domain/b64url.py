"""Base64url without padding, of which each byte sequence has exactly one spelling (RFC 7515 section 2)."""

import base64
import re
from typing import Final

from services.signing.domain.faults import Malformed

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Raises Malformed for padding, other characters, white space and non-zero trailing bits."""
    if _ALPHABET.fullmatch(text) is None or len(text) % 4 == 1:
        raise Malformed.at("", "not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(data) != text:
        raise Malformed.at("", "base64url with trailing bits")
    return data

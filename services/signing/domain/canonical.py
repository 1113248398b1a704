"""The one byte sequence of a JSON value (RFC 8785), as far as the signing profiles use JSON."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from services.signing.domain import b64url

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"

_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: Json) -> bytes:
    """RFC 8785 bytes of a value whose keys are ASCII and whose numbers are integers below 2^53.

    Under these two conditions, which every profile meets, the standard encoder writes what the RFC asks for:
    code points order ASCII keys as UTF-16 does, and no float needs ECMAScript's spelling.
    """
    return _ENCODER.encode(value).encode("utf-8")


def digest(data: bytes) -> str:
    """SHA-256 in base64url, as all digests of the profiles are written."""
    return b64url.encode(hashlib.sha256(data).digest())

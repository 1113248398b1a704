"""JSON Web Signatures as the profiles allow them (RFC 7515): few header parameters, one signature."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.signing.domain import b64url
from services.signing.domain.canonical import Json, canonical
from services.signing.domain.faults import Malformed
from services.signing.domain.parsing import members, parse

TYP: Final = "jose+json"
_PARAMETERS: Final = frozenset({"alg", "typ", "cty", "iat", "x5t#S256", "x5c"})
_PARTS: Final = frozenset({"payload", "protected", "signature"})
_CHAIN_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Flattened:
    """A JWS with one signature in its flattened JSON form; the parts are base64url."""

    payload: str
    protected: str
    signature: str

    @property
    def compact(self) -> str:
        return f"{self.protected}.{self.payload}.{self.signature}"

    def as_json(self) -> dict[str, Json]:
        return {"payload": self.payload, "protected": self.protected, "signature": self.signature}

    @classmethod
    def of(cls, value: Json, *, unprotected_max: int) -> "Flattened":
        """Raises Malformed unless it has these three parts, and at most an unprotected `etsiU` besides."""
        found = members(value, _PARTS, optional=frozenset({"header"}))
        if "header" in found:
            _evidence(found["header"], unprotected_max)
        return cls(**{part: _text(found[part]) for part in _PARTS})


@dataclass(frozen=True, slots=True)
class Header:
    """The protected parameters of a signature, as read; the chain is DER, leaf first."""

    alg: str
    iat: int
    thumbprint: bytes
    chain: tuple[bytes, ...]


def header(*, alg: str, cty: str, iat: int, chain: Sequence[bytes]) -> bytes:
    """The protected header of a new signature, in canonical form."""
    return canonical(
        {
            "alg": alg,
            "typ": TYP,
            "cty": cty,
            "iat": iat,
            "x5t#S256": thumbprint(chain[0]),
            "x5c": [base64.b64encode(der).decode("ascii") for der in chain],
        }
    )


def thumbprint(leaf: bytes) -> str:
    """The key id of the platform: SHA-256 of the leaf certificate."""
    return b64url.encode(hashlib.sha256(leaf).digest())


def signing_input(protected: str, payload: str) -> bytes:
    return f"{protected}.{payload}".encode("ascii")


def read_header(protected: bytes, *, cty: str, bytes_max: int) -> Header:
    """Raises Malformed for any parameter that is missing, unknown or not in its form."""
    found = members(parse(protected, bytes_max=bytes_max), _PARAMETERS)
    if (found["typ"], found["cty"]) != (TYP, cty):
        raise Malformed.at("", "typ or cty of something else")
    iat, chain = found["iat"], found["x5c"]
    if type(iat) is not int or iat < 0:
        raise Malformed.at("iat", "not a time")
    if not isinstance(chain, list) or not 1 <= len(chain) <= _CHAIN_MAX:
        raise Malformed.at("x5c", f"not 1 to {_CHAIN_MAX} certificates")
    digest = b64url.decode(_text(found["x5t#S256"]))
    return Header(_text(found["alg"]), iat, digest, tuple(_der(one) for one in chain))


def _der(value: Json) -> bytes:
    text = _text(value)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed.at("x5c", "not base64") from None
    if base64.b64encode(data).decode("ascii") != text:
        raise Malformed.at("x5c", "base64 with trailing bits")
    return data


def _evidence(value: Json, bytes_max: int) -> None:
    elements = members(value, frozenset({"etsiU"}))["etsiU"]
    if not isinstance(elements, list):
        raise Malformed.at("header", "etsiU is not an array")
    if sum(len(_text(one)) for one in elements) > bytes_max:
        raise Malformed.at("header", f"etsiU has more than {bytes_max} bytes")


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise Malformed.at("", "not a string")
    return value

"""Tells of a signer's key what the world may know: its JSON Web Key (RFC 7517) with the certificates."""

import base64
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from services.signing.domain import b64url, jws
from services.signing.domain.keys import SealKey
from services.signing.signer import Signer

_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384"}


def publication(signer: Signer, tenant_id: UUID) -> SealKey:
    """The public key of a signer, found by `kid` and `x5t#S256` alike."""
    leaf = x509.load_der_x509_certificate(signer.chain[0])
    key_id = jws.thumbprint(signer.chain[0])
    jwk: dict[str, str | list[str]] = {
        **_numbers(leaf),
        "use": "sig",
        "alg": signer.alg,
        "kid": key_id,
        "x5t#S256": key_id,
        "x5c": [base64.b64encode(der).decode("ascii") for der in signer.chain],
    }
    return SealKey(tenant_id, key_id, signer.alg, jwk, leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def _numbers(leaf: x509.Certificate) -> dict[str, str]:
    key = leaf.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        size, point = (key.key_size + 7) // 8, key.public_numbers()
        return {
            "kty": "EC",
            "crv": _CURVES[key.curve.name],
            "x": _number(point.x, size),
            "y": _number(point.y, size),
        }
    if isinstance(key, rsa.RSAPublicKey):
        numbers, size = key.public_numbers(), (key.key_size + 7) // 8
        return {"kty": "RSA", "n": _number(numbers.n, size), "e": _number(numbers.e, 3)}
    raise ValueError("a key of no kind that seals")


def _number(value: int, size: int) -> str:
    return b64url.encode(value.to_bytes(size, "big"))

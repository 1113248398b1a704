"""Checks the raw signatures of JWS with the key of a certificate."""

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

RSA_BITS_MIN: Final = 2048
_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
_CURVES: Final[Mapping[str, tuple[type[ec.EllipticCurve], hashes.HashAlgorithm]]] = {
    "ES256": (ec.SECP256R1, hashes.SHA256()),
    "ES384": (ec.SECP384R1, hashes.SHA384()),
}


def fits(alg: str, key: CertificatePublicKeyTypes) -> bool:
    """Whether key and algorithm belong together: the right curve, or RSA of at least 2048 bits for PS256."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return alg in _CURVES and isinstance(key.curve, _CURVES[alg][0])
    return isinstance(key, rsa.RSAPublicKey) and alg == "PS256" and key.key_size >= RSA_BITS_MIN


def verifies(alg: str, key: CertificatePublicKeyTypes, signature: bytes, data: bytes) -> bool:
    """Whether the signature is this key's over the data, for an algorithm that fits the key."""
    check: Callable[[], None]
    if isinstance(key, ec.EllipticCurvePublicKey):
        size = (key.key_size + 7) // 8
        if len(signature) != 2 * size:
            return False
        r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
        algorithm = ec.ECDSA(_CURVES[alg][1])
        check = lambda: key.verify(encode_dss_signature(r, s), data, algorithm)  # noqa: E731
    elif isinstance(key, rsa.RSAPublicKey):
        check = lambda: key.verify(signature, data, _PSS, hashes.SHA256())  # noqa: E731
    else:
        return False
    try:
        check()
    except InvalidSignature:
        return False
    return True

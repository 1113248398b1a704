"""Keys that sign access tokens: made here, kept encrypted, published a day before they are used."""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import ECKey, RSAKey

from services.gateway.store.token_keys import StoredKey

PUBLISHED_BEFORE_USE: Final = timedelta(hours=24)
VERIFIES_AFTER: Final = timedelta(days=8)
"""A report on Kafka may wait a week before its sender's token is looked at (DESIGN 3.1.14)."""

_NONCE_BYTES: Final = 12
_RSA_BITS: Final = 3_072


class WrongSecretKey(Exception):
    """GATEWAY_SECRET_KEY is not the one that the stored keys were encrypted under."""


@dataclass(frozen=True)
class TokenKey:
    """One key pair; its algorithm is the key's own, whatever a token's header says."""

    key_id: str
    algorithm: str
    used_from: datetime
    private: ECKey | RSAKey

    @property
    def public_jwk(self) -> dict[str, object]:
        return {
            **self.private.as_dict(private=False),
            "kid": self.key_id,
            "alg": self.algorithm,
            "use": "sig",
        }


def purpose_key(secret_key: str, purpose: str) -> bytes:
    """256 bits for one purpose, derived from the installation's secret."""
    return hmac.digest(secret_key.encode(), purpose.encode(), "sha256")


def make(algorithm: str, *, secret_key: str, now: datetime, used_from: datetime) -> StoredKey:
    """A new key pair, ready to be stored."""
    private: ECKey | RSAKey = (
        ECKey.generate_key("P-256") if algorithm == "ES256" else RSAKey.generate_key(_RSA_BITS)
    )
    key_id = f"{now:%Y-%m}-{secrets.token_hex(4)}"
    key = TokenKey(key_id, algorithm, used_from, private)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = _cipher(secret_key).encrypt(nonce, private.as_pem(private=True), key_id.encode())
    return StoredKey(key_id, algorithm, nonce + sealed, json.dumps(key.public_jwk), now, used_from)


def opened(stored: StoredKey, *, secret_key: str) -> TokenKey:
    """The key pair of a stored row. Raises WrongSecretKey."""
    nonce, sealed = stored.private_key[:_NONCE_BYTES], stored.private_key[_NONCE_BYTES:]
    try:
        pem = _cipher(secret_key).decrypt(nonce, sealed, stored.key_id.encode())
    except InvalidTag:
        raise WrongSecretKey("the token keys were stored under another GATEWAY_SECRET_KEY") from None
    kind = ECKey if stored.algorithm == "ES256" else RSAKey
    return TokenKey(stored.key_id, stored.algorithm, stored.used_from, kind.import_key(pem))


def _cipher(secret_key: str) -> AESGCM:
    return AESGCM(purpose_key(secret_key, "token keys at rest"))


def digest(secret: str) -> bytes:
    """How a secret of 256 random bits is kept: a slow hash would add nothing and cost every request."""
    return sha256(secret.encode()).digest()

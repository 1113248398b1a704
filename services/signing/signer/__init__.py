"""The keys that seal, behind one protocol: software keys for development, others beside them."""

from collections.abc import Sequence
from typing import Protocol


class Signer(Protocol):
    """One private key with its certificates; the key itself never leaves it."""

    @property
    def alg(self) -> str:
        """ES256, ES384 or PS256."""
        ...

    @property
    def chain(self) -> Sequence[bytes]:
        """DER, the leaf first, without the root."""
        ...

    async def sign(self, data: bytes) -> bytes:
        """A signature as JWS wants it: for ECDSA r and s, one after the other."""
        ...

"""The keys that seal, behind one protocol: software keys for development, others beside them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.signing.domain import jws
from services.signing.domain.keys import SealKey
from services.signing.domain.seal import Seal, Sealable


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


class Keys(Protocol):
    """The seal keys of all providers."""

    async def of(self, tenant_id: UUID) -> tuple[Signer, SealKey]:
        """A provider's signer with what is published of it; the key is made when it is first needed."""
        ...


async def sealed(content: Sealable, signer: Signer, *, at: datetime) -> Seal:
    """The seal over this content by this key, at this second."""
    at = at.replace(microsecond=0)
    unsigned = content.under(alg=signer.alg, chain=signer.chain, at=at)
    flattened = unsigned.signed(await signer.sign(unsigned.signing_input))
    return Seal(content.profile.name, signer.alg, jws.thumbprint(signer.chain[0]), flattened, at)

"""Software keys in PKCS#12 files, for development and first steps."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from secrets import token_bytes
from typing import Final, Self
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding
from cryptography.hazmat.primitives.serialization import pkcs12 as container

from services.signing.signer import Signer, files
from services.signing.signer.authority import Authority
from services.signing.signer.signatures import fits, verifies

OPEN_KEYS_MAX: Final = 4096


class Unfit(Exception):
    """A key cannot be used: it does not match its certificate, or its time is over."""


class Pkcs12Signer:
    """A P-256 key in this process's memory."""

    alg: Final = "ES256"

    def __init__(self, key: ec.EllipticCurvePrivateKey, chain: Sequence[bytes]) -> None:
        self.chain: Final[Sequence[bytes]] = tuple(chain)
        self._key = key

    @classmethod
    def read(cls, path: Path, password: bytes) -> Self:
        key, leaf, issuers = container.load_key_and_certificates(files.read_private(path), password)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or leaf is None:
            raise Unfit(f"{path.name} holds no P-256 key with its certificate")
        between = [one for one in issuers if one.issuer != one.subject]  # A root proves nothing inside x5c.
        return cls(key, [one.public_bytes(Encoding.DER) for one in (leaf, *between)])

    async def sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Pkcs12Keys:
    """The seal keys of all providers in one directory; several processes may share it."""

    def __init__(self, directory: Path, password: bytes, clock: Callable[[], datetime]) -> None:
        self._directory, self._password, self._clock = directory, password, clock
        self._open: OrderedDict[UUID, Signer] = OrderedDict()

    @classmethod
    async def opened(
        cls, directory: Path, password: bytes, *, environment: str, clock: Callable[[], datetime]
    ) -> Self:
        """Makes the installation's authority at the first start. Raises Unfit in production."""
        if environment == "production":
            raise Unfit("PKCS#12 keys are for development: production needs a hardware security module")
        keys = cls(directory, password, clock)
        await asyncio.to_thread(keys._authority)
        return keys

    async def of(self, tenant_id: UUID) -> Signer:
        """The provider's seal key, made when it is first needed and tried before it is first used."""
        if (signer := self._open.get(tenant_id)) is not None:
            return signer
        signer = await asyncio.to_thread(self._read_or_make, tenant_id)
        await prove(signer, self._clock())
        if len(self._open) >= OPEN_KEYS_MAX:
            self._open.popitem(last=False)
        self._open[tenant_id] = signer
        return signer

    def _read_or_make(self, tenant_id: UUID) -> Signer:
        path = self._directory / f"seal-{tenant_id}.p12"
        if not path.exists():
            authority, key = self._authority(), ec.generate_private_key(ec.SECP256R1())
            leaf = authority.issue(key.public_key(), tenant_id, self._clock())
            content = container.serialize_key_and_certificates(
                b"seal", key, leaf, [authority.certificate], BestAvailableEncryption(self._password)
            )
            files.write_once(path, content, mode=files.PRIVATE)
        # Read back in any case: another process may have been first, and then its key is the provider's.
        return Pkcs12Signer.read(path, self._password)

    def _authority(self) -> Authority:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Authority.of(self._directory, self._password, self._clock())


async def prove(signer: Signer, now: datetime) -> None:
    """Sign something random and check it with the signer's own certificate, valid now. Raises Unfit."""
    leaf = x509.load_der_x509_certificate(signer.chain[0])
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise Unfit("the certificate of a seal key is not valid now")
    challenge, key = token_bytes(32), leaf.public_key()
    if not fits(signer.alg, key) or not verifies(signer.alg, key, await signer.sign(challenge), challenge):
        raise Unfit("a seal key and its certificate do not belong together")

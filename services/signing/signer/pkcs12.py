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

from services.signing.domain.keys import SealKey
from services.signing.signer import Signer, files
from services.signing.signer.authority import Authority, Unfit
from services.signing.signer.publication import publication
from services.signing.signer.signatures import fits, verifies
from shared.errors import Unavailable

OPEN_KEYS_MAX: Final = 4096


class Pkcs12Signer:
    """A P-256 key in this process's memory."""

    alg: Final = "ES256"

    def __init__(self, key: ec.EllipticCurvePrivateKey, chain: Sequence[bytes]) -> None:
        self.chain: Final[Sequence[bytes]] = tuple(chain)
        self._key = key

    @classmethod
    def read(cls, path: Path, password: bytes) -> Self:
        if not files.is_private(path):
            raise Unfit(f"{path.name} may be read by others than its owner")
        try:
            key, leaf, issuers = container.load_key_and_certificates(path.read_bytes(), password)
        except ValueError as error:
            raise Unfit(f"{path.name} does not open with the password given") from error
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
        self._open: OrderedDict[UUID, tuple[Signer, SealKey]] = OrderedDict()

    @classmethod
    def opened(
        cls, directory: Path, password: bytes, *, environment: str, clock: Callable[[], datetime]
    ) -> Self:
        """Makes the installation's authority at the first start. Raises Unfit, in production always."""
        if environment == "production":
            raise Unfit("PKCS#12 keys are for development: production needs a hardware security module")
        if not password:
            raise Unfit("seal keys are not kept without a password")
        keys = cls(directory, password, clock)
        keys._authority()
        return keys

    async def of(self, tenant_id: UUID) -> tuple[Signer, SealKey]:
        """The provider's seal key, made when it is first needed and tried before it is first used.

        Raises Unavailable when the disk fails, Unfit when this one provider's key cannot be used.
        """
        if (found := self._open.get(tenant_id)) is not None:
            return found
        try:
            signer = await asyncio.to_thread(self._read_or_make, tenant_id)
        except OSError as error:
            raise Unavailable("the directory of the seal keys cannot be used") from error
        await prove(signer, self._clock())
        if len(self._open) >= OPEN_KEYS_MAX:
            self._open.popitem(last=False)
        found = self._open[tenant_id] = (signer, publication(signer, tenant_id))
        return found

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

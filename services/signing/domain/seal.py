"""From content to the bytes that a provider's key signs, and to the seal (sections 6, 7 and 9)."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from services.signing.domain import b64url, jws
from services.signing.domain.canonical import Json, canonical, digest
from services.signing.domain.content import Content
from services.signing.domain.faults import Fault, Malformed
from services.signing.domain.jws import Flattened
from services.signing.domain.profiles import SALT_BYTES, Profile

CANON: Final = "RFC8785"
DIGEST_ALG: Final = "sha-256"


@dataclass(frozen=True)
class Disclosure:
    """One group with the salt that opens its digest: personal data, salt included."""

    name: str
    salt: str
    data: Mapping[str, Json]

    def digest(self, profile: str) -> str:
        """What the payload says of this group. Profile and name keep digests of different things apart."""
        return digest(self.opened(profile))

    def opened(self, profile: str) -> bytes:
        """The canonical bytes under the digest."""
        return b'{"data":%b,"group":%b,"profile":%b,"salt":%b}' % (
            self.written,
            canonical(self.name),
            canonical(profile),
            canonical(self.salt),
        )

    @property
    def disclosed(self) -> bytes:
        """The canonical bytes of the group as it is shown to those who may see it."""
        return b'{"data":%b,"name":%b,"salt":%b}' % (self.written, canonical(self.name), canonical(self.salt))

    @cached_property
    def written(self) -> bytes:
        # Nearly all of every form that a group is written in, so it is written once.
        return canonical(self.data)

    def as_json(self) -> dict[str, Json]:
        return {"name": self.name, "salt": self.salt, "data": self.data}


@dataclass(frozen=True, slots=True)
class Sealable:
    """Content in normal form under its salts, and the payload over all of it."""

    profile: Profile
    disclosures: tuple[Disclosure, ...]
    payload: bytes

    @property
    def content_digest(self) -> bytes:
        """The same for the same content, whatever the salts. It may be guessed at: never send it anywhere."""
        return hashlib.sha256(b"[%b]" % b",".join(one.written for one in self.disclosures)).digest()

    @property
    def disclosed(self) -> bytes:
        """All groups with their salts, as canonical JSON."""
        return b"[%b]" % b",".join(one.disclosed for one in self.disclosures)

    def under(self, *, alg: str, chain: Sequence[bytes], at: datetime) -> "Unsigned":
        """What a key with this certificate has to sign, at this second."""
        header = jws.header(alg=alg, cty=self.profile.cty, iat=int(at.timestamp()), chain=chain)
        return Unsigned(header, self.payload)


@dataclass(frozen=True, slots=True)
class Unsealable:
    """Content that no seal can hold, and why."""

    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A header and payload that wait for the signature of one key."""

    protected: bytes
    payload: bytes

    @property
    def signing_input(self) -> bytes:
        return jws.signing_input(b64url.encode(self.protected), b64url.encode(self.payload))

    def signed(self, signature: bytes) -> Flattened:
        return Flattened(
            payload=b64url.encode(self.payload),
            protected=b64url.encode(self.protected),
            signature=b64url.encode(signature),
        )


def salts_of(chance: bytes) -> tuple[str, ...]:
    """One salt for each 16 bytes from the operating system's generator."""
    return tuple(b64url.encode(chance[at : at + SALT_BYTES]) for at in range(0, len(chance), SALT_BYTES))


def sealable(content: Content, profile: Profile, chance: Callable[[int], bytes]) -> Sealable | Unsealable:
    """What is to be signed, under salts that `chance` gives the bytes of."""
    try:
        return prepare(content, profile, salts_of(chance(SALT_BYTES * content.group_count)))
    except Malformed as refused:
        return Unsealable(refused.faults)


def prepare(content: Content, profile: Profile, salts: Sequence[str]) -> Sealable:
    """Content in normal form, digested with a salt for each group. Raises Malformed with all faults."""
    groups = normal_groups(content, profile)
    disclosures = tuple(
        Disclosure(name, salt, data) for (name, data), salt in zip(groups.items(), salts, strict=True)
    )
    return Sealable(profile, disclosures, canonical(payload(profile, disclosures)))


def normal_groups(content: Content, profile: Profile) -> dict[str, dict[str, Json]]:
    """Every group in normal form, in the order of the payload. Raises Malformed with the faults of all."""
    if not 1 <= len(content.items) <= profile.items_max:
        raise Malformed.at("document.item_count", f"not 1 to {profile.items_max}")
    result: dict[str, dict[str, Json]] = {}
    faults: list[Fault] = []
    for name, data in content.groups().items():
        try:
            result[name] = profile.normal(name, data)
        except Malformed as refused:
            faults += refused.faults
    if faults:
        raise Malformed(faults)
    return result


def payload(profile: Profile, disclosures: Sequence[Disclosure]) -> dict[str, Json]:
    """What is signed: the digests of all groups, and of `document` what a reader must see without them."""
    document = disclosures[0].data
    return {
        "profile": profile.name,
        "canon": CANON,
        "digest_alg": DIGEST_ALG,
        **{key: document[key] for key in profile.copied},
        "groups": [{"name": one.name, "digest": one.digest(profile.name)} for one in disclosures],
    }


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal as it stands for ever."""

    profile: str
    algorithm: str
    key_id: str
    jws: Flattened
    sealed_at: datetime

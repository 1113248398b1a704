"""Judges a sealed prescription from its file alone: which step fails, and which group was altered."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from services.signing.checks import groups
from services.signing.checks.chain import Untrusted, trust
from services.signing.checks.groups import Disclosed, Finding
from services.signing.domain import b64url, jws
from services.signing.domain.canonical import Json, canonical
from services.signing.domain.faults import Malformed
from services.signing.domain.jws import Flattened, Header
from services.signing.domain.parsing import members, parse
from services.signing.domain.profiles import Profile
from services.signing.domain.rx_sign import RX_SIGN_1
from services.signing.domain.seal import CANON, DIGEST_ALG
from services.signing.signer.signatures import fits, verifies

FORMAT: Final = "rx-sign-bundle/1"
CLOCK_SKEW: Final = timedelta(seconds=300)
_MEMBERS: Final = frozenset({"format", "seal", "disclosures"})
_ENTRY: Final = frozenset({"name", "digest"})
_UNREADABLE: Final = (
    ValueError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class Verdict(StrEnum):
    """The words of EN 319 102-1, without a claim to conform to it."""

    PASSED = "TOTAL_PASSED"
    FAILED = "TOTAL_FAILED"
    UNDECIDED = "INDETERMINATE"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a file proves. Times are the sealer's word: no trusted time stamp is asked for outside Spain."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    profile: str | None = None
    prescription_id: str | None = None
    sealed_at: datetime | None = None
    signer: str | None = None
    key_id: str | None = None
    disclosed: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()

    @property
    def code(self) -> str | None:
        """The first failure, else the first doubt."""
        codes = [finding.code for finding in self.findings]
        return next((code for code in codes if code.startswith("E_")), next(iter(codes), None))


class _Stopped(Exception):
    """What comes after makes no sense without this step."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A seal whose bytes are in order and whose signature verifies."""

    payload: Mapping[str, Json]
    digests: tuple[tuple[str, str], ...]
    header: Header
    chain: tuple[x509.Certificate, ...]


def judge(file: bytes, anchors: Sequence[x509.Certificate], now: datetime) -> Judgement:
    """Runs the steps in their order; a failure in the first five stops, the later ones all run."""
    profile = RX_SIGN_1
    try:
        seal, disclosed = _bundle(file, profile)
        sealed = _sealed(seal, profile)
    except _Stopped as stopped:
        return Judgement(Verdict.FAILED, (stopped.finding,))
    findings = (
        *_times(sealed, now),
        *_trust(sealed, anchors),
        *groups.incomplete(sealed.digests, sealed.payload["item_count"]),
        *groups.altered(sealed.digests, disclosed, profile),
        *groups.contradicting(sealed.payload, disclosed, profile),
    )
    return _judgement(sealed, disclosed, findings)


def _bundle(file: bytes, profile: Profile) -> tuple[Flattened, tuple[Disclosed, ...]]:
    with _step(1, "E_FORMAT"):
        bundle = parse(file, bytes_max=profile.limits.bundle)
    if isinstance(bundle, Mapping) and bundle.get("seal") is None:
        raise _Stopped(Finding(2, "E_SEAL", "there is no seal"))
    with _step(1, "E_FORMAT"):
        found = members(bundle, _MEMBERS)
        if found["format"] != FORMAT:
            raise Malformed.at("", f"not a {FORMAT}")
        seal = Flattened.of(found["seal"], unprotected_max=profile.limits.unprotected)
        return seal, groups.read(found["disclosures"], profile)


def _sealed(seal: Flattened, profile: Profile) -> _Sealed:
    with _step(1, "E_FORMAT"):
        payload = _payload(b64url.decode(seal.payload), profile)
        digests = _digests(payload["groups"])
        protected, signature = b64url.decode(seal.protected), b64url.decode(seal.signature)
        header = jws.read_header(protected, cty=profile.cty, bytes_max=profile.limits.header)
        chain = _certificates(header.chain)
        key = _public_key(chain[0])
    if header.alg not in profile.algorithms or not fits(header.alg, key):
        raise _Stopped(Finding(1, "E_ALG", "the algorithm is not allowed, or not for this key"))
    if not hmac.compare_digest(header.thumbprint, hashlib.sha256(header.chain[0]).digest()):
        raise _Stopped(Finding(3, "E_BINDING", "the header names another certificate than it brings"))
    if not verifies(header.alg, key, signature, jws.signing_input(seal.protected, seal.payload)):
        raise _Stopped(Finding(5, "E_SEAL", "the signature is not this key's over this payload"))
    return _Sealed(payload, digests, header, chain)


def _payload(data: bytes, profile: Profile) -> Mapping[str, Json]:
    payload = members(parse(data, bytes_max=profile.limits.payload), profile.payload_keys)
    if canonical(payload) != data:
        raise Malformed.at("payload", "not in canonical form")
    if (payload["profile"], payload["canon"], payload["digest_alg"]) != (profile.name, CANON, DIGEST_ALG):
        raise Malformed.at("payload", "of another profile")
    document = profile.groups.document
    for key in profile.copied:
        if document[key](payload[key]) != payload[key]:
            raise Malformed.at(f"payload.{key}", "not in normal form")
    return payload


def _digests(value: Json) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        raise Malformed.at("payload.groups", "not an array")
    found = [members(entry, _ENTRY) for entry in value]
    pairs = [(entry["name"], entry["digest"]) for entry in found]
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        raise Malformed.at("payload.groups", "not names with digests")
    return tuple((str(name), str(digest)) for name, digest in pairs)


def _certificates(chain: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    try:
        found = tuple(x509.load_der_x509_certificate(der) for der in chain)
        # Names, validity and extensions are read when they are asked for: a bad one shows here, not later.
        told = [(one.subject, one.issuer, one.not_valid_after_utc, one.extensions) for one in found]
    except _UNREADABLE:
        raise Malformed.at("x5c", "not certificates") from None
    if any(subject == issuer for subject, issuer, _, _ in told[1:]):
        raise Malformed.at("x5c", "a root, which proves nothing there")
    return found


def _public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed.at("x5c", "a key of no known kind") from None


def _times(sealed: _Sealed, now: datetime) -> Iterator[Finding]:
    """Without a trusted time stamp a certificate that has expired since leaves the moment of sealing open."""
    at = _moment(sealed.header.iat)
    if at is None or at > now + CLOCK_SKEW:
        yield Finding(6, "E_TST", "sealed in the future")
    elif sealed.chain[0].not_valid_after_utc < now:
        yield Finding(6, "I_TST", "the certificate has expired since and no trusted time says when it sealed")


def _trust(sealed: _Sealed, anchors: Sequence[x509.Certificate]) -> Iterator[Finding]:
    at = _moment(sealed.header.iat)
    try:
        if at is not None:
            trust(sealed.chain, anchors, at)
    except Untrusted as error:
        yield Finding(7, "E_CHAIN", str(error))


def _judgement(sealed: _Sealed, disclosed: tuple[Disclosed, ...], findings: tuple[Finding, ...]) -> Judgement:
    codes = {finding.code[0] for finding in findings}
    verdict = Verdict.FAILED if "E" in codes else Verdict.UNDECIDED if codes else Verdict.PASSED
    names = {one.name for one in disclosed}
    return Judgement(
        verdict,
        findings,
        profile=str(sealed.payload["profile"]),
        prescription_id=str(sealed.payload["prescription_id"]),
        sealed_at=_moment(sealed.header.iat),
        signer=sealed.chain[0].subject.rfc4514_string(),
        key_id=b64url.encode(sealed.header.thumbprint),
        disclosed=tuple(name for name, _ in sealed.digests if name in names),
        withheld=tuple(name for name, _ in sealed.digests if name not in names),
    )


def _moment(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


@contextmanager
def _step(number: int, code: str) -> Iterator[None]:
    """What is malformed inside stops the judgement with this step and code."""
    try:
        yield
    except Malformed as refused:
        raise _Stopped(Finding(number, code, str(refused).strip(": "))) from None

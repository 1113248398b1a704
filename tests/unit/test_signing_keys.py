"""Seal keys: made once whoever asks first, kept where only their owner reads, tried before use."""

import asyncio
import base64
import multiprocessing
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import JWKRegistry

from services.signing.checks.chain import Untrusted, trust
from services.signing.signer import files
from services.signing.signer.authority import Unfit
from services.signing.signer.pkcs12 import Pkcs12Keys, Pkcs12Signer, prove
from services.signing.signer.publication import publication
from services.signing.signer.signatures import verifies
from shared.errors import Unavailable

NOW = datetime(2026, 6, 25, 16, 0, tzinfo=UTC)
PASSWORD = b"only for these tests"
PROVIDER, OTHER = UUID(int=1), UUID(int=2)


def opened(directory: Path, *, now: datetime = NOW, password: bytes = PASSWORD) -> Pkcs12Keys:
    return Pkcs12Keys.opened(directory, password, environment="development", clock=lambda: now)


def anchors(directory: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((directory / "anchors" / "installation-ca.pem").read_bytes())


async def test_a_provider_gets_a_key_whose_certificate_leads_to_the_installation(tmp_path: Path) -> None:
    signer, _ = await opened(tmp_path).of(PROVIDER)

    (leaf,) = [x509.load_der_x509_certificate(der) for der in signer.chain]
    trust([leaf], anchors(tmp_path), NOW)
    assert verifies(signer.alg, leaf.public_key(), await signer.sign(b"data"), b"data")
    assert str(PROVIDER) in leaf.subject.rfc4514_string()
    assert leaf.issuer != leaf.subject


async def test_a_key_is_the_same_after_a_restart_and_another_for_another_provider(tmp_path: Path) -> None:
    first, _ = await opened(tmp_path).of(PROVIDER)
    again = opened(tmp_path)

    assert [one.chain == first.chain for one, _ in (await again.of(PROVIDER), await again.of(OTHER))] == [
        True,
        False,
    ]


async def test_another_installation_does_not_vouch_for_it(tmp_path: Path) -> None:
    signer, _ = await opened(tmp_path / "ours").of(PROVIDER)
    opened(tmp_path / "theirs")

    with pytest.raises(Untrusted):
        trust([x509.load_der_x509_certificate(signer.chain[0])], anchors(tmp_path / "theirs"), NOW)


async def test_only_their_owner_reads_the_keys_and_everyone_the_anchor(tmp_path: Path) -> None:
    await opened(tmp_path / "keys").of(PROVIDER)

    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "keys").iterdir()}
    assert modes == {"installation-ca.p12": 0o600, f"seal-{PROVIDER}.p12": 0o600, "anchors": 0o755}
    assert stat.S_IMODE((tmp_path / "keys" / "anchors" / "installation-ca.pem").stat().st_mode) == 0o644


async def test_a_key_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    await opened(tmp_path).of(PROVIDER)
    (tmp_path / f"seal-{PROVIDER}.p12").chmod(0o644)

    with pytest.raises(Unfit, match="read by others"):
        await opened(tmp_path).of(PROVIDER)


async def test_a_disk_that_fails_is_an_outage_and_no_fault_of_the_key(tmp_path: Path) -> None:
    place = tmp_path / "keys"
    place.write_text("a file where a directory should be")

    with pytest.raises(Unavailable):
        await Pkcs12Keys(place, PASSWORD, lambda: NOW).of(PROVIDER)


async def test_without_the_password_there_is_no_key(tmp_path: Path) -> None:
    await opened(tmp_path).of(PROVIDER)

    with pytest.raises(Unfit, match="does not open"):
        opened(tmp_path, password=b"another")


async def test_production_asks_for_a_hardware_module(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="production"):
        Pkcs12Keys.opened(tmp_path, PASSWORD, environment="production", clock=lambda: NOW)
    assert os.listdir(tmp_path) == []


async def test_a_key_whose_certificate_is_over_does_not_seal(tmp_path: Path) -> None:
    await opened(tmp_path).of(PROVIDER)

    with pytest.raises(Unfit, match="not valid now"):
        await opened(tmp_path, now=NOW + timedelta(days=11 * 365)).of(PROVIDER)


async def test_a_key_under_a_stranger_s_certificate_is_found_out_before_it_seals(tmp_path: Path) -> None:
    signer, _ = await opened(tmp_path).of(PROVIDER)

    with pytest.raises(Unfit, match="do not belong together"):
        await prove(Pkcs12Signer(ec.generate_private_key(ec.SECP256R1()), signer.chain), NOW)


def _chain(directory: str) -> bytes:
    async def ask() -> bytes:
        signer, _ = await opened(Path(directory)).of(PROVIDER)
        return signer.chain[0]

    return asyncio.run(ask())


def test_of_processes_that_start_together_the_first_makes_the_key_for_all(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as processes:
        leaves = processes.map(_chain, [str(tmp_path)] * 8, chunksize=1)

    assert len(set(leaves)) == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "anchors",
        "installation-ca.p12",
        f"seal-{PROVIDER}.p12",
    ]


async def test_asked_at_once_inside_one_process_there_is_one_key(tmp_path: Path) -> None:
    keys = opened(tmp_path)

    signers = await asyncio.gather(*(keys.of(PROVIDER) for _ in range(8)))

    assert len({signer.chain[0] for signer, _ in signers}) == 1


def test_a_second_writer_leaves_the_first_file_alone(tmp_path: Path) -> None:
    assert files.write_once(tmp_path / "key", b"first", mode=files.PRIVATE)
    assert not files.write_once(tmp_path / "key", b"second", mode=files.PRIVATE)

    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("key", b"first")]


@pytest.mark.parametrize("kind", [ec.SECP256R1, ec.SECP384R1, None], ids=["P-256", "P-384", "RSA"])
def test_a_published_key_is_the_one_of_the_certificate(kind: type[ec.EllipticCurve] | None) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind is None else ec.generate_private_key(kind())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Seal")])
    leaf = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1)).sign(
        key, hashes.SHA256()
    )

    published = publication(Held("any", [leaf.public_bytes(Encoding.DER)]), PROVIDER)

    read = JWKRegistry.import_key(dict(published.jwk))
    assert read.as_pem(private=False) == key.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    assert published.key_id == published.jwk["kid"] == published.jwk["x5t#S256"]
    assert base64.b64decode(published.jwk["x5c"][0]) == leaf.public_bytes(Encoding.DER)
    assert (published.not_before, published.not_after) == (NOW, NOW + timedelta(days=1))


class Held:
    """A signer of which only the certificates matter."""

    def __init__(self, alg: str, chain: list[bytes]) -> None:
        self.alg, self.chain = alg, chain

    async def sign(self, data: bytes) -> bytes:
        return data

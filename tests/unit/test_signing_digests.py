"""Group digests, payloads and signatures against the published vectors and our own golden ones."""

import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from services.signing.domain import b64url, jws
from services.signing.domain.canonical import canonical, digest
from services.signing.domain.es_rx_hash import ES_RX_HASH_1
from services.signing.domain.rx_sign import RX_SIGN_1
from services.signing.domain.seal import Disclosure, payload
from services.signing.signer.signatures import fits, verifies
from tests.unit import signing_vectors
from tests.unit.signing_vectors import SPAIN

VECTORS: dict[str, Any] = json.loads(SPAIN.read_text(encoding="utf-8"))
SINGLE = [VECTORS["single_group"], VECTORS["single_group_master_formula"]]
GROUPS = [(one["name"], group) for one in VECTORS["prescriptions"] for group in one["groups"]]


@pytest.mark.parametrize("vector", SINGLE, ids=lambda vector: vector["group"])
def test_one_group_has_the_published_digest(vector: dict[str, Any]) -> None:
    group = Disclosure(vector["group"], vector["salt"], vector["data"])

    assert group.opened("es-rx-hash/1").decode() == vector["jcs"]
    assert group.digest("es-rx-hash/1") == vector["digest"]


@pytest.mark.parametrize(
    ("prescription", "group"), GROUPS, ids=lambda one: one if isinstance(one, str) else one["name"]
)
def test_every_group_of_the_published_prescriptions_has_its_digest(
    prescription: str, group: dict[str, Any]
) -> None:
    disclosure = Disclosure(group["name"], group["salt"], group["data"])

    assert disclosure.opened("es-rx-hash/1").decode() == group["jcs"]
    assert disclosure.digest("es-rx-hash/1") == group["digest"]


@pytest.mark.parametrize("vector", VECTORS["prescriptions"], ids=lambda vector: vector["name"])
def test_the_payload_has_the_published_bytes(vector: dict[str, Any]) -> None:
    disclosures = [Disclosure(group["name"], group["salt"], group["data"]) for group in vector["groups"]]

    bytes_ = canonical(payload(ES_RX_HASH_1, disclosures))

    assert bytes_.decode() == vector["payload_jcs"]
    assert b64url.encode(bytes_) == vector["payload_b64url"]
    assert digest(bytes_) == vector["payload_sha256_b64url"]
    assert len(bytes_) == vector["payload_length"]


@pytest.mark.parametrize("name", ["layer2_payload_example", "cancel_payload_example"])
def test_seal_and_cancellation_payloads_have_the_published_bytes(name: str) -> None:
    vector = VECTORS[name]

    assert canonical(vector["payload"]).decode() == vector["payload_jcs"]
    assert b64url.encode(canonical(vector["payload"])) == vector["payload_b64url"]


def test_the_published_signature_of_a_prescriber_verifies_and_has_its_digest_and_imprint() -> None:
    vector = VECTORS["layer1_example"]
    seal, (signature,) = vector["jws"]["payload"], vector["jws"]["signatures"]
    protected = b64url.decode(signature["protected"])

    header = jws.read_header(protected, cty="es-rx-hash+json", bytes_max=16 * 1024)
    key = x509.load_der_x509_certificate(header.chain[0]).public_key()

    assert protected.decode() == vector["protected_jcs"]
    assert canonical(vector["protected_header"]) == protected
    assert b64url.encode(header.thumbprint) == jws.thumbprint(header.chain[0])
    assert fits(header.alg, key)
    assert verifies(
        header.alg,
        key,
        b64url.decode(signature["signature"]),
        jws.signing_input(signature["protected"], seal),
    )
    assert digest(canonical(vector["jws"])) == vector["prescriber_jws_digest"]
    assert digest(signature["signature"].encode("ascii")) == vector["timestamp_imprint_sha256_b64url"]


def _example_key() -> ec.EllipticCurvePublicKey:
    numbers = [int.from_bytes(b64url.decode(VECTORS["rfc7515_a3"]["public_jwk"][one]), "big") for one in "xy"]
    return ec.EllipticCurvePublicNumbers(*numbers, ec.SECP256R1()).public_key()


def test_the_example_of_rfc_7515_verifies() -> None:
    vector = VECTORS["rfc7515_a3"]

    assert verifies(
        "ES256", _example_key(), b64url.decode(vector["signature"]), vector["signing_input"].encode()
    )


@pytest.mark.parametrize("bit", range(0, 512, 37))
def test_one_bit_changed_in_the_signature_is_noticed(bit: int) -> None:
    vector = VECTORS["rfc7515_a3"]
    signature = bytearray(b64url.decode(vector["signature"]))
    signature[bit // 8] ^= 1 << bit % 8

    assert not verifies("ES256", _example_key(), bytes(signature), vector["signing_input"].encode())


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\xff" * 64, b"\1" * 63, b"\1" * 65])
def test_what_is_no_pair_of_numbers_of_the_curve_is_no_signature(signature: bytes) -> None:
    assert not verifies("ES256", _example_key(), signature, b"anything")


def test_the_salt_the_name_and_the_profile_all_move_the_digest() -> None:
    group = Disclosure("item/1", "AQEBAQEBAQEBAQEBAQEBAQ", {"a": 1})
    others = [
        Disclosure("item/2", group.salt, group.data).digest("rx-sign/1"),
        Disclosure(group.name, "AgICAgICAgICAgICAgICAg", group.data).digest("rx-sign/1"),
        group.digest("es-rx-hash/1"),
    ]

    assert len({group.digest("rx-sign/1"), *others}) == 4


async def test_our_own_vectors_come_out_to_the_byte() -> None:
    assert signing_vectors.text(await signing_vectors.build()) == signing_vectors.FILE.read_text(
        encoding="utf-8"
    )


def test_what_is_kept_of_the_groups_is_canonical_and_known_again_by_its_content_alone() -> None:
    one, two = (signing_vectors.sealable(signing_vectors.WRITTEN_BY_HAND, salt) for salt in (1, 20))

    assert one.disclosed == canonical([disclosure.as_json() for disclosure in one.disclosures])
    assert one.disclosed != two.disclosed
    assert one.content_digest == two.content_digest
    assert one.content_digest != signing_vectors.sealable(signing_vectors.ISSUED).content_digest


def test_a_seal_outside_spain_says_so_and_names_no_repository() -> None:
    prepared = signing_vectors.sealable(signing_vectors.ISSUED)

    assert json.loads(prepared.payload).keys() == RX_SIGN_1.payload_keys
    assert "national_repository_id" not in RX_SIGN_1.payload_keys

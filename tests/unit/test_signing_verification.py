"""A sealed prescription judged from its file: what was altered is named, what is not ours is refused."""

import base64
import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from services.signing.checks import bundle as verifier
from services.signing.checks.bundle import Judgement, Verdict, judge
from services.signing.domain import b64url, jws
from services.signing.domain.canonical import canonical
from services.signing.domain.rx_sign import RX_SIGN_1
from services.signing.domain.seal import Disclosure
from tests.unit.signing_vectors import SEALED_AT, WRITTEN_BY_HAND, bundle, root, stored

NOW = datetime(2026, 7, 1, tzinfo=UTC)
BUNDLE: dict[str, Any] = stored()["prescriptions"][0]["bundle"]
GROUPS = [disclosure["name"] for disclosure in BUNDLE["disclosures"]]
Change = Callable[[dict[str, Any]], None]


def judged(file: Any, *, now: datetime = NOW, anchors: list[x509.Certificate] | None = None) -> Judgement:
    data = file if isinstance(file, bytes) else json.dumps(file, ensure_ascii=False).encode()
    return judge(data, [root()] if anchors is None else anchors, now)


def altered(change: Change) -> dict[str, Any]:
    file = copy.deepcopy(BUNDLE)
    change(file)
    return file


def test_what_was_sealed_and_left_alone_passes() -> None:
    judgement = judged(BUNDLE)

    assert (judgement.verdict, judgement.code, judgement.findings) == (Verdict.PASSED, None, ())
    assert judgement.prescription_id == "019eff82-7400-74a6-b57f-7c843a69c3b1"
    assert (judgement.sealed_at, judgement.disclosed, judgement.withheld) == (SEALED_AT, tuple(GROUPS), ())


async def test_the_vectors_pass_like_the_seal_of_today() -> None:
    assert judged(await bundle(WRITTEN_BY_HAND)).verdict is Verdict.PASSED


def test_other_spelling_of_the_outer_json_and_unknown_evidence_change_nothing() -> None:
    file = dict(
        reversed(altered(lambda one: one["seal"].update(header={"etsiU": ["e30", "anything"]})).items())
    )

    assert judged(json.dumps(file, indent=3).encode()).verdict is Verdict.PASSED


@pytest.mark.parametrize("withheld", GROUPS[1:])
def test_a_withheld_group_is_told_and_is_no_fault(withheld: str) -> None:
    judgement = judged(
        altered(lambda one: one.update(disclosures=[d for d in one["disclosures"] if d["name"] != withheld]))
    )

    assert (judgement.verdict, judgement.withheld) == (Verdict.PASSED, (withheld,))


def test_without_the_document_nobody_knows_what_was_sealed() -> None:
    judgement = judged(altered(lambda one: one["disclosures"].pop(0)))

    assert [(one.step, one.code, one.group, one.detail) for one in judgement.findings] == [
        (10, "E_FORMAT", "document", "withheld")
    ]


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*path, key))
    else:
        yield path


LEAVES = [(at, path) for at, one in enumerate(BUNDLE["disclosures"]) for path in _leaves(one["data"])]
REPLACEMENTS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 40),
    st.text(max_size=12),
    st.just([]),
    st.just({}),
    st.just("0.5"),
)


@given(where=st.sampled_from(LEAVES), value=REPLACEMENTS, how=st.sampled_from(["change", "remove", "add"]))
def test_whatever_is_changed_removed_or_added_in_a_group_is_told_of_exactly_that_group(
    where: tuple[int, tuple[Any, ...]], value: Any, how: str
) -> None:
    file = copy.deepcopy(BUNDLE)
    at, (*path, last) = where
    inner: Any = file["disclosures"][at]["data"]
    for key in path:
        inner = inner[key]
    if how == "remove":
        del inner[last]
    elif how == "add":
        inner.update({"added": value}) if isinstance(inner, dict) else inner.append(value)
    elif (type(value), value) == (type(inner[last]), inner[last]):
        return
    else:
        inner[last] = value

    judgement = judged(file)

    assert judgement.verdict is Verdict.FAILED
    assert {one.group for one in judgement.findings if one.step == 10} == {GROUPS[at]}


@pytest.mark.parametrize("at", range(len(GROUPS)))
@pytest.mark.parametrize(
    "salt", ["AAAAAAAAAAAAAAAAAAAAAA", "AQEBAQEBAQEBAQEBAQEBAR", "AQEBAQEB", "", None, 1, "é"]
)
def test_another_salt_is_told_of_exactly_that_group(at: int, salt: Any) -> None:
    judgement = judged(altered(lambda one: one["disclosures"][at].update(salt=salt)))

    assert {one.group for one in judgement.findings} == {GROUPS[at]}
    assert judgement.code in {"E_HASH", "E_FORMAT"}


def _swap(entries: list[Any]) -> None:
    entries.reverse()


@pytest.mark.parametrize(
    ("change", "group"),
    [
        (lambda one: one["disclosures"][3].pop("salt"), "item/1"),
        (lambda one: one["disclosures"][3].pop("data"), "item/1"),
        (lambda one: one["disclosures"][3].update(comment="x"), "item/1"),
        (lambda one: one["disclosures"][1].update(data=[]), "patient"),
        (lambda one: one["disclosures"].append(one["disclosures"][4]), "item/2"),
        (lambda one: one["disclosures"].append(one["disclosures"][4] | {"name": "item/3"}), "item/3"),
        (lambda one: one["disclosures"][1]["data"].update(first_surname="Lo\u0301pez"), "patient"),
        (lambda one: one["disclosures"][1]["data"].update(first_surname="López "), "patient"),
        (lambda one: one["disclosures"][3]["data"].update(units="30.0"), "item/1"),
        (lambda one: one["disclosures"][3]["data"].update(item_no=True), "item/1"),
    ],
)
def test_a_group_that_is_not_in_the_form_it_was_sealed_in_is_named(change: Change, group: str) -> None:
    judgement = judged(altered(change))

    assert [(one.code, one.group) for one in judgement.findings] == [("E_FORMAT", group)]


def test_two_items_that_changed_places_are_both_named() -> None:
    def change(one: dict[str, Any]) -> None:
        first, second = one["disclosures"][3], one["disclosures"][4]
        first["data"], second["data"] = second["data"], first["data"]

    assert {one.group for one in judged(altered(change)).findings} == {"item/1", "item/2"}


@pytest.mark.parametrize("key", RX_SIGN_1.copied)
def test_a_document_that_contradicts_the_signed_payload_is_told(key: str) -> None:
    other = {
        "prescription_id": "019eff82-7400-74a6-b57f-7c843a69c3b9",
        "prescription_code": "RX-2026-0000000000000002",
        "version": 2,
        "issued_at": "2026-06-25T16:00:01Z",
        "item_count": 3,
    }[key]

    judgement = judged(altered(lambda one: one["disclosures"][0]["data"].update({key: other})))

    assert [(one.code, one.group) for one in judgement.findings] == [
        ("E_HASH", "document"),
        ("E_ID", "document"),
    ]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda one: one.pop("seal"), "E_SEAL"),
        (lambda one: one.update(seal=None), "E_SEAL"),
        (lambda one: one.pop("disclosures"), "E_FORMAT"),
        (lambda one: one.update(disclosures={}), "E_FORMAT"),
        (lambda one: one.update(live="CERTIFIED"), "E_FORMAT"),
        (lambda one: one.update(format="es-rx-bundle/1"), "E_FORMAT"),
        (lambda one: one["seal"].pop("signature"), "E_FORMAT"),
        (lambda one: one["seal"].update(signatures=[]), "E_FORMAT"),
        (lambda one: one["seal"].update(header={"jku": "https://example.org"}), "E_FORMAT"),
        (lambda one: one["seal"].update(header={"etsiU": [{}]}), "E_FORMAT"),
        (lambda one: one["seal"].update(header={"etsiU": ["A" * 262_145]}), "E_FORMAT"),
        (lambda one: one["seal"].update(signature=one["seal"]["signature"] + "="), "E_FORMAT"),
        (lambda one: one["seal"].update(signature=one["seal"]["signature"][:-1] + "B"), "E_FORMAT"),
        (lambda one: one["seal"].update(payload="\n" + one["seal"]["payload"]), "E_FORMAT"),
        (lambda one: one["seal"].update(signature="A" * 86), "E_SEAL"),
        (lambda one: one["disclosures"].append({"name": "item/x", "salt": "", "data": {}}), "E_FORMAT"),
        (lambda one: one["disclosures"].append("item/1"), "E_FORMAT"),
    ],
)
def test_a_file_that_is_no_bundle_of_ours_is_refused(change: Change, code: str) -> None:
    judgement = judged(altered(change))

    assert (judgement.verdict, judgement.code, judgement.prescription_id) == (Verdict.FAILED, code, None)


@pytest.mark.parametrize(
    "file", [b"", b"[]", b"null", b'"a"', b"{}", b"\xff", b"[" * 5000, b'{"seal":{},"seal":{}}', b"9" * 5000]
)
def test_a_file_that_is_no_object_is_refused(file: bytes) -> None:
    assert judged(file).verdict is Verdict.FAILED


def test_duplicate_keys_anywhere_are_refused() -> None:
    text = json.dumps(BUNDLE, ensure_ascii=False)

    for key in ("format", "signature", "salt", "id_type"):
        twice = text.replace(f'"{key}": ', f'"{key}": null, "{key}": ', 1).encode()
        assert judged(twice).code in {"E_FORMAT", "E_SEAL"}


class Forger:
    """Seals what it likes, with a key and an authority of its own."""

    def __init__(self, key: Any = None, *, ca: bool = False, usage: bool = True, days: int = 365) -> None:
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.root = self.certificate("Root", self.root_key.public_key(), ca=True)
        self.leaf = self.certificate("Seal", self.key.public_key(), ca=ca, usage=usage, days=days)

    def certificate(
        self, name: str, key: Any, *, ca: bool, usage: bool = True, days: int = 3650, issuer: str = "Root"
    ) -> x509.Certificate:
        subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer))
        at = SEALED_AT - timedelta(days=1)
        builder = (
            x509.CertificateBuilder(
                by, subject, key, x509.random_serial_number(), at, at + timedelta(days=days)
            )
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root_key.public_key()), critical=False
            )
        )
        if usage:
            flags = (not ca, not ca, False, False, False, ca, ca, False, False)
            builder = builder.add_extension(x509.KeyUsage(*flags), critical=True)
        return builder.sign(self.root_key, hashes.SHA256())

    def header(self, **changes: Any) -> dict[str, Any]:
        der = self.leaf.public_bytes(Encoding.DER)
        made = jws.header(alg="ES256", cty="rx-sign+json", iat=int(SEALED_AT.timestamp()), chain=[der])
        header: dict[str, Any] = {**json.loads(made), **changes}
        return {name: value for name, value in header.items() if value is not ...}

    def sign(self, alg: str, data: bytes) -> bytes:
        if alg == "PS256":
            pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
            return bytes(self.key.sign(data, pss, hashes.SHA256()))
        hash_ = hashes.SHA384() if alg == "ES384" else hashes.SHA256()
        size = (self.key.key_size + 7) // 8
        return b"".join(
            n.to_bytes(size, "big") for n in decode_dss_signature(self.key.sign(data, ec.ECDSA(hash_)))
        )

    def seal(
        self, *, payload: bytes | None = None, protected: bytes | None = None, **header: Any
    ) -> dict[str, Any]:
        file = copy.deepcopy(BUNDLE)
        payload = b64url.decode(BUNDLE["seal"]["payload"]) if payload is None else payload
        protected = canonical(self.header(**header)) if protected is None else protected
        parts = b64url.encode(protected), b64url.encode(payload)
        alg = header.get("alg", "ES256")
        signature = self.sign(alg if alg in ("ES384", "PS256") else "ES256", jws.signing_input(*parts))
        file["seal"] = {"protected": parts[0], "payload": parts[1], "signature": b64url.encode(signature)}
        return file


FORGER = Forger()


def payload(change: Change) -> bytes:
    decoded = json.loads(b64url.decode(BUNDLE["seal"]["payload"]))
    change(decoded)
    return canonical(decoded)


def test_another_authority_with_a_good_signature_is_not_trusted() -> None:
    assert judged(FORGER.seal(), anchors=[FORGER.root]).verdict is Verdict.PASSED
    assert judged(FORGER.seal()).code == "E_CHAIN"


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), "PS256"),
    ],
    ids=["ES384", "PS256"],
)
def test_the_keys_of_hardware_modules_are_understood(key: Any, alg: str) -> None:
    forger = Forger(key)

    assert judged(forger.seal(alg=alg), anchors=[forger.root]).verdict is Verdict.PASSED


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "RS256", "ES384", "ES512", "PS256", "EdDSA", ""])
def test_the_algorithm_is_on_the_list_and_fits_the_key(alg: str) -> None:
    file = FORGER.seal()
    file["seal"]["protected"] = b64url.encode(canonical(FORGER.header(alg=alg)))

    assert judged(file, anchors=[FORGER.root]).code == "E_ALG"


def test_a_key_on_another_curve_is_refused() -> None:
    forger = Forger(ec.generate_private_key(ec.SECP384R1()))
    file = forger.seal(alg="ES384")
    file["seal"]["protected"] = b64url.encode(canonical(forger.header(alg="ES256")))

    assert judged(file, anchors=[forger.root]).code == "E_ALG"


@pytest.mark.parametrize(
    "change",
    [
        {"crit": ["exp"]},
        {"kid": "a"},
        {"jwk": {}},
        {"b64": False},
        {"x5u": "https://example.org"},
        {"typ": "JOSE"},
        {"cty": "es-rx-hash+json"},
        {"cty": "es-rx-seal+json"},
        {"iat": "1782403201"},
        {"iat": -1},
        {"iat": True},
        {"alg": ["ES256"]},
        {"alg": ...},
        {"iat": ...},
        {"x5c": []},
        {"x5c": ["AAAA"]},
        {"x5c": ["not base64!"]},
        {"x5c": "AAAA"},
        {"x5t#S256": ...},
        {"x5t#S256": "AAAA="},
    ],
    ids=repr,
)
def test_a_header_has_the_parameters_of_the_profile_and_no_other(change: dict[str, Any]) -> None:
    assert judged(FORGER.seal(**change), anchors=[FORGER.root]).code == "E_FORMAT"


def test_a_header_with_a_parameter_twice_is_refused() -> None:
    twice = canonical(FORGER.header()).replace(b'{"alg":', b'{"alg":"none","alg":')

    assert judged(FORGER.seal(protected=twice), anchors=[FORGER.root]).code == "E_FORMAT"


def test_a_header_may_be_spelt_in_any_order() -> None:
    spelt = json.dumps(dict(reversed(FORGER.header().items())), indent=1).encode()

    assert judged(FORGER.seal(protected=spelt), anchors=[FORGER.root]).verdict is Verdict.PASSED


def test_a_certificate_that_was_swapped_in_is_noticed() -> None:
    stranger = Forger()
    swapped = stranger.header()["x5c"]

    assert judged(FORGER.seal(x5c=swapped), anchors=[FORGER.root, stranger.root]).code == "E_BINDING"
    both = {"x5c": swapped, "x5t#S256": stranger.header()["x5t#S256"]}
    assert judged(FORGER.seal(**both), anchors=[FORGER.root, stranger.root]).code == "E_SEAL"


def test_the_seal_of_another_prescription_does_not_fit() -> None:
    other = copy.deepcopy(BUNDLE) | {"seal": stored()["prescriptions"][1]["bundle"]["seal"]}

    judgement = judged(other)

    assert judgement.verdict is Verdict.FAILED
    assert {one.group for one in judgement.findings} >= {"document", "patient", "prescriber", "item/1"}


@pytest.mark.parametrize(
    "bad",
    [
        lambda data: data.replace(b",", b", ", 1),
        lambda data: data + b"\n",
        lambda data: data.replace(b'"canon":"RFC8785",', b"")[:-1] + b',"canon":"RFC8785"}',
        lambda data: data.replace(b"RFC8785", b"RFC\\u0038785"),
        lambda data: data.replace(b'"version":1', b'"version":1,"version":1'),
        lambda data: data.replace(b'"version":1', b'"version":1.0'),
        lambda data: data + b" " * 20_000,
    ],
)
def test_a_payload_that_is_not_canonical_is_refused_though_it_is_signed(
    bad: Callable[[bytes], bytes],
) -> None:
    data = bad(b64url.decode(BUNDLE["seal"]["payload"]))

    assert judged(FORGER.seal(payload=data), anchors=[FORGER.root]).code == "E_FORMAT"


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(profile="es-rx-hash/1"),
        lambda one: one.update(canon="none"),
        lambda one: one.update(digest_alg="sha-1"),
        lambda one: one.update(national_repository_id="ES-REPO-DEV-0001"),
        lambda one: one.pop("issued_at"),
        lambda one: one.update(version=None),
        lambda one: one.update(prescription_id="7B1F0C9E-2D34-4A6B-8C1D-5E6F7A8B9C0D"),
        lambda one: one.update(groups={}),
        lambda one: one["groups"].append({"name": "item/3"}),
        lambda one: one["groups"].append({"name": "item/3", "digest": 1}),
        lambda one: one["groups"].append({"name": "item/3", "digest": "a", "alg": "none"}),
    ],
)
def test_a_payload_of_another_shape_is_refused_though_it_is_signed(change: Change) -> None:
    assert judged(FORGER.seal(payload=payload(change)), anchors=[FORGER.root]).code == "E_FORMAT"


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["groups"].reverse(),
        lambda one: one["groups"].insert(4, one["groups"][3]),
        lambda one: one["groups"].pop(2),
        lambda one: one["groups"].pop(4),
        lambda one: one["groups"].clear(),
        lambda one: one["groups"].insert(5, {"name": "item/3", "digest": "A" * 43}),
        lambda one: one["groups"].insert(0, one["groups"].pop()),
    ],
    ids=["reversed", "repeated", "no prescriber", "no item/2", "none", "item/3", "diagnosis first"],
)
def test_a_list_of_groups_that_no_seal_has_is_told_though_it_is_signed(change: Change) -> None:
    judgement = judged(FORGER.seal(payload=payload(change)), anchors=[FORGER.root])

    assert judgement.code == "E_FORMAT"
    assert ("E_FORMAT", None) in {(one.code, one.group) for one in judgement.findings}


def sealed_so(change: Change) -> dict[str, Any]:
    """A file whose seal is good over groups that no honest sealer would have sealed."""
    file = altered(change)

    def digests(decoded: dict[str, Any]) -> None:
        decoded["groups"] = [
            {"name": one["name"], "digest": Disclosure(**one).digest("rx-sign/1")}
            for one in file["disclosures"]
        ]

    return FORGER.seal(payload=payload(digests)) | {"disclosures": file["disclosures"]}


@pytest.mark.parametrize(
    ("change", "group"),
    [
        (lambda one: one["disclosures"][1].update(salt="AQEBAQEBAQE"), "patient"),
        (lambda one: one["disclosures"][3]["data"].update(item_no=2), "item/1"),
        (lambda one: one["disclosures"][4]["data"].update(posology=" as told "), "item/2"),
        (lambda one: one["disclosures"][4]["data"].update(posology="p" * 5001), "item/2"),
        (lambda one: one["disclosures"][5]["data"].update(colour=None), "diagnosis"),
    ],
    ids=["short salt", "another number", "blanks", "too long", "unknown key"],
)
def test_a_good_seal_over_a_group_in_a_wrong_form_is_refused(change: Change, group: str) -> None:
    judgement = judged(sealed_so(change), anchors=[FORGER.root])

    assert [(one.step, one.code, one.group) for one in judgement.findings] == [(10, "E_FORMAT", group)]


def test_a_profile_decides_which_algorithms_may_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "RX_SIGN_1", replace(RX_SIGN_1, algorithms=frozenset({"ES384"})))

    assert judged(BUNDLE).code == "E_ALG"


def test_a_certificate_has_one_spelling() -> None:
    forger = FORGER
    while len(forger.leaf.public_bytes(Encoding.DER)) % 3 != 1:
        forger = Forger()
    (text,) = forger.header()["x5c"]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = f"{text[:-3]}{letters[letters.index(text[-3]) + 1]}=="

    assert base64.b64decode(other) == base64.b64decode(text)
    assert judged(forger.seal(x5c=[other]), anchors=[forger.root]).code == "E_FORMAT"


def test_a_certificate_of_an_authority_or_without_a_usage_may_not_seal() -> None:
    for forger in (Forger(ca=True), Forger(usage=False)):
        assert judged(forger.seal(), anchors=[forger.root]).code == "E_CHAIN"


def test_a_certificate_that_was_not_valid_at_the_moment_of_sealing_is_refused() -> None:
    early = int((SEALED_AT - timedelta(days=2)).timestamp())

    assert judged(FORGER.seal(iat=early), anchors=[FORGER.root]).code == "E_CHAIN"


def test_a_certificate_that_has_expired_since_leaves_the_question_open() -> None:
    forger = Forger(days=4)

    judgement = judged(forger.seal(), anchors=[forger.root])

    assert (judgement.verdict, judgement.code) == (Verdict.UNDECIDED, "I_TST")


def test_an_expired_certificate_does_not_hide_an_altered_group() -> None:
    forger = Forger(days=4)
    file = forger.seal()
    file["disclosures"][3]["data"]["units"] = "300"

    judgement = judged(file, anchors=[forger.root])

    assert (judgement.verdict, judgement.code) == (Verdict.FAILED, "E_HASH")


@pytest.mark.parametrize("iat", [int((NOW + timedelta(hours=1)).timestamp()), 2**52])
def test_a_seal_from_the_future_is_refused(iat: int) -> None:
    assert judged(FORGER.seal(iat=iat), anchors=[FORGER.root]).code == "E_TST"


def test_a_date_that_does_not_belong_to_the_moment_is_told() -> None:
    file = altered(lambda one: one["disclosures"][0]["data"].update(prescription_date="2026-06-27"))

    assert [one.code for one in judged(file).findings] == ["E_HASH", "E_ID"]


def test_no_finding_repeats_what_it_found() -> None:
    file = altered(
        lambda one: one["disclosures"][1]["data"].update(given_names="Secretonia\x07", birth_date="1.1.1990")
    )

    assert "Secretonia" not in repr(judged(file))


def test_the_last_certificate_of_the_chain_is_never_taken_for_an_anchor() -> None:
    stranger = Forger()
    der = [one.public_bytes(Encoding.DER) for one in (stranger.leaf, stranger.root)]
    file = stranger.seal(x5c=[base64.b64encode(one).decode() for one in der])

    assert judged(file).code == "E_FORMAT"
    assert judged(file, anchors=[stranger.root]).code == "E_FORMAT"


def test_a_chain_may_have_certificates_between_seal_and_root() -> None:
    top, below = Forger(), Forger()
    between = top.certificate("Root", below.root_key.public_key(), ca=True, issuer="Top")
    anchor = top.certificate("Top", top.root_key.public_key(), ca=True, issuer="Top")
    der = [one.public_bytes(Encoding.DER) for one in (below.leaf, between)]
    file = below.seal(x5c=[base64.b64encode(one).decode() for one in der])

    assert judged(file, anchors=[anchor]).verdict is Verdict.PASSED
    assert judged(below.seal(), anchors=[anchor]).code == "E_CHAIN"


TEXT = json.dumps(BUNDLE, ensure_ascii=False, separators=(",", ":"))


@settings(max_examples=400)
@given(
    at=st.integers(0, len(TEXT) - 1),
    letter=st.sampled_from('aZ09"\\{}[],:_-=+ .eé\x00\n'),
    insert=st.booleans(),
)
def test_one_letter_more_or_other_anywhere_is_noticed_and_breaks_nothing(
    at: int, letter: str, insert: bool
) -> None:
    text = TEXT[:at] + letter + TEXT[at if insert else at + 1 :]
    try:
        same = json.loads(text) == BUNDLE
    except ValueError:
        same = False

    assert (judged(text.encode()).verdict is Verdict.PASSED) is same


DER = FORGER.leaf.public_bytes(Encoding.DER)
ISSUED_PART = DER.index(FORGER.leaf.tbs_certificate_bytes), len(FORGER.leaf.tbs_certificate_bytes)


@settings(max_examples=400)
@given(at=st.integers(ISSUED_PART[0], sum(ISSUED_PART) - 1), bit=st.integers(0, 7))
def test_one_bit_other_in_what_was_certified_is_noticed_and_breaks_nothing(at: int, bit: int) -> None:
    der = bytearray(DER)
    der[at] ^= 1 << bit
    told = {"x5c": [base64.b64encode(der).decode()], "x5t#S256": jws.thumbprint(bytes(der))}

    assert judged(FORGER.seal(**told), anchors=[FORGER.root]).verdict is not Verdict.PASSED

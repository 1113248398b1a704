"""Normal forms: what is sealed of a value, and which values no seal can keep."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signing.checks.identity import identity_number
from services.signing.domain import national_code
from services.signing.domain.es_rx_hash import ES_RX_HASH_1
from services.signing.domain.faults import Malformed
from services.signing.domain.profiles import Profile
from services.signing.domain.rx_sign import RX_SIGN_1
from services.signing.domain.values import compact, decimal, printable, sealable, unbroken, upper
from tests.unit.signing_vectors import SPAIN

VECTORS: dict[str, Any] = json.loads(SPAIN.read_text(encoding="utf-8"))
NORMALISATION = VECTORS["normalisation"]
CORRECTION = VECTORS["prescriptions"][1]
NARROW = decimal(9, 6)


@pytest.mark.parametrize("case", NORMALISATION["decimal"], ids=lambda case: case["input"])
def test_a_decimal_has_one_spelling(case: dict[str, str]) -> None:
    assert NARROW(case["input"]) == case["output"]


@pytest.mark.parametrize("text", NORMALISATION["decimal_refused"])
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        NARROW(text)


@pytest.mark.parametrize("case", NORMALISATION["identity_accepted"], ids=lambda case: case["input"])
def test_an_identity_number_loses_its_separators(case: dict[str, str]) -> None:
    assert identity_number(case["type"], case["input"]) == case["output"]


@pytest.mark.parametrize(
    "case", NORMALISATION["identity_refused"], ids=lambda case: f"{case['type']} {case['input']}"
)
def test_an_identity_number_with_a_wrong_letter_or_of_another_kind_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        identity_number(case["type"], case["input"])


def test_a_passport_has_no_check_letter() -> None:
    assert identity_number("PASSPORT", "ab-123.4") == "AB1234"


@pytest.mark.parametrize("case", NORMALISATION["national_code_accepted"], ids=lambda case: case["input"])
def test_a_national_code_is_kept_without_its_control_digit(case: dict[str, str]) -> None:
    assert national_code.normal(case["input"]) == case["output"]


@pytest.mark.parametrize("text", NORMALISATION["national_code_refused"])
def test_a_medicine_with_a_wrong_control_digit_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        national_code.normal(text)


@pytest.mark.parametrize("case", NORMALISATION["national_code_control_digit"], ids=lambda case: case["cn6"])
def test_the_control_digit_is_the_one_printed_on_packs(case: dict[str, Any]) -> None:
    control = national_code.control_digit(case["cn6"])

    assert (control, f"847000{case['cn6']}{control}") == (case["control"], case["gtin13"])


def test_a_wrong_digit_on_a_product_that_is_no_medicine_stops_nothing() -> None:
    assert national_code.normal("499999.1") == "499999"


@pytest.mark.parametrize("group", CORRECTION["groups"], ids=lambda group: group["name"])
def test_spanish_groups_come_to_the_published_normal_form(group: dict[str, Any]) -> None:
    assert ES_RX_HASH_1.normal(group["name"], CORRECTION["input"][group["name"]]) == group["data"]


@pytest.mark.parametrize("group", VECTORS["prescriptions"][0]["groups"], ids=lambda group: group["name"])
def test_what_is_in_normal_form_stays_as_it_is(group: dict[str, Any]) -> None:
    assert ES_RX_HASH_1.normal(group["name"], group["data"]) == group["data"]


@pytest.mark.parametrize("kind", ["document", "patient", "prescriber", "item", "diagnosis"])
def test_both_profiles_have_the_same_keys(kind: str) -> None:
    assert getattr(RX_SIGN_1.groups, kind).keys() == getattr(ES_RX_HASH_1.groups, kind).keys()


@pytest.mark.parametrize("profile", [RX_SIGN_1, ES_RX_HASH_1], ids=lambda profile: profile.name)
@pytest.mark.parametrize("kind", ["document", "patient", "prescriber", "item/1", "diagnosis"])
def test_every_key_may_be_null_and_none_may_be_absent_or_unknown(profile: Profile, kind: str) -> None:
    nothing = dict.fromkeys(profile.groups.of(kind))

    assert profile.normal(kind, nothing) == nothing
    for wrong in ({**nothing, "colour": None}, dict(list(nothing.items())[1:])):
        with pytest.raises(Malformed, match="keys missing or unknown"):
            profile.normal(kind, wrong)


@pytest.mark.parametrize(
    "name", ["item/0", "item/", "item", "item/01", "item/٣", "documents", "", "patient/1", "of"]
)
def test_only_the_groups_of_the_profile_have_fields(name: str) -> None:
    with pytest.raises(Malformed, match="no such group"):
        RX_SIGN_1.groups.of(name)


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\u0085", "\u200d", "\ufeff", "\u202e"])
def test_control_and_format_characters_are_never_sealed(character: str) -> None:
    for rule in (sealable(100), printable(100)):
        with pytest.raises(Malformed, match="control or format"):
            rule(f"a{character}b")


def test_line_breaks_and_tabs_become_spaces_in_the_seal_and_are_refused_in_spain() -> None:
    assert sealable(100)(" 1 ao\ndia\tcom água\u2028\n") == "1 ao dia com água"
    for text in ("a\nb", "a\tb", "a\u2028b", "\ue000", "\u0378", ""):
        with pytest.raises(Malformed):
            printable(100)(text)


def test_letters_that_a_dialect_may_have_accepted_can_be_sealed() -> None:
    assert sealable(100)("\ue000\u0378😀") == "\ue000\u0378😀"


def test_a_text_of_nothing_but_blanks_is_sealed_as_nothing() -> None:
    assert sealable(100)(" \n\t\u3000") is None


def test_lengths_count_code_points_of_the_composed_text() -> None:
    assert sealable(2)("e\u0301😀") == "é😀"
    with pytest.raises(Malformed, match="longer than 2"):
        sealable(2)("ab😀")


def test_all_faults_of_a_group_are_told_with_their_paths_and_without_values() -> None:
    item = dict.fromkeys(RX_SIGN_1.groups.item) | {
        "item_no": 31,
        "units": "1,5",
        "active_ingredients": ["a", "Secretol\x07"],
        "as_needed": 1,
    }

    with pytest.raises(Malformed) as refused:
        RX_SIGN_1.normal("item/3", item)

    assert [fault.path for fault in refused.value.faults] == [
        "item/3.item_no",
        "item/3.active_ingredients[1]",
        "item/3.units",
        "item/3.as_needed",
    ]
    assert "Secretol" not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("issued_at", "2026-02-30T00:00:00Z"),
        ("issued_at", "2026-02-03T24:00:00Z"),
        ("issued_at", "2026-02-03T23:59:60Z"),
        ("issued_at", "2026-02-03T10:00:00+00:00"),
        ("issued_at", "2026-02-03T10:00:00.5Z"),
        ("issued_at", "٢٠٢٦-02-03T10:00:00Z"),
        ("prescription_date", "2026-02-29"),
        ("prescription_date", "20260203"),
        ("prescription_id", "{0190c3a4-7d2e-7c11-8a55-1f0c2b3d4e5f}"),
        ("prescription_id", "0190c3a47d2e7c118a551f0c2b3d4e5f"),
        ("version", True),
        ("version", 0),
        ("version", "1"),
        ("patient_data_consent", "true"),
        ("regime", "public"),
    ],
)
def test_other_spellings_of_dates_ids_and_numbers_are_refused(field: str, value: Any) -> None:
    document = dict.fromkeys(RX_SIGN_1.groups.document) | {field: value}

    with pytest.raises(Malformed, match=f"document.{field}"):
        RX_SIGN_1.normal("document", document)


@pytest.mark.parametrize(
    "rule",
    [
        sealable(5000),
        printable(5000),
        unbroken(compact(sealable(5000))),
        upper(sealable(5000)),
        decimal(30, 30),
        national_code.normal,
    ],
    ids=["sealable", "printable", "identity", "upper", "decimal", "national code"],
)
@given(value=st.text(max_size=40) | st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,8})?", fullmatch=True))
def test_normalising_twice_is_normalising_once(rule: Any, value: str) -> None:
    try:
        once = rule(value)
    except Malformed:
        return

    assert once is None or rule(once) == once

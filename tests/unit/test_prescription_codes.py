"""The code that a pharmacy redeems."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import prescription_codes

CODES = ("RX-2026-9182407133560285", "RX-2026-4739502188641075", "RX-2026-0000000000000002")


@pytest.mark.parametrize("code", CODES)
def test_the_published_examples_are_well_formed(code):
    assert prescription_codes.is_valid(code)
    assert prescription_codes.canonical(code) == code


@pytest.mark.parametrize("code", CODES)
def test_every_single_wrong_digit_is_detected(code):
    for place, digit in enumerate(code):
        for other in "0123456789":
            if digit.isdigit() and other != digit:
                assert not prescription_codes.is_valid(code[:place] + other + code[place + 1 :])


def test_the_published_swap_and_every_other_swap_of_neighbours_is_detected():
    assert not prescription_codes.is_valid("RX-2026-9182047133560285")
    for code in CODES:
        digits = code.replace("RX-", "").replace("-", "")
        for place, (one, two) in enumerate(itertools.pairwise(digits)):
            if one != two:
                swapped = digits[:place] + two + one + digits[place + 2 :]
                assert not prescription_codes.is_valid(f"RX-{swapped[:4]}-{swapped[4:]}")


@pytest.mark.parametrize(
    "spoken", ["rx-2026-9182407133560285", " RX 2026 9182 4071 3356 0285 ", "rx20269182407133560285"]
)
def test_case_spaces_and_hyphens_do_not_matter(spoken):
    assert prescription_codes.canonical(spoken) == "RX-2026-9182407133560285"


@pytest.mark.parametrize(
    "other",
    ["", "AUTH-2026-001234", "RX-2026-001234", "RX-2026-٩١٨٢٤٠٧١٣٣٥٦٠٢٨٥", "RX-2026-91824071335602850"],
)
def test_what_is_no_code_has_no_canonical_form(other):
    assert prescription_codes.canonical(other) is None
    assert not prescription_codes.is_valid(other)


@given(year=st.integers(1000, 9999), drawn=st.integers(0, 10**15 - 1))
def test_every_allocated_code_is_valid_and_canonical(year, drawn):
    code = prescription_codes.allocate(year, lambda below: drawn % below)

    assert prescription_codes.is_valid(code)
    assert prescription_codes.canonical(code.lower().replace("-", " ")) == code


def test_logs_see_the_last_four_digits_alone():
    assert prescription_codes.masked("RX-2026-9182407133560285") == "RX-****-************0285"

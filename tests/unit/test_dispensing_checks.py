"""What a pharmacy sends is read strictly, and everything wrong with it is told at once, in document order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.gateway.checks import dispensation as bodies
from services.gateway.checks.fields import Checks, Form
from services.gateway.messages.errors import Problem

CODE = "RX-2026-9182407133560285"
LINE = {"id": "rxi_01KVZR4X01EDHVQQ6ND1HA0DS2", "price": 1, "taxes": 0, "quantity": 3}


def start(body):
    checks = Checks()
    read = bodies.start(Form(body, checks), default_branch=None)
    return read, [(entry.path, entry.code) for entry in checks.entries]


@pytest.mark.parametrize("text", [CODE, "rx 2026 9182 4071 3356 0285", " rx-2026-9182-4071-3356-0285 "])
def test_a_code_is_read_however_it_was_typed(text):
    assert start({"code": text}) == (bodies.StartRead(CODE, None, None, None, None), [])


def test_two_digits_swapped_are_a_slip_that_the_check_digit_tells():
    assert start({"code": "RX-2026-9182047133560285"})[1] == [("code", "code_check_failed")]


def test_what_is_no_code_is_left_to_be_not_found():
    assert start({"code": "AUTH-2026-001234"}) == (
        bodies.StartRead("AUTH-2026-001234", None, None, None, None),
        [],
    )


def test_all_that_fails_is_told_in_the_order_of_the_document():
    body = {
        "extra": 1,
        "products": [LINE | {"quantity": 0}, LINE | {"price": -1}],
        "currency_code": "gtq",
        "beneficiary_id": "nobody",
    }

    assert start(body)[1] == [
        ("code", "required"),
        ("beneficiary_id", "beneficiary_mismatch"),
        ("currency_code", "invalid_format"),
        ("products[0].quantity", "out_of_range"),
        ("products[1].id", "duplicate"),
        ("products[1].price", "out_of_range"),
        ("extra", "unknown_field"),
    ]


@pytest.mark.parametrize(
    ("line", "failing"),
    [
        ({"price": Decimal("1.00001")}, ("products[0].price", "invalid_format")),
        ({"price": "1"}, ("products[0].price", "wrong_type")),
        ({"price": True}, ("products[0].price", "wrong_type")),
        ({"quantity": 10_000}, ("products[0].quantity", "out_of_range")),
        ({"id": "rx_01KVZR4X01EDHVQQ6ND1HA0DS2"}, ("products[0].id", "line_unknown")),
        ({"substitution_reason_enum": "WHIM"}, ("products[0].substitution_reason_enum", "invalid_value")),
        ({"substitution_reason": "x" * 257}, ("products[0].substitution_reason", "too_long")),
        ({"lot": "A"}, ("products[0].lot", "unknown_field")),
    ],
)
def test_one_thing_wrong_with_a_line_is_one_entry(line, failing):
    assert start({"code": CODE, "products": [LINE | line]})[1] == [failing]


def test_a_reason_in_words_alone_counts_as_other():
    read, _ = start({"code": CODE, "products": [LINE | {"substitution_reason": "Out of it."}]})

    assert read.lines[0].line.substitution_reason_enum == "OTHER"


@pytest.mark.parametrize(
    ("reason", "failing"), [("REFUND", []), ("BECAUSE", [("void_reason", "invalid_value")])]
)
def test_what_was_handed_over_is_taken_back_for_one_of_the_reasons(reason, failing):
    checks = Checks()

    bodies.cancel(Form({"void_reason": reason}, checks))

    assert [(entry.path, entry.code) for entry in checks.entries] == failing


def test_a_receipt_is_exact_to_the_fourth_decimal():
    body = {
        "amount": Decimal("19.0401"),
        "document_number": "F-1",
        "document_date": "2026-06-26T12:21:00+02:00",
    }
    checks = Checks()

    receipt = bodies.complete(Form(body, checks), provider_slug="farmacia-sol").receipt

    assert (receipt.amount, receipt.document_date.isoformat(), checks.entries) == (
        Decimal("19.0401"),
        "2026-06-26T10:21:00+00:00",
        [],
    )


def test_a_receipt_of_another_provider_is_refused():
    body = {
        "amount": 1,
        "document_number": "F-1",
        "document_date": "2026-06-26T10:21:00Z",
        "provider_slug": "other",
    }
    checks = Checks()

    bodies.complete(Form(body, checks), provider_slug="farmacia-sol")

    assert [(entry.path, entry.code) for entry in checks.entries] == [("provider_slug", "provider_mismatch")]


def test_a_slip_in_the_code_of_a_path_is_told_like_one_in_a_body():
    with pytest.raises(Problem) as refused:
        bodies.path_code("RX-2026-9182407133560286")

    assert refused.value.code == "code_check_failed"

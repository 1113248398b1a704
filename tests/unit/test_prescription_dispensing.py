"""One pharmacy at a time, never more than was prescribed, and every check answered at once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from services.prescription.domain import cancelling, clock, dispensing
from services.prescription.domain.dispensation import (
    DispensationStatus,
    EndedBy,
    Receipt,
    SubstitutionPolicy,
    rounded,
)
from services.prescription.domain.items import ActiveIngredient, Product
from services.prescription.domain.prescription import Said
from services.prescription.domain.refusal import Refused
from services.prescription.domain.state_table import Status
from tests.unit import prescriptions as some
from tests.unit.prescriptions import FIRST, MOON, RECEIPT, SECOND, SUN, SYRUP, TABLETS, TERMS, at, later, line

PRICED = line(TABLETS, 20, price=Decimal("0.85"), taxes=Decimal("2.04"))


def start(prescription, pharmacy=SUN, *, id=SECOND, occasion=None, **other):
    return dispensing.start(
        prescription,
        dispensation_id=id,
        pharmacy=pharmacy,
        terms=other.pop("terms", TERMS),
        occasion=occasion or at(),
        **other,
    )


def change(prescription, *lines, pharmacy=SUN, occasion=None):
    return dispensing.change_lines(
        prescription, dispensation_id=FIRST, pharmacy=pharmacy, lines=lines, occasion=occasion or at()
    )


def complete(prescription, receipt=RECEIPT, *, id=FIRST, pharmacy=SUN, occasion=None):
    return dispensing.complete(
        prescription, dispensation_id=id, pharmacy=pharmacy, receipt=receipt, occasion=occasion or at()
    )


def take_back(prescription, reason="REFUND", *, id=FIRST, pharmacy=SUN, occasion=None):
    return dispensing.cancel(
        prescription,
        dispensation_id=id,
        pharmacy=pharmacy,
        void_reason=reason,
        occasion=occasion or at(),
    )


def refusal(call, *args, **kwargs):
    with pytest.raises(Refused) as refused:
        call(*args, **kwargs)
    return refused.value


def entries(refused):
    return [(one.path, one.code) for one in refused.errors]


def test_a_start_without_lines_takes_all_that_is_left():
    held = some.started(some.item(), some.item(SYRUP, quantity=2, position=2))

    claim = held.live_dispensation
    assert [(one.item_id, one.quantity) for one in claim.lines] == [(TABLETS, 30), (SYRUP, 2)]
    assert claim.expires_at == some.NOON + timedelta(minutes=30)
    assert held.unsaid[-1].said is Said.STARTED
    assert held.public_status == "issued"


def test_of_two_pharmacies_the_first_gets_it_and_the_second_is_told_until_when():
    refused = refusal(start, some.started(), MOON)

    assert (refused.code, refused.cell) == ("already_being_dispensed", "R2")
    assert refused.details == {"claim_expires_at": later(minutes=30).at}


def test_the_same_pharmacy_asking_again_gets_its_own_back():
    held = some.started()

    assert start(held) is held
    assert start(held, lines=[line(TABLETS, 30)]) is held


def test_another_branch_is_another_pharmacy():
    branch = replace(SUN, branch_id=UUID(int=7))

    assert refusal(start, some.started(), branch).code == "already_being_dispensed"
    assert refusal(complete, some.started(pharmacy=branch), pharmacy=replace(SUN, branch_id=SECOND)).code == (
        "resource_not_found"
    )
    assert complete(some.started(pharmacy=branch), pharmacy=SUN).status is Status.DISPENSED


def test_the_same_pharmacy_with_other_lines_is_sent_to_change_them():
    refused = refusal(start, some.started(), lines=[line(TABLETS, 20)])

    assert refused.code == "dispensation_already_started"
    assert refused.details == {"dispensation_id": str(FIRST)}


def test_same_lines_are_those_as_they_are_now():
    held = change(some.started(), PRICED)

    assert start(held, lines=[line(TABLETS, 20)]) is held
    assert refusal(start, held, lines=[line(TABLETS, 30)]).code == "dispensation_already_started"
    assert start(held) is held


def test_the_beneficiary_is_the_patient():
    assert start(some.issued(), beneficiary_id=some.PATIENT).live_dispensation
    refused = refusal(start, some.issued(), beneficiary_id=UUID(int=99))

    assert (refused.code, entries(refused)) == (
        "beneficiary_mismatch",
        [("beneficiary_id", "beneficiary_mismatch")],
    )


def test_all_that_is_wrong_with_the_lines_is_said_at_once_in_document_order():
    prescription = some.issued(some.item(), some.item(SYRUP, quantity=2, position=2))
    lines = [
        line(UUID(int=99), 1),
        line(TABLETS, 31, product_code="MED-1"),
        line(SYRUP, None, substitution_reason="none left"),
        line(TABLETS, 1),
    ]

    refused = refusal(start, prescription, lines=lines, beneficiary_id=SECOND)

    assert refused.code == "validation_failed"
    assert entries(refused) == [
        ("beneficiary_id", "beneficiary_mismatch"),
        ("products[0].id", "line_unknown"),
        ("products[1].product_code", "product_mismatch"),
        ("products[1].quantity", "over_quantity"),
        ("products[2].quantity", "required"),
        ("products[2].substitute_product_code", "substitution_incomplete"),
        ("products[3].id", "duplicate"),
    ]
    assert refused.errors[3].details == {"remaining_quantity": 30}


def test_one_thing_wrong_gives_its_own_code():
    assert refusal(start, some.issued(), lines=[line(TABLETS, 31)]).code == "over_quantity"
    assert refusal(start, some.issued(), lines=[]).code == "validation_failed"


BRAND = Product(
    product_code="MED-043",
    product_name="Analgin",
    active_ingredients=(ActiveIngredient(name="Paracetamol", ingredient="paracetamol"),),
)
OTHER = replace(BRAND, active_ingredients=(ActiveIngredient(name="ibuprofen", ingredient="ibuprofen"),))
UNKNOWN = replace(BRAND, active_ingredients=())
WHOLE = {"substitute": BRAND, "substitute_quantity": 20, "substitution_reason_enum": "OUT_OF_STOCK"}


@pytest.mark.parametrize(
    ("fields", "policy", "allowed", "expected"),
    [
        (WHOLE, "same_ingredient", True, None),
        (WHOLE, "same_ingredient", False, "substitution_not_allowed"),
        (WHOLE, "none", True, "substitution_not_allowed"),
        ({**WHOLE, "substitute": OTHER}, "same_ingredient", True, "substitution_not_allowed"),
        ({**WHOLE, "substitute": UNKNOWN}, "same_ingredient", True, "substitution_not_allowed"),
        ({**WHOLE, "substitute": OTHER}, "any_with_reason", True, None),
        ({**WHOLE, "substitute_quantity": None}, "any_with_reason", True, "substitution_incomplete"),
        ({**WHOLE, "substitute": None}, "any_with_reason", True, "substitution_incomplete"),
        ({**WHOLE, "substitution_reason_enum": None}, "any_with_reason", True, "substitution_incomplete"),
        ({**WHOLE, "substitution_reason_enum": "OTHER"}, "any_with_reason", True, "substitution_incomplete"),
        (
            {**WHOLE, "substitution_reason_enum": "OTHER", "substitution_other_description": "Recall."},
            "any_with_reason",
            True,
            None,
        ),
        (
            {**WHOLE, "substitution_reason_enum": None, "substitution_reason": "Recall."},
            "same_ingredient",
            True,
            None,
        ),
    ],
)
def test_a_substitute_needs_a_reason_and_the_prescribers_and_the_providers_leave(
    fields, policy, allowed, expected
):
    prescription = some.issued(some.item(substitution_allowed=allowed))
    terms = replace(TERMS, substitution_policy=SubstitutionPolicy(policy))

    if expected is None:
        assert start(prescription, terms=terms, lines=[line(TABLETS, 20, **fields)]).live_dispensation
    else:
        assert refusal(start, prescription, terms=terms, lines=[line(TABLETS, 20, **fields)]).code == expected


def test_a_part_is_handed_over_and_the_rest_is_free_for_any_pharmacy():
    part = complete(change(some.started(), PRICED))

    assert (part.status, part.public_status) == (Status.SUBMITTED, "partially_dispensed")
    assert part.remaining_quantity(part.items[0]) == 10
    assert [one.said for one in part.unsaid[-2:]] == [Said.CHANGED, Said.COMPLETED]

    rest = start(part, MOON)
    assert rest.live_dispensation.lines[0].quantity == 10
    assert refusal(start, part, MOON, lines=[line(TABLETS, 11)]).errors[0].details == {
        "remaining_quantity": 10
    }


def test_the_amount_is_the_sum_of_the_lines_and_taxes_in_the_minor_unit():
    held = change(some.started(), PRICED)

    refused = refusal(complete, held, replace(RECEIPT, amount=Decimal("19.05")))
    assert (refused.code, entries(refused)) == ("amount_mismatch", [("amount", "amount_mismatch")])
    assert complete(held).dispensations[0].counts


def test_units_of_a_substitute_are_what_is_paid_for():
    terms = replace(TERMS, substitution_policy=SubstitutionPolicy.ANY_WITH_REASON)
    sold = line(TABLETS, 20, price=Decimal(1), taxes=Decimal(0), **{**WHOLE, "substitute_quantity": 10})
    held = start(some.issued(), id=FIRST, terms=terms, lines=[sold])

    assert refusal(complete, held, replace(RECEIPT, amount=Decimal(20))).code == "amount_mismatch"
    assert complete(held, replace(RECEIPT, amount=Decimal("10.00"))).dispensations[0].counts


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1.005", "GTQ", "1.01"),
        ("1.004999", "EUR", "1.00"),
        ("0.5", "CLP", "1"),
        ("1.0005", "KWD", "1.001"),
        ("2.5", "JPY", "3"),
    ],
)
def test_money_is_rounded_half_up_to_the_minor_unit(amount, currency, expected):
    assert rounded(Decimal(amount), currency) == Decimal(expected)


def test_without_a_price_nobody_knows_the_amount_and_any_is_accepted():
    assert complete(some.started()).status is Status.DISPENSED


def test_an_item_without_quantity_is_dispensed_once_in_the_quantity_that_is_stated():
    prescription = some.issued(some.item(quantity=None))
    assert prescription.remaining_quantity(prescription.items[0]) is None

    refused = refusal(complete, start(prescription, id=FIRST))
    assert (refused.code, entries(refused)) == (
        "quantity_required",
        [("products[0].quantity", "quantity_required")],
    )

    done = complete(start(prescription, id=FIRST, lines=[line(TABLETS, 7)]))
    assert done.status is Status.DISPENSED
    assert (done.dispensed_quantity(done.items[0]), done.remaining_quantity(done.items[0])) == (7, 0)


def test_the_same_receipt_again_changes_nothing_and_another_is_refused():
    done = complete(some.started())

    assert complete(done, replace(RECEIPT, document_serial="A")) is done
    assert complete(done, replace(RECEIPT, amount=Decimal("19.0400"))) is done
    assert refusal(complete, done, replace(RECEIPT, document_number="F-2")).code == "dispensation_completed"
    assert refusal(complete, done, replace(RECEIPT, amount=Decimal(1))).code == "dispensation_completed"


def test_a_dispensation_answers_for_itself_whatever_became_of_the_prescription():
    held = some.started()
    voided = cancelling.cancel(held, reason="Rash.", occasion=at())
    timed_out = clock.as_of(held, later(minutes=30).at)
    cancelled = take_back(held, None)
    completed_then_voided = cancelling.cancel(complete(change(held, PRICED)), reason="Rash.", occasion=at())

    for call in (complete, lambda p: change(p, PRICED)):
        assert (refusal(call, voided).code, refusal(call, voided).cell) == ("prescription_voided", "R4")
        assert (refusal(call, timed_out).code, refusal(call, timed_out).cell) == (
            "dispensation_expired",
            "R6",
        )
        assert refusal(call, cancelled).code == "dispensation_cancelled"
    assert complete(completed_then_voided) is completed_then_voided
    assert take_back(voided) is voided
    assert take_back(cancelled, "REFUND") is cancelled
    assert refusal(take_back, timed_out).code == "dispensation_expired"


def test_a_stranger_does_not_find_it():
    for call in (complete, take_back, lambda p, pharmacy: change(p, PRICED, pharmacy=pharmacy)):
        assert refusal(call, some.started(), pharmacy=MOON).code == "resource_not_found"
    assert refusal(complete, some.started(), id=SECOND).code == "resource_not_found"


def test_after_a_time_out_anybody_may_start_and_the_first_is_told():
    held = some.started()
    freed = clock.as_of(held, later(minutes=30).at)

    assert clock.as_of(held, later(minutes=29, seconds=59).at) is held
    assert freed.dispensations[0].status is DispensationStatus.EXPIRED
    assert freed.unsaid[-1].stopped_by is EndedBy.TIMEOUT
    again = start(freed, MOON, occasion=later(minutes=31))
    assert again.live_dispensation.pharmacy == MOON
    assert refusal(complete, again).code == "dispensation_expired"


def test_what_was_handed_over_comes_back_within_the_window():
    done = complete(some.started())

    assert refusal(take_back, done, None).errors[0].path == "void_reason"
    assert refusal(take_back, done, occasion=later(hours=24, seconds=1)).code == "void_window_closed"
    back = take_back(done, occasion=later(hours=24))
    assert (back.status, back.public_status, back.dispensed_at) == (Status.SUBMITTED, "issued", None)
    assert back.remaining_quantity(back.items[0]) == 30
    assert (back.unsaid[-1].said, back.unsaid[-1].stopped_by) == (Said.STOPPED, EndedBy.PHARMACY)
    assert back.dispensations[0].previous_status is DispensationStatus.COMPLETED


def test_the_terms_of_the_start_decide_about_the_window_and_the_time_out():
    terms = replace(TERMS, timeout_min=5, void_window_h=1)
    held = start(some.issued(), id=FIRST, terms=terms)

    assert held.live_dispensation.expires_at == later(minutes=5).at
    assert refusal(take_back, complete(held), occasion=later(minutes=61)).code == "void_window_closed"


def test_a_voided_prescription_stays_voided_when_goods_come_back():
    voided = cancelling.cancel(complete(change(some.started(), PRICED)), reason="Rash.", occasion=at())
    back = take_back(voided)

    assert back.status is Status.CANCELLED
    assert back.dispensed_quantity(back.items[0]) == 0
    assert [one.said for one in back.unsaid[len(voided.unsaid) :]] == [Said.STOPPED]


def test_a_void_ends_a_live_dispensation_and_tells_it_before_the_end():
    held = some.started()
    voided = cancelling.cancel(held, reason="Rash.", occasion=at())

    stopped, ended = voided.unsaid[-2:]
    assert (stopped.said, stopped.version, stopped.status) == (Said.STOPPED, held.version + 1, "cancelled")
    assert (ended.said, ended.version, ended.status) == (Said.ENDED, held.version + 2, "cancelled")
    assert (stopped.in_dispensing, stopped.stopped_by) == (False, EndedBy.PRESCRIBER)
    assert voided.version == held.version + 2
    claim = voided.dispensations[0]
    assert (claim.void_reason, claim.ended_by) == ("PRESCRIBER_INDICATION", EndedBy.PRESCRIBER)


def test_after_the_validity_with_a_live_dispensation_the_table_rules():
    late = some.VALID_UNTIL - timedelta(minutes=5)
    after = at(some.VALID_UNTIL + timedelta(minutes=5))
    held = clock.as_of(start(some.issued(), id=FIRST, occasion=at(late)), after.at)

    assert start(held, occasion=after) is held
    assert refusal(start, held, MOON, occasion=after).code == "already_being_dispensed"
    assert (
        cancelling.void(held, reason="x", reason_code="ERROR", doctor_id=None, occasion=after).status
        is Status.CANCELLED
    )
    assert complete(held, occasion=after).status is Status.DISPENSED
    part = complete(change(held, PRICED, occasion=after), occasion=after)
    assert part.status is Status.EXPIRED
    assert [one.said for one in part.unsaid[-2:]] == [Said.COMPLETED, Said.ENDED]


def test_a_void_again_is_the_first_one_and_later_states_have_their_own_word():
    voided = cancelling.cancel(some.issued(), reason="Rash.", occasion=at())

    def void(prescription):
        return cancelling.void(
            prescription, reason="Another.", reason_code="ERROR", doctor_id=None, occasion=at()
        )

    assert void(voided) is voided
    assert refusal(void, complete(some.started())).code == "prescription_dispensed"
    expired = clock.as_of(some.issued(), some.VALID_UNTIL + timedelta(seconds=1))
    assert refusal(void, expired).code == "prescription_expired"


def test_a_thousand_starts_that_came_to_nothing_do_not_grow_it():
    prescription = some.issued()
    for number in range(200):
        prescription = take_back(
            start(prescription, id=UUID(int=1000 + number)), None, id=UUID(int=1000 + number)
        )

    assert len(prescription.dispensations) <= dispensing.WITHOUT_EFFECT_MAX + 1


def test_the_last_second_of_the_day_is_the_providers():
    assert clock.end_of_day(some.NOON, days=30, time_zone="America/Guatemala") == some.VALID_UNTIL


def test_a_receipt_is_compared_by_number_and_amount():
    assert RECEIPT.same_as(
        Receipt(amount=Decimal("19.040"), document_number="F-2026-000731", document_date=at().at)
    )
    assert not RECEIPT.same_as(None)

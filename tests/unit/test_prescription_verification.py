"""The issuing provider decides whether the beneficiary is verified, and each verification counts once."""

from dataclasses import replace
from uuid import UUID

import pytest

from services.prescription.domain import dispensing
from services.prescription.domain.dispensation import DispensationStatus, OtpPolicy, Verification
from services.prescription.domain.refusal import Refused
from tests.unit import prescriptions as some
from tests.unit.prescriptions import FIRST, NOON, RECEIPT, SECOND, SUN, TERMS, at, later

OTP = UUID(int=71)
GOOD = Verification(path="otp_verification_token", id=OTP, verified_at=NOON)
BAD = Verification(path="external_verifications[0].value")
MORPHINE = replace(some.PARACETAMOL, controlled_schedule="II")


def start(policy=OtpPolicy.ALWAYS, *shown, item=None, prescription=None, id=FIRST, **other):
    return dispensing.start(
        prescription or some.issued(item or some.item()),
        dispensation_id=id,
        pharmacy=SUN,
        terms=replace(TERMS, otp_policy=policy),
        occasion=at(),
        shown=shown,
        **other,
    )


def complete(prescription, *shown, receipt=RECEIPT):
    return dispensing.complete(
        prescription,
        dispensation_id=FIRST,
        pharmacy=SUN,
        receipt=receipt,
        occasion=later(minutes=1),
        shown=shown,
    )


def refusal(act, *args, **other):
    with pytest.raises(Refused) as caught:
        act(*args, **other)
    return caught.value.code, [(one.path, one.code) for one in caught.value.errors]


@pytest.mark.parametrize(
    ("policy", "product", "demanded"),
    [
        (OtpPolicy.NEVER, MORPHINE, False),
        (OtpPolicy.CONTROLLED, some.PARACETAMOL, False),
        (OtpPolicy.CONTROLLED, MORPHINE, True),
        (OtpPolicy.ALWAYS, some.PARACETAMOL, True),
    ],
)
def test_the_policy_at_the_start_decides(policy, product, demanded):
    (claim,) = start(policy, item=some.item(product=product)).dispensations

    assert claim.verification_required is demanded


def test_nothing_is_handed_over_before_the_beneficiary_is_verified():
    assert refusal(complete, start()) == (
        "verification_required",
        [("otp_verification_token", "verification_required")],
    )


def test_what_does_not_hold_is_refused_where_it_stood():
    assert refusal(complete, start(), BAD) == (
        "verification_invalid",
        [("external_verifications[0].value", "verification_invalid")],
    )
    assert refusal(start, OtpPolicy.ALWAYS, BAD)[0] == "verification_invalid"


def test_a_wrong_amount_and_a_missing_verification_are_told_together():
    priced = some.line(price=some.Decimal("0.85"), taxes=some.Decimal("2.04"))

    code, errors = refusal(
        complete, start(lines=[priced]), receipt=replace(RECEIPT, amount=some.Decimal("1"))
    )

    assert code == "validation_failed"
    assert errors == [("amount", "amount_mismatch"), ("otp_verification_token", "verification_required")]


def test_a_verification_that_holds_lets_it_be_completed_and_is_remembered():
    (claim,) = complete(start(), BAD, GOOD).dispensations

    assert (claim.status, claim.verified_by, claim.verified_at) == (DispensationStatus.COMPLETED, OTP, NOON)


def test_a_claim_that_was_verified_at_its_start_needs_nothing_more():
    (claim,) = complete(start(OtpPolicy.ALWAYS, GOOD)).dispensations

    assert claim.verified_by == OTP


def test_where_nothing_is_demanded_what_is_shown_is_ignored():
    begun = start(OtpPolicy.NEVER, BAD)
    (claim,) = complete(begun, GOOD).dispensations

    assert (claim.verified_by, claim.verification_required) == (None, False)


def test_a_start_repeated_with_the_verification_brings_it():
    begun = start()

    again = start(OtpPolicy.NEVER, GOOD, prescription=begun, id=SECOND)

    (claim,) = again.dispensations
    assert (claim.id, claim.verified_by) == (FIRST, OTP)
    assert again.version == begun.version + 1
    assert start(prescription=again, id=SECOND) is again


def test_a_completion_repeated_asks_for_no_verification():
    done = complete(start(), GOOD)

    assert complete(done) is done


def test_nothing_is_marked_as_dispensed_elsewhere_where_a_verification_is_demanded():
    with pytest.raises(Refused) as caught:
        dispensing.dispensed_elsewhere(
            some.issued(),
            dispensation_id=SECOND,
            pharmacy=SUN,
            terms=replace(TERMS, otp_policy=OtpPolicy.ALWAYS),
            occasion=at(),
        )

    assert (caught.value.code, caught.value.details) == ("policy_refused", {"policy": "otp"})

"""Every change of status in every state, with the conditions of its step; and how signatures end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.prescription.domain import (
    cancelling,
    checking,
    clock,
    dispensing,
    editing,
    history,
    signing,
    steps,
)
from services.prescription.domain.dispensation import OtpPolicy
from services.prescription.domain.history import Action
from services.prescription.domain.patient import (
    FOR_EVER,
    Facts,
    Patient,
    current_after_all,
    in_force_until,
    is_current,
)
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Failing, Refused
from services.prescription.domain.requests import SignRequest
from services.prescription.domain.safety import Severity
from services.prescription.domain.signature import SignatureStatus
from services.prescription.domain.state_table import ASKED_FOR, STATE_TABLE, Column, Status
from services.prescription.domain.steps import Conditions, SignerPolicy
from tests.unit import prescriptions as some
from tests.unit.prescriptions import VALID_UNTIL, at

OTHER_DOCTOR = UUID(int=7)
DEADLINE = some.NOON + timedelta(minutes=15)
OPEN = Conditions()

Step = Callable[[Prescription, Conditions], Prescription]


def sign(prescription: Prescription, conditions: Conditions = OPEN, **other: object) -> Prescription:
    return steps.sign(
        prescription,
        **{
            "signed_by": some.DOCTOR,
            "request": SignRequest(occasion=at(), deadline=DEADLINE),
            "conditions": conditions,
            "occasion": at(),
            **other,
        },
    )


STEPS: dict[Status, Step] = {
    Status.DRAFT: lambda p, _: editing.refuse_target(p, Status.DRAFT),
    Status.EXPIRED: lambda p, _: editing.refuse_target(p, Status.EXPIRED),
    Status.PENDING_REVIEW: lambda p, _: editing.submit_for_review(p, occasion=at()),
    Status.VALIDATED: lambda p, c: steps.validate(p, valid_until=VALID_UNTIL, conditions=c, occasion=at()),
    Status.SIGNED: sign,
    Status.SUBMITTED: lambda p, c: steps.submit(p, document_id=some.DOCUMENT, conditions=c, occasion=at()),
    Status.DISPENSED: lambda p, _: dispensing.dispensed_elsewhere(
        p, dispensation_id=some.SECOND, pharmacy=some.SUN, terms=some.TERMS, occasion=at()
    ),
    Status.CANCELLED: lambda p, _: cancelling.cancel(p, reason="Rash.", occasion=at()),
}
CELLS = [(target, column) for target in STEPS for column in Column]


def refused_by(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value


@pytest.mark.parametrize(("target", "column"), CELLS, ids=[f"{t} on {c}" for t, c in CELLS])
def test_a_step_is_refused_by_its_cell_before_anything_else_is_looked_at(target, column):
    """Who asks in the wrong state hears of the state, though nobody is active and everything is forbidden."""
    nothing_holds = Conditions(
        refused_statuses=frozenset(Status),
        references=(Failing("patient_id", "inactive_reference", "Not active."),),
    )
    cell = STATE_TABLE[ASKED_FOR[target], column]
    prescription = some.in_column(column)

    if cell.accepted:
        assert STEPS[target](prescription, OPEN).column is cell.target
        return
    refused = refused_by(lambda: STEPS[target](prescription, nothing_holds))

    assert refused.cell == cell.refusals[0]
    if refused.code == "invalid_transition":
        assert refused.details["from"] == prescription.status
        assert refused.details["to"] == target


@pytest.mark.parametrize(
    ("step", "column", "looks_at_validity"),
    [
        (Status.VALIDATED, Column.PENDING_REVIEW, False),
        (Status.SIGNED, Column.VALIDATED, True),
        (Status.SUBMITTED, Column.SIGNED, True),
    ],
)
def test_policies_and_validity_forbid_what_the_table_allows(step, column, looks_at_validity):
    forbids = Conditions(refused_statuses=frozenset({step}))
    over = replace(some.in_column(column), valid_until=some.NOON)

    refused = refused_by(lambda: STEPS[step](some.in_column(column), forbids))
    assert (refused.code, refused.details) == ("policy_refused", {"policy": "refused_statuses"})
    if looks_at_validity:
        assert refused_by(lambda: STEPS[step](over, forbids)).code == "prescription_expired"


def test_a_review_needs_items_that_say_what_a_reviewer_must_know():
    bare = some.item(posology=None, dosage="500mg")

    empty = refused_by(lambda: editing.submit_for_review(replace(some.draft(), items=()), occasion=at()))
    incomplete = refused_by(lambda: editing.submit_for_review(some.draft(bare), occasion=at()))

    assert empty.code == "items_required"
    assert (incomplete.code, incomplete.details["items"]) == (
        "items_incomplete",
        [{"id": str(some.TABLETS), "missing_fields": ["route", "frequency"]}],
    )


@pytest.mark.parametrize(("valid_until", "code"), [(None, "missing"), (some.NOON, "not_in_future")])
def test_an_approval_says_until_when_it_is_valid_and_for_people_who_are_still_there(valid_until, code):
    pending = some.in_column(Column.PENDING_REVIEW)
    gone = Conditions(references=(Failing("doctor_id", "inactive_reference", "Not active."),))

    assert [
        one.code
        for one in refused_by(
            lambda: steps.validate(pending, valid_until=valid_until, conditions=OPEN, occasion=at())
        ).errors
    ] == [code]
    assert refused_by(lambda: STEPS[Status.VALIDATED](pending, gone)).code == "inactive_reference"


def test_only_the_prescriber_signs_unless_the_provider_lets_any_doctor():
    validated = some.in_column(Column.VALIDATED)
    anybody = Conditions(signer_policy=SignerPolicy.ANY_ACTIVE_DOCTOR)

    refused = refused_by(lambda: sign(validated, signed_by=OTHER_DOCTOR))
    assert [(one.path, one.code) for one in refused.errors] == [("signed_by", "signer_not_allowed")]
    assert refused_by(lambda: sign(validated, signed_by=None)).errors[0].code == "missing"
    assert sign(validated, anybody, signed_by=OTHER_DOCTOR).signature.signed_by == OTHER_DOCTOR


def checked(prescription: Prescription, *severities: Severity) -> Prescription:
    findings = [some.finding(one, id=UUID(int=60 + n)) for n, one in enumerate(severities)]
    verdict = some.verdict(
        *findings, asked_with=replace(some.ASKED, content_version=prescription.content_version)
    )
    return checking.store_verdict(prescription, verdict, some.KEYS, at())


@pytest.mark.parametrize("severity", list(Severity))
def test_what_blocks_a_signature_blocks_the_release_too(severity):
    blocks = severity in (Severity.CRITICAL, Severity.CONTRAINDICATED)

    begun = checked(sign(some.in_column(Column.VALIDATED)), severity)
    signed = checked(some.in_column(Column.SIGNED), severity)

    objection = signing.objection(begun, at(), signer_active=True)
    assert (objection is not None and objection.code) == (blocks and "unacknowledged_interactions")
    if blocks:
        refused = refused_by(lambda: STEPS[Status.SUBMITTED](signed, OPEN))
        assert refused.details["interactions"] == [{"id": str(UUID(int=60)), "severity": severity.value}]
    else:
        assert STEPS[Status.SUBMITTED](signed, OPEN).status is Status.SUBMITTED


def test_a_withdrawn_attempt_leaves_the_signature_as_it_was():
    failed = signing.after_failure(
        signing.sealing(sign(some.in_column(Column.VALIDATED)), some.CODE),
        signing.SIGNING_REFUSED,
        number=1,
        occasion=at(),
    )
    again = checked(sign(failed), Severity.CRITICAL)
    refusal = signing.objection(again, at(), signer_active=True)

    withdrawn = signing.withdraw(again, refusal, at())

    assert (withdrawn.signature, withdrawn.code) == (failed.signature, some.CODE)
    assert signing.ended(again, withdrawn) == again.sign_request
    assert [one.note.action for one in withdrawn.unsaved[-2:]] == [
        Action.SIGNING_FAILED,
        Action.ATTEMPT_REFUSED,
    ]
    assert history.replay(withdrawn.unsaved).signing is False


ENDINGS: dict[str, tuple[Callable[[Prescription], Prescription], str | None, SignatureStatus]] = {
    "sealed": (
        lambda p: signing.after_seal(p, some.SEAL, number=1, occasion=at()),
        None,
        SignatureStatus.COMPLETED,
    ),
    "refused": (
        lambda p: signing.after_failure(p, signing.SIGNING_REFUSED, number=1, occasion=at()),
        "signing_refused",
        SignatureStatus.FAILED,
    ),
    "given up": (lambda p: clock.as_of(p, DEADLINE), "dependency_unavailable", SignatureStatus.FAILED),
    "cancelled": (
        lambda p: cancelling.cancel(p, reason="Rash.", occasion=at()),
        "invalid_transition",
        SignatureStatus.VOID,
    ),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_request_for_a_signature_ends_once_and_is_told_why(how):
    end, code, status = ENDINGS[how]
    sealing = signing.sealing(sign(some.in_column(Column.VALIDATED)), some.CODE)

    ended = end(sealing)

    refusal = signing.refusal(sealing, ended)
    assert signing.ended(sealing, ended) == sealing.sign_request
    assert (refusal.code if refusal else None, ended.signature.status) == (code, status)
    assert signing.ended(ended, clock.as_of(ended, DEADLINE)) is None
    if how != "sealed":
        late = signing.after_seal(ended, some.SEAL, number=1, occasion=at())
        assert late.signed is False
        assert late.version == ended.version


def test_before_its_deadline_a_signature_is_waited_for_and_the_clock_knows_until_when():
    begun = sign(some.in_column(Column.VALIDATED))

    assert clock.next_due(begun) == DEADLINE
    assert clock.as_of(begun, DEADLINE - timedelta(seconds=1)) is begun
    unchecked = clock.as_of(begun, DEADLINE)
    assert signing.refusal(begun, unchecked).code == "safety_check_failed"
    assert (unchecked.signature, clock.next_due(unchecked)) == (None, None)


def test_somebody_who_asks_again_at_the_deadline_does_not_hide_how_the_first_attempt_ended():
    first = signing.sealing(sign(some.in_column(Column.VALIDATED)), some.CODE)
    request = SignRequest(occasion=replace(at(DEADLINE), request_id=UUID(int=6)))

    second = sign(clock.as_of(first, DEADLINE), request=request)

    assert signing.ended(first, second) == first.sign_request
    assert signing.refusal(first, second).code == "dependency_unavailable"
    assert (second.column, second.signature.number) == (Column.SIGNING, 2)


def test_who_begins_to_sign_comes_into_force_and_its_own_check_outlasts_that():
    patient = Patient(tenant_id=some.CLINIC, id=some.PATIENT, facts=Facts(version=1), in_force_version=1)
    validated = checked(some.in_column(Column.VALIDATED), Severity.MINOR)
    assert (in_force_until(validated), is_current(validated, patient, None)) == (None, True)

    begun = sign(validated)

    assert in_force_until(begun) == FOR_EVER
    assert is_current(current_after_all(begun, patient), patient.entered_or_left(), None)
    assert not is_current(begun, patient.entered_or_left(), None)


@pytest.mark.parametrize(
    ("policy", "kind", "demanded"),
    [
        (OtpPolicy.NEVER, "controlled", False),
        (OtpPolicy.CONTROLLED, "standard", False),
        (OtpPolicy.CONTROLLED, "controlled", True),
        (OtpPolicy.ALWAYS, "standard", True),
    ],
)
def test_nothing_is_dispensed_elsewhere_where_a_password_is_demanded(policy, kind, demanded):
    submitted = replace(some.in_column(Column.SUBMITTED), prescription_type=kind)
    terms = replace(some.TERMS, otp_policy=policy)

    def dispense() -> Prescription:
        return dispensing.dispensed_elsewhere(
            submitted, dispensation_id=some.SECOND, pharmacy=some.SUN, terms=terms, occasion=at()
        )

    if demanded:
        refused = refused_by(dispense)
        assert (refused.code, refused.details) == ("policy_refused", {"policy": "otp"})
    else:
        assert dispense().status is Status.DISPENSED


def test_an_expired_prescription_is_found_so_by_a_step_asked_for_later():
    late = clock.as_of(some.in_column(Column.SUBMITTED), VALID_UNTIL + timedelta(seconds=1))

    refused = refused_by(lambda: STEPS[Status.DISPENSED](late, OPEN))

    assert (refused.code, refused.details["from"]) == ("invalid_transition", "expired")
    assert refused.details["allowed"] == []

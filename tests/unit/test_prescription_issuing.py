"""One request from order to release, and what may stop it on the way."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.prescription.domain import cancelling, delivery, history, issuing, patient
from services.prescription.domain.history import Action
from services.prescription.domain.patient import Facts, Patient
from services.prescription.domain.prescription import Said
from services.prescription.domain.refusal import Refused
from services.prescription.domain.safety import (
    WORST_FIRST,
    Acknowledgement,
    KeyMaker,
    SafetyPolicy,
    Severity,
    at_or_above,
)
from services.prescription.domain.state_table import Column, Status
from tests.unit import prescriptions as some
from tests.unit.prescriptions import ASKED, CODE, KEYS, NOON, at, finding, later, verdict


def checked(order, *findings):
    return issuing.after_verdict(order, verdict(*findings), KEYS, at())


def objection(prescription, *, now=None, doctor_active=True):
    return issuing.objection(prescription, now or at(), doctor_active=doctor_active)


def test_an_order_is_hidden_until_its_last_step():
    order = some.order()
    sealing = issuing.proceed(checked(order), at())
    issued = some.issued()

    assert (order.hidden, order.column) == (True, Column.DRAFT)
    assert (sealing.hidden, sealing.column, sealing.code) == (True, Column.SIGNING, CODE)
    assert (issued.hidden, issued.status, issued.issued_at) == (False, Status.SUBMITTED, NOON)
    assert order.unsaid == sealing.unsaid == ()
    assert [(one.said, one.status, one.version) for one in issued.unsaid] == [
        (Said.RELEASED, "issued", issued.version)
    ]


def test_its_history_tells_every_step_of_the_chain():
    entries = some.issued().unsaved

    assert [one.to_status for one in entries if one.to_status] == [
        Status.PENDING_REVIEW,
        Status.VALIDATED,
        Status.SIGNED,
        Status.SUBMITTED,
    ]
    assert history.replay(entries).status is Status.SUBMITTED


def test_an_unacknowledged_blocking_finding_is_refused_at_the_later_of_its_lines():
    syrup = some.item(some.SYRUP, position=2)
    graver = finding(item_ids=(some.TABLETS, some.SYRUP))
    milder = finding(Severity.MAJOR, id=UUID(int=42))

    prescription = checked(some.order(some.item(), syrup), milder, graver)
    refused = objection(prescription)

    assert refused.code == "safety_blocked"
    assert [(one.path, one.code) for one in refused.errors] == [("medications[1]", "safety_blocked")]
    assert refused.errors[0].details == {"finding_key": KEYS.key(graver)}
    assert [one.severity for one in prescription.findings] == [Severity.CRITICAL, Severity.MAJOR]


def test_advice_alone_stops_nothing():
    assert objection(checked(some.order(policy=SafetyPolicy.ADVISE), finding())) is None


def acknowledging(*keys):
    return some.order(
        acknowledgements=tuple(Acknowledgement(key, some.DOCTOR, NOON, "Stent.") for key in keys)
    )


@pytest.mark.parametrize("acknowledged", Severity)
@pytest.mark.parametrize("found", Severity)
def test_an_acknowledgement_covers_the_same_finding_at_the_same_or_a_lower_severity(acknowledged, found):
    key = KEYS.key(finding(acknowledged))

    prescription = checked(acknowledging(key), finding(found))

    covered = acknowledged in at_or_above(found)
    assert (prescription.findings[0].acknowledgement is not None) is covered
    assert prescription.unmatched_keys == (() if covered else (key,))
    assert (objection(prescription) is None) is (covered or not finding(found).blocking)


def test_a_key_speaks_of_one_patient_one_kind_of_finding_and_its_ingredients():
    key = KEYS.key(finding())
    others = [
        replace(KEYS, patient_id=UUID(int=98)).key(finding()),
        replace(KEYS, tenant_id=UUID(int=98)).key(finding()),
        KeyMaker(b"another secret", KEYS.tenant_id, KEYS.patient_id).key(finding()),
        KEYS.key(finding(interaction_type="pharmacokinetic")),
        KEYS.key(finding(ingredients=("warfarin", "ibuprofen"))),
        KEYS.key(finding(Severity.CONTRAINDICATED)),
    ]

    assert len({key, *others}) == 7
    assert KEYS.key(finding(ingredients=("warfarin", "acetylsalicylic-acid"), id=UUID(int=9))) == key


def test_two_drugs_that_nobody_could_resolve_have_two_keys():
    one = finding(interaction_type="unverified_medication", ingredients=(), drug_a="QUIMERICINA")
    other = replace(one, drug_a="FANTASIOL")

    assert KEYS.key(one) != KEYS.key(other)


def test_keys_that_meet_nothing_are_listed_and_harmless():
    prescription = checked(acknowledging("k1:critical:feed", "k1:critical:feed"), finding(Severity.MINOR))

    assert prescription.unmatched_keys == ("k1:critical:feed",)
    assert objection(prescription) is None


def test_a_verdict_on_other_content_changes_nothing():
    order = replace(some.order(), content_version=2)

    assert checked(order) is order


def test_what_comes_too_late_ends_without_effect():
    prescription = checked(some.order())

    assert objection(prescription, now=later(minutes=15)).code == "dependency_unavailable"
    assert (
        issuing.objection_to_release(prescription, later(minutes=15), doctor_active=True).code
        == "dependency_unavailable"
    )
    with pytest.raises(Refused) as refused:
        issuing.begin(replace(some.order(), version=0), ASKED, later(minutes=16))
    assert refused.value.code == "dependency_unavailable"
    soon_over = replace(prescription, valid_until=NOON + timedelta(minutes=1))
    assert objection(soon_over, now=later(minutes=2)).code == "prescription_expired"


def test_a_doctor_suspended_meanwhile_signs_nothing():
    order = checked(some.order())

    assert objection(order, doctor_active=False).code == "doctor_registration_inactive"
    release = issuing.objection_to_release(order, at(), doctor_active=False)
    assert release is not None
    assert release.code == "doctor_registration_inactive"


def test_an_order_with_an_incomplete_item_is_refused_at_once():
    with pytest.raises(Refused) as refused:
        some.order(some.item(posology=None, dosage="500 mg"))

    assert refused.value.code == "items_incomplete"


def test_a_second_seal_changes_nothing():
    issued = some.issued()

    again = issuing.after_seal(issued, some.SEAL, number=1, document_id=some.DOCUMENT, now=at())

    assert again is issued


def test_a_refused_issue_leaves_its_history():
    prescription = checked(some.order(), finding())
    left = issuing.refused(prescription, objection(prescription), at())

    assert (left.unsaved[-1].note.action, left.unsaved[-1].note.error) == (
        Action.ATTEMPT_REFUSED,
        "safety_blocked",
    )
    assert [one.rule_id for one in left.unsaved[-2].note.findings] == ["f:acetylsalicylic-acid:warfarin"]


KNOWN = Patient(tenant_id=some.CLINIC, id=some.PATIENT, facts=Facts(version=1), in_force_version=1)
OTHER = UUID(int=60)


def counts(patient_row=KNOWN, prescription=None, *findings, in_force=frozenset()):
    return patient.counts(verdict(*findings), prescription or some.order(), patient_row, in_force)


def test_a_verdict_counts_while_content_and_facts_are_what_it_was_asked_with():
    assert counts()
    assert not counts(KNOWN.told(Facts(version=2)))
    assert not counts(KNOWN, replace(some.order(), content_version=2))


def test_what_came_into_force_after_the_question_takes_nothing_from_its_answer():
    assert counts(KNOWN.entered_or_left())


def test_a_blocking_finding_about_something_that_has_left_is_asked_again():
    about_another = finding(other_prescription_id=OTHER)

    assert not counts(KNOWN, None, about_another)
    assert counts(KNOWN, None, about_another, in_force=frozenset({OTHER}))
    assert counts(KNOWN, None, finding(Severity.MAJOR, other_prescription_id=OTHER))


def test_older_facts_never_replace_newer_ones():
    newer = KNOWN.told(Facts(version=3, sex="FEMALE"))

    assert newer.told(Facts(version=2, sex="MALE")).facts == Facts(version=3, sex="FEMALE")


def test_in_force_is_what_is_issued_and_what_was_handed_over_until_the_treatment_ends():
    issued = some.issued()
    done = some.completed(some.started())

    assert patient.in_force_until(some.draft()) is None
    assert patient.in_force_until(some.order()) == patient.FOR_EVER
    assert patient.in_force_until(issued) == patient.FOR_EVER
    assert patient.in_force_until(cancelling.cancel(issued, reason="x", occasion=at())) is None
    assert patient.in_force_until(done) == NOON + timedelta(days=10)
    unknown = some.completed(some.started(some.item(duration_days=None)))
    assert patient.in_force_until(unknown) == NOON + timedelta(days=30)


def resend(prescription, occasion=None, address="ana@example.org"):
    return delivery.resend(prescription, address=address, occasion=occasion or at())


def test_a_prescription_is_sent_again_five_times_in_any_hour():
    prescription = some.issued()
    for minute in range(5):
        prescription = resend(prescription, later(minutes=minute))

    with pytest.raises(Refused) as refused:
        resend(prescription, later(minutes=30))
    assert refused.value.code == "rate_limited"
    assert refused.value.details == {"retry_after_seconds": 30 * 60 + 1}
    assert resend(prescription, later(minutes=60)).resent_at[-1] == later(minutes=60).at


def test_only_what_is_issued_is_sent_and_only_where_there_is_an_address():
    with pytest.raises(Refused) as refused:
        resend(some.issued(), address=None)
    assert refused.value.code == "no_contact_for_channel"
    for column, code in (
        (Column.DRAFT, "prescription_not_issued"),
        (Column.CANCELLED, "prescription_voided"),
        (Column.EXPIRED, "prescription_expired"),
    ):
        with pytest.raises(Refused) as refused:
            resend(some.in_column(column))
        assert refused.value.code == code
    assert resend(some.in_column(Column.DISPENSED)).resent_at


def test_a_look_is_written_down_and_raises_no_version():
    issued = some.issued()
    looked = delivery.note_access(issued, "code_lookup", occasion=at())

    assert (looked.version, looked.revision) == (issued.version, issued.revision + 1)
    assert looked.unsaved[-1].note.action is Action.CODE_LOOKED_UP


def test_worst_comes_first():
    assert [severity.value for severity in WORST_FIRST] == [
        "contraindicated",
        "critical",
        "major",
        "moderate",
        "minor",
    ]

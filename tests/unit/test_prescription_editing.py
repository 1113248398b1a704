"""What a draft becomes when it is edited, which findings go on, and who waits for a check."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.prescription.domain import checking, continuing, editing, patient, waiting
from services.prescription.domain.items import days_of
from services.prescription.domain.prescription import CheckStatus
from services.prescription.domain.refusal import Refused
from services.prescription.domain.safety import Acknowledgement, AskedWith, Severity
from services.prescription.domain.state_table import Column
from tests.unit import prescriptions as some
from tests.unit.prescriptions import DOCTOR, NOON, SYRUP, TABLETS, VALID_UNTIL, at, later

KNOWN = patient.Patient(tenant_id=some.CLINIC, id=some.PATIENT, facts=patient.Facts(version=1))


def asked(prescription, *, facts_version: int = 1) -> AskedWith:
    return AskedWith(
        content_version=prescription.content_version, facts_version=facts_version, in_force_version=0
    )


def checked(prescription, *findings):
    asking = checking.ask(prescription, asked(prescription), at(), since=prescription)
    verdict = some.verdict(*findings, asked_with=asked(prescription))
    return checking.store_verdict(asking, verdict, some.KEYS, at(), since=asking)


def acknowledged(finding, severity: Severity):
    answered = Acknowledgement(finding.key, DOCTOR, NOON, None, severity)
    return replace(finding, acknowledgement=answered)


@pytest.mark.parametrize(
    ("said", "days"),
    [
        ("7 dias", 7),
        ("por 10 días", 10),
        ("2 semanas", 14),
        ("1 mes", 30),
        ("3 meses", 90),
        ("1 mês", 30),
        ("5 days", 5),
        ("2 weeks.", 14),
        ("10d", 10),
        ("0 dias", None),
        ("uso contínuo", None),
        ("7", None),
        ("7 dias ou mais", None),
        ("", None),
        (None, None),
    ],
)
def test_of_free_text_only_a_number_of_days_weeks_or_months_is_a_duration(said, days):
    assert days_of(said) == days


def test_a_place_that_was_left_is_not_taken_again():
    draft = editing.remove_item(some.in_column(some.Column.DRAFT), SYRUP, occasion=at())
    removed_last = editing.add_item(draft, some.item(UUID(int=91)), items_max=30, occasion=at())
    once_more = editing.remove_item(removed_last, UUID(int=91), occasion=at())

    assert [one.position for one in removed_last.items] == [1, 2]
    after = editing.add_item(once_more, some.item(UUID(int=92)), items_max=30, occasion=at())
    assert [one.position for one in after.items] == [1, 3]


def test_an_unchanged_validity_may_be_over_and_a_new_one_may_not():
    draft = some.draft()
    long_after = at(VALID_UNTIL + timedelta(days=1))
    kept = editing.change_metadata(
        draft,
        notes="Con comida.",
        valid_until=VALID_UNTIL,
        prescription_type="standard",
        occasion=long_after,
    )

    assert (kept.notes, kept.valid_until) == ("Con comida.", VALID_UNTIL)
    with pytest.raises(Refused) as refused:
        editing.change_metadata(
            draft, notes=None, valid_until=NOON, prescription_type="standard", occasion=at()
        )
    assert refused.value.code == "not_in_future"


def test_one_commit_is_one_version_whatever_it_brings_with_it():
    draft = some.draft()
    edited = editing.change_item(draft, some.item(quantity=7), occasion=at())
    after = checking.after_edit(edited, asked(edited), at(), since=draft)

    assert (after.version, after.revision) == (draft.version + 1, draft.revision + 2)
    assert {one.version for one in after.unsaved[-2:]} == {after.version}


def test_the_status_of_a_check_follows_what_it_was_made_of():
    draft = some.draft()
    current = checked(draft)
    edited = editing.change_item(current, some.item(quantity=7), occasion=at())
    pending = checking.after_edit(edited, asked(edited), at(), since=current)
    words = editing.change_item(current, replace(current.items[0], instructions="Con comida."), occasion=at())

    assert [one.check_status for one in (draft, current, edited, pending, words)] == [
        CheckStatus.NEVER_RUN,
        CheckStatus.CURRENT,
        CheckStatus.STALE,
        CheckStatus.PENDING,
        CheckStatus.CURRENT,
    ]


def test_what_was_being_checked_and_says_something_else_now_is_being_checked_no_more():
    draft = some.draft()
    pending = checking.ask(draft, asked(draft), at(), since=draft)
    emptied = editing.remove_item(pending, TABLETS, occasion=at())

    after = checking.after_edit(emptied, asked(emptied), at(), since=pending)

    assert (pending.check_status, after.check_status) == (CheckStatus.PENDING, CheckStatus.NEVER_RUN)


@pytest.mark.parametrize(
    ("facts_version", "in_force_version", "knowledge_base", "current"),
    [
        (1, 0, None, True),
        (1, 0, "2026.11.1", True),
        (2, 0, "2026.11.1", False),
        (1, 1, "2026.11.1", False),
        (1, 0, "2026.12.1", False),
    ],
)
def test_a_check_is_current_while_facts_what_is_in_force_and_knowledge_are_the_same(
    facts_version, in_force_version, knowledge_base, current
):
    now = replace(KNOWN, facts=patient.Facts(version=facts_version), in_force_version=in_force_version)
    prescription = checked(some.draft())

    assert patient.is_current(prescription, now, knowledge_base) is current
    assert patient.needs_asking(prescription, now, knowledge_base) is not current


def test_from_the_signature_on_the_check_is_frozen_as_current():
    signed = some.in_column(some.Column.SIGNED)
    asking = checking.request(signed, asked(signed), at(), deadline=NOON + timedelta(minutes=15))

    assert (signed.check_status, asking.check_status) == (CheckStatus.CURRENT, CheckStatus.CURRENT)
    assert asking.version == signed.version


# Which findings go on


@pytest.mark.parametrize(
    ("stored", "answered_at", "found", "goes_on"),
    [
        (Severity.MAJOR, None, Severity.MAJOR, True),
        (Severity.MAJOR, None, Severity.MINOR, True),
        (Severity.MAJOR, None, Severity.CRITICAL, False),
        (Severity.MINOR, Severity.CRITICAL, Severity.CRITICAL, True),
        (Severity.MINOR, Severity.CRITICAL, Severity.CONTRAINDICATED, False),
        (Severity.MAJOR, Severity.MAJOR, Severity.CRITICAL, False),
    ],
)
def test_a_finding_goes_on_while_it_is_no_graver_than_what_was_known_of_it(
    stored, answered_at, found, goes_on
):
    before = some.finding(stored)
    if answered_at:
        before = acknowledged(before, answered_at)
    new = some.finding(found, id=UUID(int=42), detected_at=NOON + timedelta(hours=1))

    (after,) = continuing.continued(some.verdict(before), [some.item()], [new])

    assert (after.id == before.id) is goes_on
    assert (after.detected_at == before.detected_at) is goes_on
    assert (after.acknowledgement is not None) is (goes_on and answered_at is not None)
    assert after.severity is found


@pytest.mark.parametrize(
    "other",
    [
        {"interaction_type": "dose"},
        {"ingredients": ("acetylsalicylic-acid",)},
        {"item_ids": (TABLETS, SYRUP)},
        {"other_prescription_id": UUID(int=77)},
    ],
)
def test_a_finding_about_something_else_is_a_new_one(other):
    before = some.finding()
    new = some.finding(id=UUID(int=42), **other)

    (after,) = continuing.continued(some.verdict(before), [some.item()], [new])

    assert after.id == new.id


@pytest.mark.parametrize(
    ("said", "other"),
    [
        ({"interaction_type": "allergy", "drug_b": "PENICILINAS"}, {"drug_b": "AMOXICILINA"}),
        ({"interaction_type": "contraindication", "rule_id": "age"}, {"rule_id": "pregnancy"}),
    ],
    ids=["allergen", "fact about the patient"],
)
def test_a_drug_with_another_allergen_or_another_fact_about_the_patient_is_another_pair(said, other):
    one_drug = {**said, "ingredients": ("amoxicillin",)}
    seen = acknowledged(some.finding(**one_drug), Severity.CRITICAL)
    new = some.finding(Severity.MAJOR, id=UUID(int=42), **{**one_drug, **other})
    again = some.finding(Severity.MAJOR, id=UUID(int=43), **one_drug)

    (unseen,) = continuing.continued(some.verdict(seen), [some.item()], [new])
    (same,) = continuing.continued(some.verdict(seen), [some.item()], [again])

    assert unseen == new
    assert (same.id, same.acknowledgement) == (seen.id, seen.acknowledgement)


def test_a_finding_by_another_rule_about_the_same_goes_on():
    new = some.finding(id=UUID(int=42), rule_id="g:anticoagulants")

    (after,) = continuing.continued(some.verdict(some.finding()), [some.item()], [new])

    assert (after.id, after.rule_id) == (some.finding().id, "g:anticoagulants")


def test_of_two_that_speak_of_the_same_each_goes_on_once_and_by_its_own_rule():
    one, two = (some.finding(id=UUID(int=n), rule_id=rule) for n, rule in ((51, "f:a"), (52, "f:b")))
    rules = ((61, "f:b"), (62, "g:c"), (63, "g:d"))
    new = [some.finding(id=UUID(int=n), rule_id=rule) for n, rule in rules]

    after = continuing.continued(some.verdict(one, two), [some.item()], new)

    assert [found.id for found in after] == [two.id, one.id, UUID(int=63)]


def test_what_a_doctor_answered_for_stays_with_its_rule_and_goes_to_none_that_is_new():
    seen = acknowledged(some.finding(id=UUID(int=51), rule_id="f:a"), Severity.CRITICAL)
    new = [some.finding(id=UUID(int=n), rule_id=rule) for n, rule in ((61, "g:b"), (62, "f:a"))]

    unseen, again = continuing.continued(some.verdict(seen), [some.item()], new)

    assert (again.id, again.acknowledgement) == (seen.id, seen.acknowledgement)
    assert (unseen.id, unseen.acknowledgement) == (UUID(int=61), None)


def test_what_became_graver_leaves_its_answer_to_no_other_rule():
    seen = acknowledged(some.finding(id=UUID(int=51), rule_id="f:a"), Severity.CRITICAL)
    graver = some.finding(Severity.CONTRAINDICATED, id=UUID(int=61), rule_id="f:a")
    new = some.finding(id=UUID(int=62), rule_id="g:b")

    after = continuing.continued(some.verdict(seen), [some.item()], [graver, new])

    assert after == (graver, new)


@pytest.mark.parametrize(
    "column",
    [Column.SIGNED, Column.SUBMITTED, Column.DISPENSING, Column.DISPENSED, Column.CANCELLED, Column.EXPIRED],
)
def test_the_check_of_what_was_signed_reads_as_current_while_another_runs(column):
    signed = some.in_column(column)

    assert replace(signed, check_asked=asked(signed)).check_status is CheckStatus.CURRENT


def test_a_finding_about_an_item_that_changed_since_the_check_is_a_new_one():
    draft = checked(some.draft(some.item(), some.item(SYRUP, position=2)), some.finding())
    (before,) = draft.findings
    other = editing.change_item(draft, some.item(SYRUP, quantity=1), occasion=at())
    same = editing.change_item(draft, some.item(quantity=1), occasion=at())

    assert [one.id for one in checked(other, some.finding(id=UUID(int=42))).findings] == [before.id]
    assert [one.id for one in checked(same, some.finding(id=UUID(int=42))).findings] == [UUID(int=42)]


# Who waits


def waits(prescription, minutes: int):
    return checking.request(
        prescription, asked(prescription), at(), deadline=NOON + timedelta(minutes=minutes)
    )


def test_each_gives_up_at_its_own_deadline_and_the_check_with_the_last_of_them():
    one = waits(some.draft(), 5)
    both = waits(one, 10)

    first = waiting.given_up(both, later(minutes=5))
    second = waiting.given_up(first, later(minutes=10))

    assert [len(p.waiting) for p in (both, first, second)] == [2, 1, 0]
    assert (first.check_status, second.check_status) == (CheckStatus.PENDING, CheckStatus.NEVER_RUN)
    assert (first.version, second.version) == (both.version, both.version + 1)
    assert [one.refused and one.refused[0] for one in second.answers] == ["safety_check_failed"] * 2


def test_nobody_gives_up_before_the_deadline():
    asking = waits(some.draft(), 5)

    assert waiting.given_up(asking, later(minutes=4)) is asking


def test_no_more_wait_than_anybody_has_use_for():
    prescription = some.draft()
    for _ in range(waiting.WAITING_MAX):
        prescription = waits(prescription, 5)

    with pytest.raises(Refused) as refused:
        waits(prescription, 5)

    assert refused.value.code == "overloaded"

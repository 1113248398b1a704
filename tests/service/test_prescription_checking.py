"""Checks of what clients see: asked for, stored, answered for, and asked for again, on a real Postgres."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from contracts import values
from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.directory_events import DoctorStandingChanged, PatientFactsChanged
from contracts.drafting_commands import ChangeItem
from contracts.message import Message
from contracts.prescription_commands import Unresolved
from contracts.prescription_events import PrescriptionChanged, SafetyCheckRequested
from contracts.safety_check_events import KnowledgeBaseUpdated
from services.prescription import work
from shared import clock
from tests.service import drafts
from tests.service import prescriptions as some
from tests.service.conftest import said
from tests.service.drafts import SECOND_ITEM
from tests.service.prescriptions import CLINIC, CRITICAL, DOCTOR, ID, NOON, PATIENT, Service, names, only

GRAVER = CRITICAL.model_copy(update={"severity": values.Severity.CONTRAINDICATED})
MINOR = CRITICAL.model_copy(update={"severity": values.Severity.MINOR})
OTHER_KIND = CRITICAL.model_copy(update={"interaction_type": "dose", "ingredients": ("warfarin",)})
IN_USE = "2026.11.1"


@pytest.fixture
async def service(open_pool, monkeypatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    service = Service.on(await open_pool("prescription"))
    await service.hears(drafts.create())
    yield service
    clock.reset()


async def checked(service: Service, *findings: values.Finding) -> values.Prescription:
    """With one item and these findings."""
    (asked,) = only(await service.hears(drafts.add()), SafetyCheckRequested)
    (changed,) = only(await service.hears(some.verdict(asked, *findings)), PrescriptionChanged)
    return changed.prescription


async def again(service: Service, *findings: values.Finding) -> values.Prescription:
    """Checked once more, at somebody's wish."""
    (asked,) = only(await service.hears(drafts.check()), SafetyCheckRequested)
    (answer,) = only(await service.hears(some.verdict(asked, *findings)), CommandSucceeded)
    return answer.prescription


async def rechecks(service: Service) -> list[SafetyCheckRequested]:
    """What is asked again by the platform itself."""
    known = len(await said(service.pool))
    await service.works("recheck-all", "recheck")
    return only((await said(service.pool))[known:], SafetyCheckRequested)


def facts(version: int, *allergies: str) -> PatientFactsChanged:
    told = values.PatientFacts(
        patient_id=PATIENT,
        version=version,
        allergies=tuple(values.Allergy(ingredient=one) for one in allergies),
    )
    return PatientFactsChanged(tenant_id=CLINIC, facts=told)


def knowledge(version: str, *, minutes: int = 0) -> KnowledgeBaseUpdated:
    return KnowledgeBaseUpdated(knowledge_base_version=version, updated_at=NOON + timedelta(minutes=minutes))


# The result


async def test_a_result_for_the_present_content_makes_the_check_current(service):
    (asked,) = only(await service.hears(drafts.add()), SafetyCheckRequested)

    found = await service.hears(some.verdict(asked, CRITICAL))

    assert names(found) == ["PrescriptionChanged"]
    whole = found[0].message.prescription
    assert (whole.safety_check_status, whole.version) == ("current", 3)
    assert (whole.checked_at, whole.knowledge_base_version) == (NOON, IN_USE)
    (finding,) = whole.findings
    assert (finding.severity, finding.blocking, finding.acknowledged) == ("critical", True, False)
    (entry,) = found[0].message.history
    assert (entry.what, entry.findings) == ("checked", (finding,))


async def test_a_result_for_other_content_is_dropped_and_the_later_one_counts(service):
    (first,) = only(await service.hears(drafts.add()), SafetyCheckRequested)
    (second,) = only(await service.hears(drafts.change_item(dosage="1g")), SafetyCheckRequested)

    assert await service.hears(some.verdict(first, CRITICAL)) == []
    (changed,) = await service.hears(some.verdict(second))

    assert (changed.message.prescription.safety_check_status, changed.message.prescription.findings) == (
        "current",
        (),
    )


async def test_a_result_that_comes_twice_counts_once(service):
    (asked,) = only(await service.hears(drafts.add()), SafetyCheckRequested)
    await service.hears(some.verdict(asked))

    assert await service.hears(some.verdict(asked, CRITICAL)) == []


async def test_while_a_check_runs_the_last_findings_are_shown(service):
    before = await checked(service, CRITICAL)

    answer = await service.answer(drafts.change_item(dosage="1g"))

    assert answer.prescription.safety_check_status == "pending"
    assert answer.prescription.findings == before.findings


# Somebody wants it checked


async def test_whoever_wants_a_check_is_answered_when_the_result_is_stored(service):
    await checked(service)
    command = drafts.check()

    found = await service.hears(command)
    stored = await service.hears(some.verdict(found[1].message, CRITICAL))

    assert names(found) == ["PrescriptionChanged", "SafetyCheckRequested"]
    assert found[0].message.prescription.safety_check_status == "pending"
    assert names(stored) == ["PrescriptionChanged", "CommandSucceeded"]
    assert stored[1].message.request_id == command.request_id
    assert [one.severity for one in stored[1].message.prescription.findings] == ["critical"]


async def test_several_who_wait_are_each_answered(service):
    await checked(service)
    first, second = drafts.check(), drafts.check()

    asked = only(await service.hears(first, second), SafetyCheckRequested)
    stored = await service.hears(*(some.verdict(one) for one in asked))

    answers = only(stored, CommandSucceeded)
    assert [one.request_id for one in answers] == [first.request_id, second.request_id]


async def test_a_check_overtaken_by_an_item_change_answers_with_the_new_contents_result(service):
    await checked(service)
    command = drafts.check()
    (old,) = only(await service.hears(command), SafetyCheckRequested)
    (new,) = only(await service.hears(drafts.change_item(dosage="1g")), SafetyCheckRequested)

    assert await service.hears(some.verdict(old, CRITICAL)) == []
    stored = await service.hears(some.verdict(new, MINOR))

    (answer,) = only(stored, CommandSucceeded)
    assert answer.request_id == command.request_id
    assert [one.severity for one in answer.prescription.findings] == ["minor"]


@pytest.mark.parametrize("cancel", [some.void, lambda: some.change_status("cancelled")])
async def test_a_check_overtaken_by_a_cancellation_is_refused(service, cancel):
    await checked(service)
    command = drafts.check()
    (asked,) = only(await service.hears(command), SafetyCheckRequested)

    found = await service.hears(cancel())

    (refused,) = only(found, CommandRefused)
    assert (refused.request_id, refused.code) == (command.request_id, "terminal_state")
    assert refused.prescription.status == "cancelled"
    assert await service.hears(some.verdict(asked, CRITICAL)) == []
    assert await service.strikes(hours=1) == []


def changed_dosage() -> ChangeItem:
    return drafts.change_item(dosage="1g")


def signature() -> list[Message]:
    return [some.change_status(status) for status in ("pending_review", "validated", "signed")]


@pytest.mark.parametrize(
    ("known", "asks", "was"),
    [
        (False, lambda: [drafts.add()], "never_run"),
        (True, lambda: [changed_dosage()], "stale"),
        (True, lambda: [drafts.check()], "current"),
        (True, lambda: [changed_dosage(), *signature()], "stale"),
    ],
    ids=["never checked", "changed", "asked for", "signature waits"],
)
async def test_what_is_cancelled_while_its_check_runs_reads_as_it_did_before(service, known, asks, was):
    if known:
        await checked(service, CRITICAL)
    for message in asks():
        running = only(await service.hears(message), PrescriptionChanged)[-1].prescription

    (changed,) = only(await service.hears(some.change_status("cancelled")), PrescriptionChanged)

    assert running.safety_check_status == "pending"
    assert (changed.prescription.status, changed.prescription.safety_check_status) == ("cancelled", was)


async def test_what_has_no_items_passes_at_once(service):
    found = await service.hears(drafts.check())

    (answer,) = only(found, CommandSucceeded)
    assert only(found, SafetyCheckRequested) == []
    assert (answer.prescription.safety_check_status, answer.prescription.findings) == ("current", ())
    assert answer.prescription.checked_at == NOON


async def test_whoever_waits_while_the_last_item_goes_is_answered(service):
    await checked(service, CRITICAL)
    command = drafts.check()
    await service.hears(command)

    found = await service.hears(drafts.remove())

    waited, removed = only(found, CommandSucceeded)
    assert waited.request_id == command.request_id
    assert removed.prescription.findings == ()


async def test_a_check_that_is_not_answered_fails_at_its_deadline_and_leaves_the_findings(service):
    before = await checked(service, CRITICAL)
    await service.hears(drafts.change_item(dosage="1g"))
    command = drafts.check()
    (asked,) = only(await service.hears(command), SafetyCheckRequested)
    assert await service.strikes(minutes=14) == []

    found = await service.strikes(minutes=1)

    (refused,) = only(found, CommandRefused)
    assert (refused.request_id, refused.code) == (command.request_id, "safety_check_failed")
    assert refused.prescription.findings == before.findings
    assert refused.prescription.safety_check_status == "stale"
    (changed,) = only(found, PrescriptionChanged)
    assert [one.what for one in changed.history] == ["check_failed"]
    late = await service.hears(some.verdict(asked))
    assert late[0].message.prescription.safety_check_status == "current"


async def test_a_failed_check_of_what_was_current_leaves_it_current(service):
    await checked(service, CRITICAL)
    await service.hears(drafts.check())

    (refused,) = only(await service.strikes(minutes=15), CommandRefused)

    assert refused.prescription.safety_check_status == "current"
    assert len(refused.prescription.findings) == 1


@pytest.mark.parametrize("by_itself", [True, False])
async def test_a_failed_check_leaves_what_another_knowledge_base_found_stale(service, by_itself):
    await checked(service, CRITICAL)
    await service.hears(knowledge("2026.12.1"))
    if by_itself:
        assert len(await rechecks(service)) == 1
    await service.hears(drafts.check())

    (refused,) = only(await service.strikes(minutes=15), CommandRefused)

    assert refused.prescription.safety_check_status == "stale"


async def test_what_has_come_to_its_end_is_not_checked(service):
    await checked(service)
    await service.hears(some.change_status("cancelled"))

    refused = await service.answer(drafts.check())

    assert refused.code == "terminal_state"


async def test_a_check_asked_for_after_the_signature_replaces_the_findings_and_moves_the_version_with_them(
    service,
):
    await checked(service)
    await service.steps("pending_review", "validated", "signed")
    (signed,) = only(await service.hears(drafts.change()), CommandRefused)

    same = await again(service)
    other = await again(service, CRITICAL)

    assert (same.version, same.safety_check_status) == (signed.prescription.version, "current")
    assert (other.version, len(other.findings)) == (same.version + 1, 1)


# Answered for


async def test_a_doctor_answers_for_one_finding_and_it_is_told_when_how_and_how_grave(service):
    finding, other = (await checked(service, CRITICAL, OTHER_KIND)).findings

    found = await service.hears(drafts.acknowledge(finding.finding_id))

    (answer,) = only(found, CommandSucceeded)
    one, two = answer.prescription.findings
    assert (one.finding_id, one.acknowledged, two.acknowledged) == (finding.finding_id, True, False)
    assert (one.acknowledged_by, one.acknowledged_at) == (DOCTOR, NOON)
    assert (one.acknowledgement_reason, one.acknowledged_severity) == ("Stent; INR weekly.", "critical")
    (changed,) = only(found, PrescriptionChanged)
    assert [entry.findings for entry in changed.history] == [(one,)]
    assert other == two


async def test_all_findings_are_answered_for_at_once_and_the_first_doctor_stays(service):
    first, _ = (await checked(service, CRITICAL, OTHER_KIND)).findings
    await service.hears(drafts.acknowledge(first.finding_id, reason=None))

    answer = await service.answer(drafts.acknowledge(acknowledged_by=UUID(int=8)))
    nothing = await service.hears(drafts.acknowledge())

    assert [one.acknowledged_by for one in answer.prescription.findings] == [DOCTOR, UUID(int=8)]
    assert answer.prescription.findings[0].acknowledgement_reason is None
    assert names(nothing) == ["CommandSucceeded"]


async def test_a_contraindication_needs_a_reason_or_nothing_at_all_is_answered_for(service):
    await checked(service, GRAVER, OTHER_KIND)
    nobody = (Unresolved(path="acknowledged_by", code="unknown_reference"),)

    refused = await service.answer(drafts.acknowledge(reason=None))
    both = await service.answer(drafts.acknowledge(reason=None, unresolved=nobody))

    assert [(one.path, one.code) for one in refused.refusals] == [("reason", "reason_required")]
    assert not any(one.acknowledged for one in refused.prescription.findings)
    assert [(one.path, one.code) for one in both.refusals] == [
        ("acknowledged_by", "unknown_reference"),
        ("reason", "reason_required"),
    ]


async def test_a_doctor_who_may_not_sign_answers_for_nothing(service):
    await checked(service, CRITICAL)
    other = UUID(int=8)
    await service.hears(DoctorStandingChanged(tenant_id=CLINIC, doctor_id=other, version=2, active=False))

    refused = await service.answer(drafts.acknowledge(acknowledged_by=other))

    assert [(one.path, one.code) for one in refused.refusals] == [("acknowledged_by", "inactive_reference")]


async def test_a_finding_that_is_not_there_is_missing_whatever_else_is_wrong(service):
    await checked(service, CRITICAL)
    await service.hears(some.change_status("cancelled"))

    unknown = await service.answer(drafts.acknowledge(UUID(int=99), expected_version=1))
    ended = await service.answer(drafts.acknowledge())

    assert (unknown.code, ended.code) == ("resource_not_found", "terminal_state")


# Checked once more


async def test_the_same_finding_again_keeps_its_id_and_who_answers_for_it(service):
    before = (await checked(service, CRITICAL)).findings[0]
    await service.hears(drafts.acknowledge())
    clock.shift(timedelta(minutes=1))

    milder = (await again(service, MINOR)).findings[0]
    as_before = (await again(service, CRITICAL)).findings[0]

    assert (milder.finding_id, milder.severity, milder.acknowledged) == (before.finding_id, "minor", True)
    assert (milder.acknowledged_severity, milder.detected_at) == ("critical", NOON)
    assert (as_before.finding_id, as_before.acknowledged) == (before.finding_id, True)


async def test_a_graver_finding_is_a_new_one_that_nobody_answers_for(service):
    before = (await checked(service, CRITICAL)).findings[0]
    await service.hears(drafts.acknowledge())

    graver = (await again(service, GRAVER)).findings[0]
    late = await service.answer(drafts.acknowledge(before.finding_id))

    assert graver.finding_id != before.finding_id
    assert not graver.acknowledged
    assert late.code == "resource_not_found"


async def test_a_finding_about_an_item_that_was_changed_is_a_new_one(service):
    before = (await checked(service, CRITICAL)).findings[0]
    await service.hears(drafts.acknowledge())
    (asked,) = only(await service.hears(drafts.change_item(dosage="1g")), SafetyCheckRequested)

    (changed,) = only(await service.hears(some.verdict(asked, CRITICAL)), PrescriptionChanged)

    (after,) = changed.prescription.findings
    assert after.finding_id != before.finding_id
    assert not after.acknowledged


async def test_a_finding_about_another_item_goes_on_when_one_is_added(service):
    before = (await checked(service, CRITICAL)).findings[0]
    await service.hears(drafts.acknowledge())
    (asked,) = only(await service.hears(drafts.add(drafts.order(SECOND_ITEM))), SafetyCheckRequested)

    (changed,) = only(await service.hears(some.verdict(asked, CRITICAL)), PrescriptionChanged)

    (after,) = changed.prescription.findings
    assert (after.finding_id, after.acknowledged) == (before.finding_id, True)


# Something else has changed


async def test_other_facts_of_the_patient_are_checked_by_the_platform_itself(service):
    before = await checked(service, CRITICAL)
    assert await service.hears(facts(2, "penicilina")) == []

    (asked,) = await rechecks(service)
    found = await service.hears(some.verdict(asked, CRITICAL))

    assert (asked.facts_version, asked.facts.allergies[0].ingredient) == (2, "penicilina")
    after = found[0].message.prescription
    assert (after.safety_check_status, after.findings) == ("current", before.findings)
    assert after.version == before.version + 2
    assert await rechecks(service) == []


async def test_a_result_that_facts_have_overtaken_is_asked_again(service):
    (old,) = only(await service.hears(drafts.add()), SafetyCheckRequested)
    await service.hears(facts(2, "penicilina"))

    found = await service.hears(some.verdict(old))

    (asked,) = only(found, SafetyCheckRequested)
    assert (asked.facts_version, only(found, CommandSucceeded)) == (2, [])
    assert await rechecks(service) == []


async def test_a_result_that_comes_after_the_end_changes_nothing_whatever_else_has_changed(service):
    (asked,) = only(await service.hears(drafts.add()), SafetyCheckRequested)
    await service.hears(facts(2, "penicilina"), some.change_status("cancelled"))

    assert await service.hears(some.verdict(asked, CRITICAL)) == []
    assert await rechecks(service) == []


async def test_what_comes_into_force_and_what_leaves_it_is_checked_against(service):
    await checked(service)

    await service.issues(some.issue(number=1))
    (entered,) = await rechecks(service)
    await service.hears(some.verdict(entered))
    await service.hears(some.void(**some.numbered(1)))
    (left,) = await rechecks(service)

    assert (entered.prescription_id, left.prescription_id) == (ID, ID)
    assert [one.prescription_id for one in entered.others] == [some.numbered(1)["prescription_id"]]
    assert left.others == ()


async def test_only_what_nobody_has_signed_and_has_items_is_checked_again(service):
    await checked(service)
    await service.hears(drafts.create(**some.numbered(1)))
    await service.steps("pending_review", "validated", "signed")
    await rechecks(service)

    await service.hears(facts(2, "penicilina"))

    assert await rechecks(service) == []


async def test_other_patients_have_nothing_to_check(service):
    await checked(service)
    other = values.PatientFacts(patient_id=UUID(int=77), version=2)

    await service.hears(PatientFactsChanged(tenant_id=CLINIC, facts=other))

    assert await service.pool.fetchval("SELECT count(*) FROM work WHERE kind = 'recheck'") == 0


async def test_another_knowledge_base_checks_everything_unsigned_again_piece_by_piece(service, monkeypatch):
    monkeypatch.setattr(work, "PIECE", 2)
    asked = []
    for number in range(1, 6):
        about = some.numbered(number)
        patient = some.ANA.model_copy(update={"patient_id": UUID(int=900 + number)})
        await service.hears(drafts.create(**about, patient=patient))
        asked += only(
            await service.hears(drafts.add(drafts.order(UUID(int=100 + number)), **about)),
            SafetyCheckRequested,
        )
    await service.hears(*(some.verdict(one) for one in asked))

    await service.hears(knowledge("2026.12.1"))
    again = await rechecks(service)

    assert {one.prescription_id for one in again} == {
        some.numbered(number)["prescription_id"] for number in range(1, 6)
    }
    assert await service.pool.fetchval("SELECT count(*) FROM work WHERE kind LIKE 'recheck%'") == 0


async def test_the_knowledge_base_in_use_is_not_checked_by_again_nor_an_older_one(service):
    await checked(service)

    await service.hears(knowledge(IN_USE, minutes=5))
    assert await rechecks(service) == []
    await service.hears(knowledge("2026.01.1"))

    assert await rechecks(service) == []


async def test_a_result_by_another_knowledge_base_is_shown_as_stale_and_asked_again_soon(service):
    (asked,) = only(await service.hears(knowledge("2026.12.1"), drafts.add()), SafetyCheckRequested)
    assert await rechecks(service) == []  # It is being asked about already.

    found = await service.hears(some.verdict(asked, CRITICAL))

    assert found[0].message.prescription.safety_check_status == "stale"
    assert len(found[0].message.prescription.findings) == 1
    assert await rechecks(service) == []
    clock.shift(timedelta(minutes=1))
    assert [one.prescription_id for one in await rechecks(service)] == [ID]


async def test_other_facts_are_not_put_off_by_a_result_of_another_knowledge_base(service):
    await service.hears(drafts.create(**some.numbered(1)))
    await service.hears(drafts.add(drafts.order(SECOND_ITEM), **some.numbered(1)))
    (asked,) = only(await service.hears(drafts.add(), knowledge("2026.12.1")), SafetyCheckRequested)
    await rechecks(service)
    await service.hears(facts(2, "penicilina"))

    (asked,) = only(await service.hears(some.verdict(asked)), SafetyCheckRequested)
    await service.hears(some.verdict(asked))

    again = {one.prescription_id: one.facts_version for one in await rechecks(service)}
    assert again == {ID: 2, some.numbered(1)["prescription_id"]: 2}

"""An order from its command to its release, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from contracts import prescription_codes, values
from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.directory_events import DoctorStandingChanged, PatientFactsChanged
from contracts.prescription_events import (
    DeliveryRequested,
    PrescriptionChanged,
    SafetyCheckRequested,
    SealRequested,
)
from contracts.signing_events import SealingRefused
from services.prescription.domain import history
from services.prescription.domain.history import Action
from services.prescription.domain.state_table import Status
from services.prescription.store import remembered
from services.prescription.store import rows as stored
from shared import clock
from shared.database import transaction
from tests.infrastructure import until
from tests.service import prescriptions as some
from tests.service.prescriptions import CLINIC, CRITICAL, ID, NOON, PATIENT, Service, names, only, told

MINOR = CRITICAL.model_copy(
    update={"severity": values.Severity.MINOR, "rule_id": "f:minor", "ingredients": ("warfarin",)}
)


@pytest.fixture
async def service(open_pool, monkeypatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    yield Service.on(await open_pool("prescription"))
    clock.reset()


async def rows(service: Service) -> list[tuple[str, bool]]:
    found = await service.pool.fetch("SELECT status, hidden FROM prescription ORDER BY id")
    return [(row["status"], row["hidden"]) for row in found]


async def in_force_version(service: Service) -> int:
    return await service.pool.fetchval("SELECT in_force_version FROM patient WHERE id = $1", PATIENT)


async def test_an_order_is_checked_sealed_and_released_with_one_answer(service):
    command = some.issue()

    asked = await service.hears(command)
    sealing = await service.hears(*(some.verdict(one) for one in only(asked, SafetyCheckRequested)))
    released = await service.hears(*(some.sealed(one) for one in only(sealing, SealRequested)))

    assert names(asked) == ["SafetyCheckRequested"]
    assert names(sealing) == ["SealRequested"]
    assert names(released) == ["PrescriptionChanged", "DispenseReleased", "CommandSucceeded"]
    (answer,) = only(released, CommandSucceeded)
    (changed,) = only(released, PrescriptionChanged)
    assert answer.request_id == command.request_id
    assert answer.prescription == changed.prescription
    prescription = answer.prescription
    assert (prescription.status, prescription.issued_at) == ("submitted", NOON)
    assert prescription_codes.is_valid(prescription.prescription_code)
    assert prescription.prescription_code == sealing[0].message.prescription_code
    assert (prescription.patient, prescription.items[0].product) == (some.ANA, some.PARACETAMOL)
    assert prescription.signed_document_id is not None
    assert released[1].message.version == prescription.version
    assert released[1].envelope.correlationid is None


async def test_nothing_is_shown_of_an_order_before_its_last_step(service):
    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)
    assert await rows(service) == [("draft", True)]

    await service.hears(some.verdict(asked))

    assert await rows(service) == [("validated", True)]
    assert await told(service) == ()
    refused = await service.answer(some.void())
    assert (refused.code, refused.prescription) == ("resource_not_found", None)


async def test_its_history_is_written_at_the_last_step_and_leads_to_its_state(service):
    released = await service.issues()
    await service.hears(some.start())

    (changed,) = only(released, PrescriptionChanged)
    entries = await told(service)
    assert history.replay(entries).status is Status.SUBMITTED
    assert history.replay(entries).live_dispensation_id == some.FIRST
    assert [one.revision for one in entries] == list(range(1, len(entries) + 1))
    assert [one.what for one in changed.history] == [one.note.action for one in entries[:-1]]
    assert changed.prescription.revision == changed.history[-1].revision


async def test_what_is_remembered_of_each_step_is_what_its_row_says(service):
    said = [some.issue()]

    for step in ("asked", "checked", "released"):
        asked = await service.hears(*said)
        if step == "released":
            continue
        async with transaction(service.pool) as conn:
            known = remembered.among([(CLINIC, ID)])
            row = await conn.fetchrow("SELECT content, state FROM prescription")
        assert known == {(CLINIC, ID): stored.prescription(row)}
        said = [some.verdict(one) for one in only(asked, SafetyCheckRequested)]
        said += [some.sealed(one) for one in only(asked, SealRequested)]

    # Of what is released nothing is remembered: it may change without a higher revision.
    async with transaction(service.pool):
        assert remembered.among([(CLINIC, ID)]) == known
    assert known[CLINIC, ID].status is Status.VALIDATED


async def test_what_another_process_has_changed_is_read_anew(service):
    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)
    await service.pool.execute(
        """
        UPDATE prescription
           SET revision = revision + 1,
               state = state::jsonb || jsonb_build_object('revision', revision + 1, 'notes', 'INR weekly.')
        """
    )

    (sealing,) = only(await service.hears(some.verdict(asked)), SealRequested)
    (answer,) = only(await service.hears(some.sealed(sealing)), CommandSucceeded)
    assert answer.prescription.notes == "INR weekly."


async def test_what_a_check_is_asked_with_comes_from_the_order_and_the_patients_record(service):
    ibuprofen = values.Allergy(ingredient="ibuprofeno", severity="SEVERE")
    penicillin = values.Allergy(ingredient="penicilina")
    known = some.ANA.model_copy(update={"allergies": (penicillin,), "sex": "FEMALE"})

    (asked,) = only(
        await service.hears(some.issue(patient=known, allergies=(ibuprofen, penicillin))),
        SafetyCheckRequested,
    )

    assert asked.facts.allergies == (penicillin, ibuprofen)
    assert (asked.facts.sex, asked.facts.version, asked.country) == ("FEMALE", 1, "GT")
    assert asked.diagnoses == ("R51",)
    assert asked.items[0].linked_ingredients == ("paracetamol",)
    assert (asked.items[0].dosage, asked.items[0].route) == ("500 mg", "oral")
    assert asked.others == ()


async def test_a_blocking_finding_is_answered_with_all_findings_and_leaves_only_history(service):
    major = CRITICAL.model_copy(update={"severity": values.Severity.MAJOR})
    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)

    found = await service.hears(some.verdict(asked, major, CRITICAL))

    assert names(found) == ["CommandRefused"]
    (refused,) = only(found, CommandRefused)
    assert (refused.code, refused.prescription) == ("safety_blocked", None)
    key = refused.data["findings"][0]["finding_key"]
    assert [(one.path, one.code, one.data) for one in refused.refusals] == [
        ("medications[0]", "safety_blocked", {"finding_key": key})
    ]
    shown = [values.KeyedFinding.model_validate(one) for one in refused.data["findings"]]
    assert [(one.severity, one.blocking, one.acknowledged) for one in shown] == [
        ("critical", True, False),
        ("major", False, False),
    ]
    assert refused.data["coverage"]["interaction"]["evaluated"] == 1
    assert await rows(service) == []
    entries = await told(service)
    assert entries[-1].note.error == "safety_blocked"
    assert [one.rule_id for one in entries[-2].note.findings] == [CRITICAL.rule_id] * 2
    assert await in_force_version(service) == 2


async def test_the_same_order_with_the_finding_acknowledged_is_issued(service):
    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)
    (refused,) = only(await service.hears(some.verdict(asked, CRITICAL)), CommandRefused)
    key = refused.refusals[0].data["finding_key"]
    again = some.issue(
        number=1,
        acknowledged=(
            values.Acknowledgement(finding_key=key, reason="Stent; INR weekly."),
            values.Acknowledgement(finding_key="k1:minor:feed", reason="Whatever."),
        ),
    )

    (asked,) = only(await service.hears(again), SafetyCheckRequested)
    sealing = await service.hears(some.verdict(asked, CRITICAL))
    released = await service.hears(some.sealed(sealing[0].message))

    (answer,) = only(released, CommandSucceeded)
    (finding,) = answer.prescription.findings
    assert (finding.acknowledged, finding.acknowledged_by) == (True, some.DOCTOR)
    assert finding.acknowledgement_reason == "Stent; INR weekly."
    assert answer.prescription.unmatched_acknowledgements == ("k1:minor:feed",)


async def test_a_provider_that_wants_advice_alone_is_not_stopped_and_is_told_of_all_findings(service):
    advise = values.Policy(safety_policy="advise")
    (asked,) = only(await service.hears(some.issue(policy=advise)), SafetyCheckRequested)

    (sealing,) = await service.hears(some.verdict(asked, MINOR, CRITICAL))
    (answer,) = only(await service.hears(some.sealed(sealing.message)), CommandSucceeded)

    found = answer.prescription.findings
    assert [(one.severity, one.acknowledged) for one in found] == [("critical", False), ("minor", False)]


async def test_under_advice_an_acknowledgement_that_is_sent_is_kept(service):
    advise = values.Policy(safety_policy="advise")
    (first,) = only(await service.hears(some.issue(policy=advise)), SafetyCheckRequested)
    (sealing,) = await service.hears(some.verdict(first, CRITICAL))
    (told_of,) = only(await service.hears(some.sealed(sealing.message)), CommandSucceeded)
    key = told_of.prescription.findings[0].finding_key
    known = values.Acknowledgement(finding_key=key, reason="Stent; INR weekly.")

    (asked,) = only(
        await service.hears(some.issue(number=1, policy=advise, acknowledged=(known,))), SafetyCheckRequested
    )
    (sealing,) = await service.hears(some.verdict(asked, CRITICAL))
    (answer,) = only(await service.hears(some.sealed(sealing.message)), CommandSucceeded)

    (finding,) = answer.prescription.findings
    assert (finding.acknowledged, finding.acknowledged_by) == (True, some.DOCTOR)
    assert finding.acknowledgement_reason == "Stent; INR weekly."


async def test_what_the_order_says_beside_its_items_is_kept_with_the_prescription(service):
    ibuprofen = values.Allergy(ingredient="ibuprofeno", severity="SEVERE", reaction="urticaria")
    said = {
        "allergies": (ibuprofen,),
        "confidential": True,
        "notes": "Con comida.",
        "laboratory_notes": "INR semanal.",
        "diagnostic_test_notes": "ECG en un mes.",
    }

    (answer,) = only(await service.issues(some.issue(**said)), CommandSucceeded)

    kept = answer.prescription
    assert {name: getattr(kept, name) for name in said} == said
    assert kept.patient.allergies == ()


async def test_of_two_orders_for_one_patient_at_one_moment_the_later_sees_the_earlier(service):
    asked = only(await service.hears(some.issue(), some.issue(number=1)), SafetyCheckRequested)

    first, second = asked
    assert first.others == ()
    assert [one.prescription_id for one in second.others] == [first.prescription_id]
    assert second.others[0].items[0].medication_name == "Paracetamol 500 mg tablets"
    sealing = await service.hears(some.verdict(first), some.verdict(second))
    assert names(sealing) == ["SealRequested", "SealRequested"]


async def test_an_order_that_waited_for_another_process_sees_what_that_one_issued(service):
    await service.hears(some.issue())
    await service.pool.execute("UPDATE prescription SET in_force_until = NULL")

    async with service.pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM patient FOR NO KEY UPDATE")
        await other.execute("UPDATE prescription SET in_force_until = 'infinity'")
        later = asyncio.create_task(service.hears(some.issue(number=1)))
        await until(lambda: somebody_waits(service), seconds=5)

    [asked] = only(await later, SafetyCheckRequested)
    assert [one.prescription_id for one in asked.others] == [ID]


async def somebody_waits(service: Service) -> bool:
    return await service.pool.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid())"
    )


async def test_of_equal_prescriptions_a_check_looks_at_the_newest_and_never_at_itself(service):
    await service.issues(some.issue(number=1))
    await service.issues(some.issue(number=2))
    asked = only(
        await service.hears(some.issue(number=3), some.issue(number=4), some.issue(number=5)),
        SafetyCheckRequested,
    )
    facts = values.PatientFacts(patient_id=PATIENT, version=2)

    again = await service.hears(
        PatientFactsChanged(tenant_id=CLINIC, facts=facts), *(some.verdict(one) for one in asked)
    )

    def newest(number):
        return [UUID(int=ID.int + number * 1000)]

    assert [[one.prescription_id for one in request.others] for request in asked] == [
        newest(2),
        newest(3),
        newest(4),
    ]
    assert [[one.prescription_id for one in said.message.others] for said in again] == [
        newest(5),
        newest(5),
        newest(4),
    ]


async def test_other_items_are_other_prescriptions(service):
    syrup = some.issue().items[0].model_copy(update={"medication_name": "Syrup", "product": None})
    await service.issues(some.issue(number=1))
    await service.issues(some.issue(number=2, items=(syrup,)))

    (asked,) = only(await service.hears(some.issue(number=3)), SafetyCheckRequested)

    assert {one.prescription_id.int for one in asked.others} == {ID.int + 1000, ID.int + 2000}


async def test_what_was_handed_over_is_in_the_patient_until_the_treatment_ends(service):
    await service.issues()
    await service.hears(some.start())
    await service.hears(some.complete(amount="1"))

    clock.shift(timedelta(days=9))
    (soon,) = only(await service.hears(some.issue(number=1)), SafetyCheckRequested)
    clock.shift(timedelta(days=2))
    (late,) = only(await service.hears(some.issue(number=2, patient=some.ANA)), SafetyCheckRequested)

    assert [one.prescription_id for one in soon.others] == [ID]
    assert ID not in [one.prescription_id for one in late.others]


async def test_a_blocking_finding_about_an_order_that_has_left_is_asked_again(service):
    first, second = only(await service.hears(some.issue(), some.issue(number=1)), SafetyCheckRequested)
    against_the_first = CRITICAL.model_copy(update={"other_prescription_id": first.prescription_id})

    found = await service.hears(some.verdict(first, CRITICAL), some.verdict(second, against_the_first))

    assert names(found) == ["CommandRefused", "SafetyCheckRequested"]
    assert found[1].message.others == ()
    assert names(await service.hears(some.verdict(found[1].message))) == ["SealRequested"]


async def test_a_verdict_on_older_facts_is_asked_again_and_the_older_one_counts_no_more(service):
    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)
    penicillin = values.Allergy(ingredient="penicilina")
    facts = values.PatientFacts(patient_id=PATIENT, version=2, allergies=(penicillin,))
    assert await service.hears(PatientFactsChanged(tenant_id=CLINIC, facts=facts)) == []

    (again,) = only(await service.hears(some.verdict(asked)), SafetyCheckRequested)

    assert (again.facts_version, again.facts.allergies) == (2, (penicillin,))
    assert await service.hears(some.verdict(asked, CRITICAL)) == []
    assert names(await service.hears(some.verdict(again))) == ["SealRequested"]


async def test_facts_of_a_lower_version_change_nothing(service):
    newer = values.PatientFacts(patient_id=PATIENT, version=5, sex="FEMALE")
    await service.hears(PatientFactsChanged(tenant_id=CLINIC, facts=newer))

    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)

    assert (asked.facts_version, asked.facts.sex) == (5, "FEMALE")


async def test_a_doctor_suspended_while_the_order_was_checked_signs_nothing(service):
    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)
    standing = {"tenant_id": CLINIC, "doctor_id": some.DOCTOR}
    await service.hears(DoctorStandingChanged(**standing, version=3, active=False))
    await service.hears(DoctorStandingChanged(**standing, version=2, active=True))

    (refused,) = only(await service.hears(some.verdict(asked)), CommandRefused)

    assert refused.code == "doctor_registration_inactive"
    assert await rows(service) == []


async def test_a_doctor_suspended_while_the_order_was_sealed_signs_nothing(service):
    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)
    (sealing,) = only(await service.hears(some.verdict(asked)), SealRequested)
    await service.hears(
        DoctorStandingChanged(tenant_id=CLINIC, doctor_id=some.DOCTOR, version=2, active=False)
    )

    (refused,) = only(await service.hears(some.sealed(sealing)), CommandRefused)

    assert refused.code == "doctor_registration_inactive"
    assert await rows(service) == []


async def test_an_order_undecided_at_its_deadline_is_ended_by_the_clock(service):
    command = some.issue()
    (asked,) = only(await service.hears(command), SafetyCheckRequested)
    assert await service.strikes(minutes=14) == []

    found = await service.strikes(minutes=2)

    (refused,) = only(found, CommandRefused)
    assert (refused.request_id, refused.code) == (command.request_id, "dependency_unavailable")
    assert await rows(service) == []
    assert await service.hears(some.verdict(asked)) == []
    assert await service.strikes(days=1) == []


async def test_what_is_told_after_the_deadline_and_before_the_clock_strikes_ends_the_order(service):
    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)
    other = some.issue(number=1)
    (other_asked,) = only(await service.hears(other), SafetyCheckRequested)
    (sealing,) = only(await service.hears(some.verdict(other_asked)), SealRequested)
    clock.shift(timedelta(minutes=15, seconds=1))

    unchecked = await service.answer(some.verdict(asked))
    unsealed = await service.answer(some.sealed(sealing))

    assert {one.code for one in (unchecked, unsealed)} == {"dependency_unavailable"}
    assert await rows(service) == []


async def test_a_command_that_arrives_after_its_deadline_is_ended_on_arrival(service):
    command = some.issue()
    clock.shift(timedelta(minutes=15))

    refused = await service.answer(command)

    assert (refused.code, refused.prescription) == ("dependency_unavailable", None)
    assert await rows(service) == []


async def test_what_cannot_be_sealed_is_refused(service):
    asked = await service.hears(some.issue())
    (sealing,) = only(await service.hears(some.verdict(asked[0].message)), SealRequested)

    found = await service.hears(
        SealingRefused(
            **some.ABOUT,
            signature_version=sealing.signature_version,
            code="content_not_sealable",
            message="No.",
            details=(("items[0].posology", "control_character"),),
        )
    )

    (refused,) = only(found, CommandRefused)
    assert refused.code == "validation_failed"
    assert [one.path for one in refused.refusals] == ["items[0].posology"]
    assert await service.hears(some.sealed(sealing)) == []


async def test_a_seal_that_comes_twice_releases_once(service):
    asked = await service.hears(some.issue())
    (sealing,) = only(await service.hears(some.verdict(asked[0].message)), SealRequested)

    assert len(await service.hears(some.sealed(sealing), some.sealed(sealing))) == 3
    assert await service.hears(some.sealed(sealing)) == []


async def test_a_provider_that_mails_at_issue_has_it_delivered(service):
    released = await service.issues(some.issue(policy=values.Policy(deliver_on_issue="EMAIL")))

    (wanted,) = only(released, DeliveryRequested)
    assert (wanted.email_address, wanted.channel) == ("ana@example.org", "EMAIL")


async def test_the_mail_at_issue_goes_out_once_and_not_without_an_address_or_a_wish(service):
    wish = values.Policy(deliver_on_issue="EMAIL")
    (asked,) = only(await service.hears(some.issue(policy=wish)), SafetyCheckRequested)
    (sealing,) = only(await service.hears(some.verdict(asked)), SealRequested)

    twice = await service.hears(some.sealed(sealing), some.sealed(sealing))
    nowhere = some.ANA.model_copy(update={"email_address": None})
    without_address = await service.issues(some.issue(number=1, policy=wish, patient=nowhere))
    unasked = await service.issues(some.issue(number=2))

    assert len(only(twice, DeliveryRequested)) == 1
    assert only([*without_address, *unasked], DeliveryRequested) == []


async def test_a_prescription_expires_when_its_validity_passes_and_pharmacies_are_told(service):
    await service.issues()
    assert await service.strikes(days=29) == []

    found = await service.strikes(days=3)

    assert names(found) == ["PrescriptionChanged", "DispenseEnded"]
    assert found[0].message.prescription.status == "expired"
    assert found[0].message.prescription.expired_at == some.VALID_UNTIL
    assert await in_force_version(service) == 2
    assert await service.pool.fetchval("SELECT count(*) FROM work") == 0


async def test_an_order_with_the_id_of_another_leaves_that_one_alone(service):
    await service.issues()

    refused = await service.answer(some.issue())

    assert refused.code == "internal_error"
    assert await rows(service) == [("submitted", False)]


async def test_the_audit_of_a_refused_order_names_who_asked(service):
    (asked,) = only(await service.hears(some.issue()), SafetyCheckRequested)
    await service.hears(some.verdict(asked, CRITICAL))

    last = (await told(service))[-1]

    assert (last.note.action, last.occasion.actor.client_id) == (Action.ATTEMPT_REFUSED, "clinic-ehr")

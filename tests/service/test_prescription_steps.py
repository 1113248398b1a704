"""A prescription walked step by step, from its draft to the pharmacy, on a real Postgres."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts import prescription_codes, values
from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.directory_events import DoctorStandingChanged, PatientFactsChanged
from contracts.dispense_events import DispenseEnded, DispenseReleased, DispenseStopped
from contracts.prescription_commands import Unresolved
from contracts.prescription_events import (
    DeliveryRequested,
    PrescriptionChanged,
    SafetyCheckRequested,
    SealRequested,
)
from contracts.safety_check_events import KnowledgeBaseUpdated
from contracts.signing_events import SealingRefused
from services.prescription import store
from services.prescription.domain import editing, history
from services.prescription.domain.history import Action, Occasion
from services.prescription.domain.prescription import Prescription
from services.signing.domain.rx_sign import RX_SIGN_1
from services.signing.domain.seal import Sealable, sealable
from services.signing.messages import content as content_to_seal
from shared import clock, database
from tests.service import catalogues, drafts
from tests.service import prescriptions as some
from tests.service.conftest import Said, said
from tests.service.prescriptions import (
    ANA,
    CLINIC,
    CRITICAL,
    ID,
    MARTA,
    NOON,
    PATIENT,
    Service,
    names,
    only,
    told,
)

CONTRAINDICATED = CRITICAL.model_copy(
    update={
        "severity": values.Severity.CONTRAINDICATED,
        "rule_id": "f:allergy",
        "interaction_type": "allergy",
        "drug_a": "ZZZ",
    }
)
OTHER_DOCTOR = UUID(int=7)


@pytest.fixture
async def service(open_pool, monkeypatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    service = Service.on(await open_pool("prescription"))
    await service.keeps(some.draft())
    yield service
    clock.reset()


async def actions(service: Service) -> list[str]:
    return [one.note.action.value for one in await told(service)]


async def in_force_version(service: Service) -> int:
    return await service.pool.fetchval("SELECT in_force_version FROM patient WHERE id = $1", PATIENT)


async def test_a_draft_is_walked_to_the_pharmacy_and_handed_over(service):
    reviewed = await service.answer(some.change_status("pending_review"))
    validated = await service.answer(some.change_status("validated"))
    signing = some.change_status("signed")
    asked = await service.hears(signing)
    sealing = await service.hears(some.verdict(asked[1].message))
    signed = await service.hears(some.sealed(sealing[1].message))
    submitted = await service.hears(some.change_status("submitted"))
    dispensed = await service.hears(some.change_status("dispensed"))

    assert [one.prescription.status for one in (reviewed, validated)] == ["pending_review", "validated"]
    assert validated.prescription.valid_until == some.VALID_UNTIL
    assert names(asked) == ["PrescriptionChanged", "SafetyCheckRequested"]
    assert names(sealing) == ["PrescriptionChanged", "SealRequested"]
    assert names(signed) == ["PrescriptionChanged", "CommandSucceeded"]
    assert names(submitted) == ["PrescriptionChanged", "DispenseReleased", "CommandSucceeded"]
    assert names(dispensed) == ["PrescriptionChanged", "DispenseCompleted", "CommandSucceeded"]
    (answer,) = only(signed, CommandSucceeded)
    assert answer.request_id == signing.request_id
    assert (answer.prescription.status, answer.prescription.signature.status) == ("signed", "completed")
    assert (answer.prescription.signed_by, answer.prescription.signed_at) == (some.DOCTOR, NOON)
    assert prescription_codes.is_valid(answer.prescription.prescription_code)
    documents = {
        one.prescription.signed_document_id for one in (answer, only(submitted, CommandSucceeded)[0])
    }
    assert len(documents - {None}) == 1
    assert history.replay(await told(service)).status == "dispensed"


async def changes(service: Service, change: Callable[[Prescription], Prescription]) -> None:
    """Change it as something else of the service would."""
    async with database.transaction(service.pool) as conn:
        await store.hold(conn, [], [(CLINIC, ID)])
        store.save(conn, change(store.seen(conn, CLINIC, ID)))
        await store.settle(conn)


async def acknowledged(service: Service) -> None:
    (answer,) = only(await service.hears(drafts.acknowledge()), CommandSucceeded)
    assert all(one.acknowledged for one in answer.prescription.findings)


async def asked_to_sign(service: Service, *findings: values.Finding, **other: Any) -> list[Said]:
    """Validated, then asked to be signed and checked; gives what was said when the check had come back."""
    await service.steps("pending_review", "validated")
    (asked,) = only(await service.hears(some.change_status("signed", **other)), SafetyCheckRequested)
    return await service.hears(some.verdict(asked, *findings))


async def sealing(service: Service, **other: Any) -> SealRequested:
    (request,) = only(await asked_to_sign(service, **other), SealRequested)
    return request


def refusal(found: list[Said]) -> CommandRefused:
    (refused,) = only(found, CommandRefused)
    return refused


async def test_what_is_sealed_is_what_the_directory_says_now_and_the_item_as_it_was_prescribed(service):
    renamed = ANA.model_copy(update={"last_name": "Pérez", "facts_version": 2})
    moved = MARTA.model_copy(update={"city_name": "Mixco"})
    clock.shift(timedelta(hours=1))

    request = await sealing(service, patient=renamed, doctor=moved, signer=moved)
    (signed,) = only(await service.hears(some.sealed(request)), CommandSucceeded)

    assert (request.patient, request.doctor) == (renamed, moved)
    assert request.issued_at == NOON + timedelta(hours=1)
    (item,) = request.items
    assert (item.medication_name, item.ingredients, item.product) == ("Amoxicilina", ("amoxicillin",), None)
    assert (item.dosage, item.route, item.frequency, item.posology) == ("500mg", "oral", "8/8h", None)
    assert (signed.prescription.patient, signed.prescription.doctor) == (renamed, moved)
    again = await service.answer(some.change_status("submitted"))
    assert (again.prescription.patient, again.prescription.doctor) == (renamed, moved)


async def test_what_is_asked_to_be_sealed_can_be_sealed(service):
    bare = replace(some.AMOXICILLIN, id=UUID(int=12), quantity=None, unit=None, duration=None, ingredients=())
    await changes(service, lambda one: editing.add_item(one, bare, items_max=30, occasion=Occasion(at=NOON)))

    content = sealable(content_to_seal(await sealing(service)), RX_SIGN_1, bytes)

    assert isinstance(content, Sealable)
    first, second = (one.data for one in content.disclosures if one.name.startswith("item/"))
    assert (first["posology"], first["units"]) == ("500mg, oral, 8/8h, 7 dias", "21")
    assert (second["active_ingredients"], second["units"], second["treatment_days"]) == (None, None, None)


async def test_the_seal_names_ingredients_as_the_catalogue_does(service):
    await service.hears(*catalogues.whole_release())

    (item,) = (await sealing(service)).items

    assert item.ingredients == ("AMOXICILINA",)


async def test_while_it_is_checked_and_sealed_everybody_sees_that_it_is_being_signed(service):
    await service.steps("pending_review", "validated")
    asked = await service.hears(some.change_status("signed"))
    (checking_it,) = only(asked, PrescriptionChanged)
    sealing_it = (await service.hears(some.verdict(asked[1].message)))[0].message

    for seen in (checking_it.prescription, sealing_it.prescription):
        assert (seen.status, seen.signature.status) == ("validated", "pending")
        assert (seen.signed_by, seen.signed_at, seen.seal, seen.prescription_code) == (None, None, None, None)
    refused = await service.answer(some.change_status("signed"))
    assert refused.code == "signing_in_progress"
    assert refused.prescription.signature.status == "pending"


async def test_what_blocks_is_told_most_severe_first_and_the_signature_is_again_what_it_was(service):
    found = await asked_to_sign(service, CRITICAL, CONTRAINDICATED)

    refused = refusal(found)
    assert refused.code == "unacknowledged_interactions"
    worst, other = refused.prescription.findings
    assert refused.data == {
        "prescription_id": str(ID),
        "interaction_count": 2,
        "interactions": [
            {"id": str(worst.finding_id), "severity": "contraindicated"},
            {"id": str(other.finding_id), "severity": "critical"},
        ],
    }
    assert (refused.prescription.status, refused.prescription.signature) == ("validated", None)
    assert found[0].message.prescription == refused.prescription
    assert len({one.version for one in (await told(service))[-3:]}) == 1
    assert (await told(service))[-1].note.error == "unacknowledged_interactions"
    assert (await actions(service))[-4:] == [
        "check_requested",
        "checked",
        "signing_failed",
        "attempt_refused",
    ]
    assert await in_force_version(service) == 2


async def test_once_a_doctor_answers_for_the_findings_it_is_sealed_without_another_check(service):
    await asked_to_sign(service, CRITICAL)
    at_once = await service.answer(some.change_status("signed"))
    assert at_once.code == "unacknowledged_interactions"
    await acknowledged(service)

    found = await service.hears(some.change_status("signed"))

    assert names(found) == ["PrescriptionChanged", "SealRequested"]
    (signed,) = only(await service.hears(some.sealed(found[1].message)), CommandSucceeded)
    assert signed.prescription.findings[0].acknowledged


async def test_a_check_made_before_something_else_came_into_force_is_made_again(service):
    await asked_to_sign(service, CRITICAL)
    await acknowledged(service)
    await service.issues(some.issue(number=1))

    found = await service.hears(some.change_status("signed"))

    (asked,) = only(found, SafetyCheckRequested)
    assert [one.prescription_id for one in asked.others] == [UUID(int=ID.int + 1000)]


async def test_of_two_signatures_for_one_patient_at_one_moment_the_later_sees_the_earlier(service):
    await service.keeps(some.draft(number=1))
    for number in (0, 1):
        for status in ("pending_review", "validated"):
            await service.hears(some.change_status(status, **some.numbered(number)))

    asked = only(
        await service.hears(
            some.change_status("signed", **some.numbered(0)), some.change_status("signed", **some.numbered(1))
        ),
        SafetyCheckRequested,
    )

    assert [[other.prescription_id for other in one.others] for one in asked] == [[], [ID]]
    assert [one.in_force_version for one in asked] == [1, 2]
    assert (
        names(await service.hears(*(some.verdict(one) for one in asked)))
        == [
            "PrescriptionChanged",
            "SealRequested",
        ]
        * 2
    )


async def test_an_order_taken_in_beside_a_signature_sees_it(service):
    await service.steps("pending_review", "validated")

    found = await service.hears(some.change_status("signed"), some.issue(number=1))

    signature, order = only(found, SafetyCheckRequested)
    assert signature.others == ()
    assert [one.prescription_id for one in order.others] == [ID]


async def test_a_verdict_on_older_facts_does_not_count_for_the_signature(service):
    await service.steps("pending_review", "validated")
    (asked,) = only(await service.hears(some.change_status("signed")), SafetyCheckRequested)
    facts = values.PatientFacts(patient_id=PATIENT, version=2)
    await service.hears(PatientFactsChanged(tenant_id=CLINIC, facts=facts))

    (again,) = only(await service.hears(some.verdict(asked)), SafetyCheckRequested)

    assert again.facts_version == 2
    assert only(await service.hears(some.verdict(again)), SealRequested)


async def test_facts_that_the_command_brings_are_checked_with(service):
    await service.steps("pending_review", "validated")
    penicillin = values.Allergy(ingredient="penicilina")
    allergic = ANA.model_copy(update={"facts_version": 2, "allergies": (penicillin,)})

    (asked,) = only(await service.hears(some.change_status("signed", patient=allergic)), SafetyCheckRequested)

    assert (asked.facts_version, asked.facts.allergies) == (2, (penicillin,))
    assert only(await service.hears(some.verdict(asked)), SealRequested)


async def test_what_cannot_be_sealed_stays_validated_and_keeps_its_code_for_the_next_attempt(service):
    request = await sealing(service)
    found = await service.hears(
        SealingRefused(**some.ABOUT, signature_version=1, code="content_not_sealable", message="No.")
    )

    refused = refusal(found)
    assert (refused.code, [(one.path, one.code) for one in refused.refusals]) == (
        "signing_refused",
        [("signed_by", "signing_refused")],
    )
    failed = refused.prescription.signature
    assert (failed.status, failed.failure, failed.failed_at) == ("failed", "signing_refused", NOON)
    assert (refused.prescription.status, refused.prescription.prescription_code) == ("validated", None)
    assert (await actions(service))[-1] == "signing_failed"

    (next_one,) = only(await service.hears(some.change_status("signed")), SealRequested)

    assert (next_one.signature_version, next_one.prescription_code) == (2, request.prescription_code)
    assert await service.hears(some.sealed(request)) == []
    (signed,) = only(await service.hears(some.sealed(next_one)), CommandSucceeded)
    assert (signed.prescription.signature.status, signed.prescription.signature.failure) == (
        "completed",
        None,
    )


async def test_a_seal_that_is_not_there_at_the_deadline_is_waited_for_no_longer(service):
    request = await sealing(service)
    assert await service.strikes(minutes=14) == []

    found = await service.strikes(minutes=2)

    refused = refusal(found)
    assert refused.code == "dependency_unavailable"
    failed = refused.prescription.signature
    assert (failed.status, failed.failure) == ("failed", "dependency_unavailable")
    assert await service.hears(some.sealed(request)) == []
    assert await service.strikes(days=1) == []
    assert await in_force_version(service) == 2


async def test_a_check_that_is_not_there_at_the_deadline_failed_and_the_signature_is_what_it_was(service):
    await service.steps("pending_review", "validated")
    command = some.change_status("signed")
    (asked,) = only(await service.hears(command), SafetyCheckRequested)

    refused = refusal(await service.strikes(minutes=16))

    assert (refused.request_id, refused.code) == (command.request_id, "safety_check_failed")
    assert refused.prescription.signature is None
    assert only(await service.hears(some.verdict(asked)), SealRequested) == []


async def test_a_step_asked_for_after_the_deadline_finds_the_signature_given_up(service):
    await sealing(service)
    clock.shift(timedelta(minutes=15))

    found = await service.hears(some.change_status("signed"))

    assert names(found) == ["PrescriptionChanged", "CommandRefused", "SealRequested"]
    assert (refusal(found).code, only(found, SealRequested)[0].signature_version) == (
        "dependency_unavailable",
        2,
    )


@pytest.mark.parametrize("cancels", [some.change_status, some.void])
async def test_a_cancel_while_it_is_sealed_ends_the_signature_and_a_late_seal_is_archived(service, cancels):
    await service.steps("pending_review", "validated")
    command = some.change_status("signed")
    (asked,) = only(await service.hears(command), SafetyCheckRequested)
    (request,) = only(await service.hears(some.verdict(asked)), SealRequested)

    found = await service.hears(cancels("cancelled") if cancels is some.change_status else cancels())

    refused, done = refusal(found), only(found, CommandSucceeded)[0]
    assert (refused.request_id, refused.code) == (command.request_id, "invalid_transition")
    assert refused.data == {"from": "cancelled", "to": "signed", "allowed": []}
    assert (done.prescription.status, done.prescription.signature.status) == ("cancelled", "void")
    (archived,) = only(await service.hears(some.sealed(request)), PrescriptionChanged)
    assert archived.prescription.version == done.prescription.version
    shown = archived.prescription
    assert (shown.signature.status, shown.signed_at, shown.seal, shown.prescription_code) == (
        "void",
        None,
        None,
        None,
    )
    assert await service.pool.fetchval(
        "SELECT state -> 'signature' -> 'seal' ->> 'signature' FROM prescription"
    )
    assert await in_force_version(service) == 2


async def test_a_cancel_while_it_is_checked_ends_the_signature(service):
    await service.steps("pending_review", "validated")
    (asked,) = only(await service.hears(some.change_status("signed")), SafetyCheckRequested)

    found = await service.hears(some.change_status("cancelled"))

    assert names(found) == ["PrescriptionChanged", "CommandRefused", "CommandSucceeded"]
    assert refusal(found).code == "invalid_transition"
    assert (await actions(service))[-2:] == ["status_changed", "attempt_refused"]
    assert await service.hears(some.verdict(asked)) == []
    assert await service.strikes(days=1) == []


async def test_a_cancel_after_the_signature_shows_it_as_void(service):
    await service.steps("pending_review", "validated", "signed")

    answer = await service.answer(some.change_status("cancelled"))

    shown = answer.prescription
    assert (shown.status, shown.signature.status, shown.signed_by) == ("cancelled", "void", some.DOCTOR)
    assert shown.prescription_code is not None
    assert (shown.void.reason, shown.void.reason_code, shown.void.doctor_id) == (
        "Patient reports rash.",
        "PRESCRIBER_DECISION",
        None,
    )


UNKNOWN = Unresolved(path="signed_by", code="unknown_reference")
INACTIVE = Unresolved(path="signed_by", code="inactive_reference")
PATIENT_INACTIVE = Unresolved(path="patient_id", code="inactive_reference")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"signed_by": OTHER_DOCTOR}, [("signed_by", "signer_not_allowed")]),
        ({"signed_by": OTHER_DOCTOR, "unresolved": (UNKNOWN,)}, [("signed_by", "unknown_reference")]),
        (
            {"signed_by": OTHER_DOCTOR, "unresolved": (PATIENT_INACTIVE, INACTIVE)},
            [
                ("patient_id", "inactive_reference"),
                ("signed_by", "inactive_reference"),
                ("signed_by", "signer_not_allowed"),
            ],
        ),
        ({"unresolved": (PATIENT_INACTIVE,)}, [("patient_id", "inactive_reference")]),
        (
            {"policy": values.Policy(signer_policy="any_active_doctor"), "unresolved": (UNKNOWN,)},
            [("signed_by", "unknown_reference")],
        ),
    ],
)
async def test_who_may_not_sign_is_told_with_all_that_is_wrong(service, asked, expected):
    await service.steps("pending_review", "validated")

    refused = await service.answer(some.change_status("signed", **asked))

    assert [(one.path, one.code) for one in refused.refusals] == expected
    assert refused.prescription.signature is None


async def test_where_any_doctor_may_sign_the_seal_names_the_one_who_does(service):
    other = values.Doctor(doctor_id=OTHER_DOCTOR, given_names="Otto")
    anybody = values.Policy(signer_policy="any_active_doctor")

    request = await sealing(service, signed_by=OTHER_DOCTOR, signer=other, policy=anybody)
    (signed,) = only(await service.hears(some.sealed(request)), CommandSucceeded)

    assert request.doctor == other
    assert (signed.prescription.signed_by, signed.prescription.doctor) == (OTHER_DOCTOR, MARTA)


@pytest.mark.parametrize("suspended", [some.DOCTOR, OTHER_DOCTOR])
async def test_a_doctor_who_was_suspended_signs_nothing(service, suspended):
    await service.steps("pending_review", "validated")
    await service.hears(DoctorStandingChanged(tenant_id=CLINIC, doctor_id=suspended, version=2, active=False))
    anybody = values.Policy(signer_policy="any_active_doctor")

    refused = await service.answer(some.change_status("signed", signed_by=suspended, policy=anybody))

    assert [(one.path, one.code) for one in refused.refusals] == [("signed_by", "inactive_reference")]


async def test_a_doctor_suspended_while_it_is_checked_signs_nothing(service):
    await service.steps("pending_review", "validated")
    (asked,) = only(await service.hears(some.change_status("signed")), SafetyCheckRequested)
    await service.hears(
        DoctorStandingChanged(tenant_id=CLINIC, doctor_id=some.DOCTOR, version=2, active=False)
    )

    refused = refusal(await service.hears(some.verdict(asked)))

    assert [(one.path, one.code) for one in refused.refusals] == [("signed_by", "inactive_reference")]
    assert refused.prescription.signature is None


async def test_a_doctor_suspended_while_it_is_sealed_signs_nothing(service):
    asked = await sealing(service)
    await service.hears(
        DoctorStandingChanged(tenant_id=CLINIC, doctor_id=some.DOCTOR, version=2, active=False)
    )

    refused = refusal(await service.hears(some.sealed(asked)))

    assert [(one.path, one.code) for one in refused.refusals] == [("signed_by", "inactive_reference")]
    signature = refused.prescription.signature
    assert (refused.prescription.status, signature.status, signature.failure) == (
        "validated",
        "failed",
        "inactive_reference",
    )


async def test_of_a_doctor_or_patient_who_became_inactive_nothing_is_validated_but_all_is_cancelled(service):
    await service.steps("pending_review")
    await service.hears(
        DoctorStandingChanged(tenant_id=CLINIC, doctor_id=some.DOCTOR, version=2, active=False)
    )

    refused = await service.answer(some.change_status("validated", unresolved=(PATIENT_INACTIVE,)))

    assert [(one.path, one.code) for one in refused.refusals] == [
        ("patient_id", "inactive_reference"),
        ("doctor_id", "inactive_reference"),
    ]
    gone = await service.answer(some.change_status("cancelled", unresolved=(PATIENT_INACTIVE,)))
    assert gone.prescription.status == "cancelled"


@pytest.mark.parametrize(
    ("before", "target"),
    [
        (("pending_review",), "validated"),
        (("pending_review", "validated"), "signed"),
        (("pending_review", "validated", "signed"), "submitted"),
    ],
)
async def test_what_a_provider_forbids_is_refused_by_its_policy(service, before, target):
    await service.steps(*before)
    forbids = values.Policy(refused_statuses=(values.Status(target),))

    refused = await service.answer(some.change_status(target, policy=forbids))

    assert (refused.code, refused.data) == ("policy_refused", {"policy": "refused_statuses"})


@pytest.mark.parametrize(
    ("before", "target"),
    [(("pending_review", "validated"), "signed"), (("pending_review", "validated", "signed"), "submitted")],
)
async def test_after_its_validity_it_is_neither_signed_nor_released_whatever_a_policy_says(
    service, before, target
):
    await service.steps(*before)
    clock.shift(timedelta(days=60))
    forbids = values.Policy(refused_statuses=(values.Status(target),))

    refused = await service.answer(some.change_status(target, policy=forbids))

    assert refused.code == "prescription_expired"
    assert (await service.answer(some.change_status("cancelled"))).prescription.status == "cancelled"


async def test_what_a_check_after_the_signature_found_is_not_released(service):
    await service.steps("pending_review", "validated", "signed")
    (asked,) = only(await service.hears(drafts.check()), SafetyCheckRequested)
    await service.hears(some.verdict(asked, CRITICAL))

    refused = await service.answer(some.change_status("submitted"))

    assert refused.code == "unacknowledged_interactions"
    assert (refused.data["interaction_count"], refused.prescription.status) == (1, "signed")
    await acknowledged(service)
    assert (await service.answer(some.change_status("submitted"))).prescription.status == "submitted"


async def test_a_release_is_told_to_pharmacies_and_mailed_as_the_provider_wishes_now(service):
    await service.steps("pending_review", "validated", "signed")
    clock.shift(timedelta(hours=1))
    moved = ANA.model_copy(update={"email_address": "new@example.org"})

    found = await service.hears(
        some.change_status("submitted", patient=moved, policy=values.Policy(deliver_on_issue="EMAIL"))
    )

    (released,), (answer,) = only(found, DispenseReleased), only(found, CommandSucceeded)
    (mail,) = only(found, DeliveryRequested)
    assert (released.status, released.version) == ("issued", answer.prescription.version)
    assert answer.prescription.issued_at == NOON + timedelta(hours=1)
    assert answer.prescription.signed_document_id is not None
    assert (mail.email_address, mail.prescription) == ("new@example.org", answer.prescription)


async def test_what_was_dispensed_elsewhere_is_one_dispensation_of_all_that_was_left(service):
    drops = replace(some.AMOXICILLIN, id=UUID(int=12), position=2, quantity=None, medication_name="Gotas")
    await changes(service, lambda one: editing.add_item(one, drops, items_max=30, occasion=Occasion(at=NOON)))
    await service.steps("pending_review", "validated", "signed", "submitted")
    await service.hears(some.start(lines=(values.DispensationLine(item_id=some.ITEM, quantity=7),)))
    await service.hears(some.complete("1"))

    found = await service.hears(some.change_status("dispensed"))

    prescription = only(found, CommandSucceeded)[0].prescription
    last = prescription.dispensations[-1]
    assert (prescription.status, prescription.dispensed_at) == ("dispensed", NOON)
    assert (last.source, last.status, last.pharmacy.tenant_id) == ("status_patch", "COMPLETED", CLINIC)
    assert [(one.item_id, one.quantity) for one in last.lines] == [(some.ITEM, 14), (drops.id, None)]
    assert [one.dispensed_quantity for one in prescription.items] == [21, 1]
    assert (await actions(service))[-3:] == ["dispensation_started", "dispensation_ended", "status_changed"]
    assert len({one.version for one in (await told(service))[-3:]}) == 1


async def test_where_a_password_is_demanded_nothing_is_dispensed_by_a_change_of_status(service):
    await service.steps("pending_review", "validated", "signed", "submitted")

    refused = await service.answer(some.change_status("dispensed", policy=values.Policy(otp_policy="always")))

    assert (refused.code, refused.data) == ("policy_refused", {"policy": "otp"})


async def test_dispensed_elsewhere_and_a_pharmacys_start_exclude_each_other(service):
    await service.steps("pending_review", "validated", "signed", "submitted")
    await service.hears(some.start())

    refused = await service.answer(some.change_status("dispensed"))
    assert (refused.code, refused.data["retry_after_seconds"]) == ("already_being_dispensed", 30 * 60)

    await service.hears(some.cancel_dispensation())
    await service.answer(some.change_status("dispensed"))
    late = await service.answer(some.start(some.MOON, dispensation_id=some.SECOND))
    assert late.code == "prescription_dispensed"


async def test_a_cancel_takes_a_live_dispensation_away_in_the_same_commit(service):
    await service.steps("pending_review", "validated", "signed", "submitted")
    await service.hears(some.start())

    found = await service.hears(some.change_status("cancelled"), some.complete("1"))

    assert names(found)[:4] == ["PrescriptionChanged", "DispenseStopped", "DispenseEnded", "CommandSucceeded"]
    (stopped,), (ended,) = only(found, DispenseStopped), only(found, DispenseEnded)
    assert (stopped.stopped_by, ended.version - stopped.version) == ("prescriber", 1)
    assert ended.version == only(found, CommandSucceeded)[0].prescription.version
    assert refusal(found).code == "prescription_voided"


async def test_refused_attempts_to_sign_and_to_cancel_are_remembered_and_no_others(service):
    await service.answer(some.change_status("signed"))
    await service.answer(some.change_status("submitted"))
    await service.answer(some.change_status("cancelled"))
    last = await service.answer(some.change_status("cancelled"))

    attempts = [one for one in await told(service) if one.note.action is Action.ATTEMPT_REFUSED]
    assert [one.note.error for one in attempts] == ["invalid_transition", "invalid_transition"]
    assert attempts[-1].occasion.dialect == "delphos"
    assert last.data == {"from": "cancelled", "to": "cancelled", "allowed": []}
    assert last.prescription.revision == attempts[-1].revision
    assert (await told(service))[-1].version == last.prescription.version


@pytest.mark.parametrize("target", ["draft", "expired"])
async def test_some_statuses_are_names_that_nobody_can_ask_for(service, target):
    refused = await service.answer(some.change_status(target))

    assert (refused.code, refused.data["from"], refused.data["to"]) == ("invalid_transition", "draft", target)
    assert refused.data["allowed"] == ["pending_review", "cancelled"]


async def test_what_was_checked_while_it_was_written_is_signed_without_another_check(service):
    place = some.numbered(1)
    await service.hears(drafts.create(**place))
    (asked,) = only(await service.hears(drafts.add(**place)), SafetyCheckRequested)
    await service.hears(some.verdict(asked))
    await service.steps("pending_review", "validated", **place)

    found = await service.hears(some.change_status("signed", **place))

    assert names(found) == ["PrescriptionChanged", "SealRequested"]
    shown = found[0].message.prescription
    assert (shown.safety_check_status, shown.signature.status) == ("current", "pending")
    (signed,) = only(await service.hears(some.sealed(found[1].message)), CommandSucceeded)
    assert (signed.prescription.status, signed.prescription.safety_check_status) == ("signed", "current")


async def test_a_step_asked_for_with_another_version_than_the_present_is_refused_before_its_state(service):
    first = await service.answer(some.change_status("pending_review", expected_version=1))

    refused = await service.answer(some.change_status("pending_review", expected_version=1))

    assert first.prescription.version == 2
    assert (refused.code, refused.data) == ("version_mismatch", {"current_version": 2})


async def test_a_request_for_a_check_while_it_is_signed_is_answered_beside_the_signature(service):
    await service.steps("pending_review", "validated")
    signing = some.change_status("signed")
    await service.hears(signing)
    check = drafts.check()
    (asked,) = only(await service.hears(check), SafetyCheckRequested)

    found = await service.hears(some.verdict(asked))

    (told,) = only(found, CommandSucceeded)
    (request,) = only(found, SealRequested)
    assert told.request_id == check.request_id
    (signed,) = only(await service.hears(some.sealed(request)), CommandSucceeded)
    assert signed.request_id == signing.request_id


async def knows(service: Service, version: str, *, minutes: int = 0) -> None:
    updated_at = NOON + timedelta(minutes=minutes)
    await service.hears(KnowledgeBaseUpdated(knowledge_base_version=version, updated_at=updated_at))


async def asked_again(service: Service, *, seconds: int) -> list[Said]:
    known = len(await said(service.pool))
    clock.shift(timedelta(seconds=seconds))
    await service.works("recheck-all", "recheck")
    return (await said(service.pool))[known:]


async def test_a_signature_waits_for_a_check_by_the_knowledge_base_in_use(service):
    await service.steps("pending_review", "validated")
    command = some.change_status("signed")
    (asked,) = only(await service.hears(command), SafetyCheckRequested)
    await knows(service, "2026.12.1")
    assert only(await asked_again(service, seconds=0), SafetyCheckRequested) == []

    found = await service.hears(some.verdict(asked))

    assert names(found) == ["PrescriptionChanged"]
    assert found[0].message.prescription.safety_check_status == "stale"
    (asked,) = only(await asked_again(service, seconds=5), SafetyCheckRequested)
    (asked_to_seal,) = only(
        await service.hears(some.verdict(asked, knowledge_base="2026.12.1")), SealRequested
    )
    assert (await service.answer(some.sealed(asked_to_seal))).request_id == command.request_id


async def test_what_a_replaced_knowledge_base_forbids_ends_the_signature_at_once(service):
    await service.steps("pending_review", "validated")
    (asked,) = only(await service.hears(some.change_status("signed")), SafetyCheckRequested)
    await knows(service, "2026.12.1")

    found = await service.hears(some.verdict(asked, some.CRITICAL))

    assert refusal(found).code == "unacknowledged_interactions"
    (asked,) = only(await asked_again(service, seconds=0), SafetyCheckRequested)
    assert asked.prescription_id == ID


async def test_a_signature_that_no_check_by_the_knowledge_base_in_use_reaches_is_given_up(service):
    await service.steps("pending_review", "validated")
    deadline = NOON + timedelta(minutes=15)
    (asked,) = only(
        await service.hears(some.change_status("signed", deadline=deadline)), SafetyCheckRequested
    )
    await knows(service, "2026.12.1")
    await service.hears(some.verdict(asked))

    assert refusal(await service.strikes(minutes=15)).code == "safety_check_failed"


async def test_a_check_that_finds_something_while_it_is_sealed_stops_the_release(service):
    request = await sealing(service)
    (asked,) = only(await service.hears(drafts.check()), SafetyCheckRequested)
    await service.hears(some.verdict(asked, CRITICAL))
    (signed,) = only(await service.hears(some.sealed(request)), CommandSucceeded)

    refused = await service.answer(some.change_status("submitted"))

    assert signed.prescription.status == "signed"
    assert (refused.code, refused.data["interaction_count"]) == ("unacknowledged_interactions", 1)


async def test_of_a_prescription_that_is_not_there_nothing_is_known(service):
    refused = await service.answer(some.change_status("signed", **some.numbered(9)))

    assert (refused.code, refused.prescription) == ("resource_not_found", None)


async def test_an_order_of_the_other_dialect_is_cancelled_and_dispensed_here(service):
    (issued,) = only(await service.issues(some.issue(number=1)), CommandSucceeded)
    assert (issued.prescription.dialect, issued.prescription.signature.status) == ("osigu", "completed")

    dispensed = await service.answer(some.change_status("dispensed", **some.numbered(1)))
    late = await service.answer(some.change_status("cancelled", **some.numbered(1)))

    assert dispensed.prescription.status == "dispensed"
    assert (late.code, late.data["from"]) == ("invalid_transition", "dispensed")


async def test_what_was_made_here_is_dispensed_and_voided_through_the_other_dialect(service):
    await service.steps("pending_review", "validated", "signed", "submitted")
    await service.hears(some.start(lines=(values.DispensationLine(item_id=some.ITEM, quantity=7),)))
    completed = await service.answer(some.complete("1"))

    voided = await service.answer(some.void(doctor_id=some.DOCTOR))

    assert completed.prescription.items[0].remaining_quantity == 14
    assert (voided.prescription.status, voided.prescription.void.doctor_id) == ("cancelled", some.DOCTOR)

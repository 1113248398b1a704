"""Pharmacies, prescribers and the clock at one prescription, on a real Postgres."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from contracts import values
from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.dispense_events import DispenseEnded, DispenseStarted, DispenseStopped
from contracts.notification_events import DeliveryFailed, DeliverySucceeded
from contracts.prescription_events import DeliveryRequested, PrescriptionChanged
from services.prescription.domain import history
from services.prescription.domain.state_table import Status
from shared import clock
from tests.service import prescriptions as some
from tests.service.prescriptions import FIRST, MOON, NOON, SECOND, Service, names, only, told


@pytest.fixture
async def service(open_pool, monkeypatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    service = Service.on(await open_pool("prescription"))
    await service.issues()
    yield service
    clock.reset()


async def test_of_two_pharmacies_in_one_batch_one_gets_it_and_the_other_is_told(service):
    found = await service.hears(some.start(), some.start(MOON, dispensation_id=SECOND))

    assert names(found) == ["PrescriptionChanged", "DispenseStarted", "CommandSucceeded", "CommandRefused"]
    (answer,) = only(found, CommandSucceeded)
    (refused,) = only(found, CommandRefused)
    assert (answer.dispensation_id, answer.repeated) == (FIRST, False)
    assert refused.code == "already_being_dispensed"
    assert refused.data == {"claim_expires_at": "2026-06-25T12:30:00Z", "retry_after_seconds": 1800}
    assert refused.prescription == answer.prescription


async def test_the_same_pharmacy_gets_its_own_back(service):
    await service.hears(some.start())

    again = await service.answer(some.start(dispensation_id=SECOND))

    assert (again.dispensation_id, again.repeated) == (FIRST, True)


async def test_a_part_and_then_the_rest_are_handed_over(service):
    await service.hears(some.start())
    await service.hears(some.update())
    part = await service.answer(some.complete())
    await service.hears(some.start(MOON, dispensation_id=SECOND))
    rest = await service.answer(
        some.complete(amount="1", dispensation_id=SECOND, pharmacy=MOON, **some.asked_by(MOON.tenant_id))
    )

    assert (part.prescription.status, part.prescription.items[0].remaining_quantity) == ("submitted", 10)
    assert part.prescription.dispensations[0].receipt.amount == some.Decimal("19.04")
    assert (rest.prescription.status, rest.prescription.items[0].remaining_quantity) == ("dispensed", 0)
    assert history.replay(await told(service)).dispensed(some.ITEM) == 30


async def test_failing_checks_are_refused_with_their_places(service):
    refused = await service.answer(some.start(lines=(some.line(31), some.line(1, item_id=UUID(int=99)))))

    assert refused.code == "validation_failed"
    assert [(one.path, one.code, one.data) for one in refused.refusals] == [
        ("products[0].quantity", "over_quantity", {"remaining_quantity": 30}),
        ("products[1].id", "line_unknown", {}),
    ]
    assert refused.prescription.status == "submitted"


async def test_a_void_takes_it_from_the_pharmacy_and_says_so_before_the_end(service):
    await service.hears(some.start())

    found = await service.hears(some.void())

    assert names(found) == ["PrescriptionChanged", "DispenseStopped", "DispenseEnded", "CommandSucceeded"]
    (stopped,), (ended,) = only(found, DispenseStopped), only(found, DispenseEnded)
    assert (stopped.stopped_by, stopped.status, ended.status) == ("prescriber", "cancelled", "cancelled")
    assert ended.version == stopped.version + 1 == found[-1].message.prescription.version
    (claim,) = found[-1].message.prescription.dispensations
    assert (claim.status, claim.cancelled_by) == ("CANCELLED", "PRESCRIBER")
    assert claim.void_reason == "PRESCRIBER_INDICATION"
    assert (await service.answer(some.complete())).code == "prescription_voided"
    assert await service.pool.fetchval("SELECT in_force_version FROM patient") == 2


async def test_a_void_again_gives_the_first_ones_data(service):
    first = await service.answer(some.void())
    again = await service.answer(some.void(reason="Another.", reason_code="ERROR"))

    assert (again.repeated, again.prescription) == (True, first.prescription)


async def test_a_refused_void_is_in_the_history_and_its_answer_is_no_older(service):
    await service.hears(some.start())
    await service.hears(some.complete(amount="1"))

    found = await service.hears(some.void())

    assert names(found) == ["PrescriptionChanged", "CommandRefused"]
    refused = found[-1].message
    assert (refused.code, refused.prescription) == ("prescription_dispensed", found[0].message.prescription)
    last = (await told(service))[-1]
    assert (last.note.action, last.note.error) == ("attempt_refused", "prescription_dispensed")
    assert last.revision == refused.prescription.revision


async def test_a_claim_runs_out_and_pharmacies_are_told_by_the_clock(service):
    await service.hears(some.start())
    assert await service.strikes(minutes=29) == []

    found = await service.strikes(minutes=1)

    assert names(found) == ["PrescriptionChanged", "DispenseStopped"]
    assert found[1].message.stopped_by == "timeout"
    assert (await service.answer(some.complete())).code == "dispensation_expired"
    assert names(await service.strikes(days=40)) == ["PrescriptionChanged", "DispenseEnded"]


async def test_a_command_finds_what_is_due_before_the_clock_does(service):
    await service.hears(some.start())
    clock.shift(timedelta(minutes=30))

    found = await service.hears(some.start(MOON, dispensation_id=SECOND))

    assert names(found) == ["PrescriptionChanged", "DispenseStopped", "DispenseStarted", "CommandSucceeded"]
    assert found[2].message.version == found[1].message.version + 1
    assert await service.strikes() == []


async def test_a_refusal_commits_what_was_due_when_it_was_decided(service):
    clock.shift(timedelta(days=40))

    found = await service.hears(some.start())

    assert names(found) == ["PrescriptionChanged", "DispenseEnded", "CommandRefused"]
    assert found[-1].message.code == "prescription_expired"
    assert found[-1].message.prescription == found[0].message.prescription
    assert await service.strikes() == []


async def test_a_claim_outlives_the_validity_and_the_prescription_expires_after_it(service):
    clock.shift(some.VALID_UNTIL - clock.now() - timedelta(minutes=10))
    (started,) = only(await service.hears(some.start()), DispenseStarted)
    assert started.expires_at == some.VALID_UNTIL + timedelta(minutes=20)
    assert await service.strikes(minutes=15) == []

    found = await service.strikes(minutes=15)

    assert names(found) == ["PrescriptionChanged", "DispenseStopped", "DispenseEnded"]
    assert found[0].message.prescription.expired_at == started.expires_at


async def test_the_issuers_settings_at_the_start_decide(service):
    policy = values.Policy(dispensation_timeout_min=5, dispensation_void_window_h=1)
    (started,) = only(await service.hears(some.start(policy=policy)), DispenseStarted)
    await service.hears(some.complete(amount="1"))
    clock.shift(timedelta(minutes=61))

    assert started.expires_at == NOON + timedelta(minutes=5)
    refused = await service.answer(some.cancel_dispensation(void_reason="REFUND"))
    assert refused.code == "void_window_closed"


async def test_what_was_handed_over_comes_back(service):
    await service.hears(some.start())
    await service.hears(some.complete(amount="1"))

    found = await service.hears(some.cancel_dispensation(void_reason="WRONG_PATIENT_IDENTIFICATION"))

    assert names(found) == ["PrescriptionChanged", "DispenseStopped", "CommandSucceeded"]
    assert (found[1].message.stopped_by, found[1].message.status) == ("pharmacy", "issued")
    assert found[2].message.prescription.items[0].remaining_quantity == 30
    again = await service.answer(some.cancel_dispensation())
    assert again.repeated


async def test_another_pharmacy_does_not_find_it(service):
    await service.hears(some.start())

    refused = await service.answer(some.complete(pharmacy=MOON))

    assert refused.code == "resource_not_found"


async def test_a_stranger_finds_no_prescription(service):
    refused = await service.answer(some.void(tenant_id=UUID(int=9)))

    assert (refused.code, refused.prescription) == ("resource_not_found", None)


async def test_it_is_sent_again_five_times_an_hour(service):
    for _ in range(5):
        found = await service.hears(some.resend(email_address="other@example.org"))
        (wanted,) = only(found, DeliveryRequested)
        assert (wanted.email_address, wanted.delivery_id) == ("other@example.org", UUID(int=51))

    refused = await service.answer(some.resend())

    assert (refused.code, refused.data) == ("rate_limited", {"retry_after_seconds": 3601})
    assert refused.prescription.patient.email_address == "ana@example.org"


async def test_what_became_of_a_delivery_and_who_looked_is_in_the_history(service):
    version = (await service.answer(some.note_access())).prescription.version
    arrived = DeliverySucceeded(**some.ABOUT, delivery_id=UUID(int=51), message_id="m", delivered_at=NOON)
    lost = DeliveryFailed(
        **some.ABOUT, delivery_id=UUID(int=52), message_id="n", reason="No such box.", failed_at=NOON
    )
    changes = only(await service.hears(arrived, lost), PrescriptionChanged)

    assert [one.note.action for one in (await told(service))[-3:]] == [
        "code_looked_up",
        "delivered",
        "delivery_failed",
    ]
    assert changes[-1].prescription.version == version
    assert changes[-1].prescription.revision == changes[-2].prescription.revision + 1


async def test_an_old_deadline_ends_a_command_on_arrival_and_kafka_has_none(service):
    command = some.start()
    clock.shift(timedelta(minutes=16))

    refused = await service.answer(command)
    answer = await service.answer(some.start(deadline=None))

    assert (refused.code, refused.prescription.status) == ("dependency_unavailable", "submitted")
    assert answer.dispensation_id == FIRST


async def test_its_history_alone_leads_to_where_it_is(service):
    for command in (
        some.start(),
        some.update(),
        some.complete(),
        some.start(MOON, dispensation_id=SECOND),
        some.cancel_dispensation(void_reason="REFUND"),
        some.void(),
    ):
        last = await service.answer(command)

    outline = history.replay(await told(service))
    assert (outline.status, outline.version) == (Status.CANCELLED, last.prescription.version)
    assert outline.live_dispensation_id is None
    assert outline.dispensed(some.ITEM) == last.prescription.items[0].dispensed_quantity == 0


ALWAYS = values.Policy(otp_policy="always")
SHOWN = values.Verification(
    path="otp_verification_token", verification_id=UUID(int=71), verified_at=some.NOON
)


async def test_a_verification_lets_one_thing_be_handed_over_and_no_other(service):
    await service.issues(some.issue(number=1))
    begun = await service.answer(some.start(policy=ALWAYS))
    other = some.start(policy=ALWAYS, **some.numbered(1), dispensation_id=SECOND)
    await service.hears(other)

    first = await service.answer(some.complete(verifications=(SHOWN,)))
    again = await service.answer(
        some.complete(**some.numbered(1), dispensation_id=SECOND, verifications=(SHOWN,))
    )

    (claim,) = first.prescription.dispensations
    assert begun.prescription.dispensations[0].verification_required == "OTP"
    assert (claim.status, claim.verified_at) == ("COMPLETED", some.NOON)
    assert (again.code, [one.path for one in again.refusals]) == (
        "verification_invalid",
        ["otp_verification_token"],
    )


async def test_of_two_that_use_one_verification_in_one_batch_one_is_refused(service):
    await service.issues(some.issue(number=1))

    found = await service.hears(
        some.start(policy=ALWAYS, verifications=(SHOWN,)),
        some.start(policy=ALWAYS, **some.numbered(1), dispensation_id=SECOND, verifications=(SHOWN,)),
    )

    (answer,), (refused,) = only(found, CommandSucceeded), only(found, CommandRefused)
    assert answer.prescription.dispensations[0].verified_at == some.NOON
    assert refused.code == "verification_invalid"


async def test_a_refused_completion_uses_nothing_up(service):
    await service.hears(some.start(policy=ALWAYS, lines=(some.line(),)))
    refused = await service.answer(some.complete(amount="1", verifications=(SHOWN,)))

    answer = await service.answer(some.complete(verifications=(SHOWN,)))

    assert refused.code == "amount_mismatch"
    assert answer.prescription.dispensations[0].status == "COMPLETED"


async def test_a_start_repeated_with_the_verification_is_told_as_repeated(service):
    await service.hears(some.start(policy=ALWAYS))

    again = await service.answer(some.start(policy=ALWAYS, dispensation_id=SECOND, verifications=(SHOWN,)))

    assert (again.dispensation_id, again.repeated) == (FIRST, True)
    assert again.prescription.dispensations[0].verified_at == some.NOON

"""Prescriptions over HTTP on a real Postgres; the tests answer in the place of the other services."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

import httpx
import pytest

from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.message import Message
from contracts.notification_commands import MakeDocument
from contracts.notification_events import DocumentFinished
from contracts.prescription_commands import (
    IssuePrescription,
    NoteAccess,
    ResendPrescription,
    VoidPrescription,
)
from contracts.prescription_events import PrescriptionChanged
from contracts.values import Item, Prescription, Status, Void
from services.gateway.messages import ids
from services.gateway.messages.errors import TABLE
from services.gateway.operator import icd10
from services.gateway.store import at_rest, catalogue, diagnoses, providers
from shared import clock, database
from tests import prescriptions as known
from tests.gateway import (
    ANA,
    CLINIC_CLIENT,
    DOCTOR_CLIENT,
    MARTA,
    NAMED,
    NORTE,
    OTHER_CLIENT,
    PHARMACY_CLIENT,
    PRODUCTS,
    Serving,
    released,
    serving,
)
from tests.infrastructure import Database, until
from tests.service.conftest import kinds, said

PRESCRIPTIONS = "/ehr/v1/prescriptions"
MEDICINE = {"product_code": "MED-042", "quantity": 30, "posology": "1 tablet every 8h", "duration_days": 10}
PDF = b"%PDF-1.7 as good as any"
M = TypeVar("M", bound=Message)


class Clinic:
    """A gateway with a catalogue and one patient; commands are answered by hand."""

    def __init__(self, on: Serving, patient_id: str) -> None:
        self.on = on
        self.patient_id = patient_id

    def body(self, **changes: Any) -> dict[str, Any]:
        order = {
            "patient_id": self.patient_id,
            "diagnoses": [{"diagnosis_code": "R51"}],
            "medications": [MEDICINE],
        }
        return {name: value for name, value in (order | changes).items() if value is not ...}

    async def said(self, kind: type[M]) -> list[M]:
        return [one.message for one in await said(self.on.owner) if isinstance(one.message, kind)]

    async def sent(self, kind: type[M], count: int = 1) -> M:
        """The newest command of a kind, once there are so many."""

        async def gone() -> bool:
            return len(await self.said(kind)) >= count

        await until(gone, seconds=10)
        return (await self.said(kind))[-1]

    async def answered(
        self, asking: Awaitable[httpx.Response], kind: type[M], outcome: Callable[[M], Message]
    ) -> httpx.Response:
        """The answer to a request whose command gets this outcome."""
        before = len(await self.said(kind))
        task = asyncio.ensure_future(asking)
        await self.on.deliver(outcome(await self.sent(kind, before + 1)))
        return await asyncio.wait_for(task, 10)

    async def issue(
        self,
        *,
        client: str = DOCTOR_CLIENT,
        path: str = PRESCRIPTIONS,
        key: str | None = None,
        **changes: Any,
    ) -> httpx.Response:
        asking = self.on.post(client, path, self.body(**changes), key=key)
        return await self.answered(asking, IssuePrescription, lambda command: done(issued(command)))

    async def shown(self, id: str, client: str = DOCTOR_CLIENT) -> dict[str, Any]:
        answer = await self.on.get(client, f"{PRESCRIPTIONS}/{id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def voided(state: Prescription) -> Prescription:
    void = Void(reason="Rash.", reason_code="ERROR", voided_at=known.AT)
    return state.model_copy(update={"status": Status.CANCELLED, "void": void, "revision": 9, "version": 6})


def told(state: Prescription) -> PrescriptionChanged:
    return PrescriptionChanged(
        tenant_id=state.tenant_id,
        prescription_id=state.prescription_id,
        change="voided",
        prescription=state,
    )


def issued(command: IssuePrescription) -> tuple[Prescription, UUID]:
    """What prescription would make of an order."""
    now = clock.now()
    state = known.prescription(
        tenant_id=command.tenant_id,
        prescription_id=command.prescription_id,
        prescription_code=f"RX-2026-{command.prescription_id.int % 10**16:016d}",
        api_version=command.api_version,
        provider=command.provider,
        policy=command.policy,
        patient=command.patient,
        doctor=command.doctor,
        diagnoses=command.diagnoses,
        items=tuple(
            Item(**dict(one), position=place, remaining_quantity=one.quantity)
            for place, one in enumerate(command.items, start=1)
        ),
        patient_data_consent=command.patient_data_consent,
        notes=command.notes,
        confidential=command.confidential,
        valid_until=command.valid_until,
        created_at=now,
        updated_at=now,
        issued_at=now,
    )
    return state, command.request_id


def done(made: tuple[Prescription, UUID], **changes: Any) -> CommandSucceeded:
    state, request_id = made
    return CommandSucceeded(
        tenant_id=state.tenant_id,
        prescription_id=state.prescription_id,
        request_id=request_id,
        prescription=state,
        **changes,
    )


def refused(command: IssuePrescription, code: str, **changes: Any) -> CommandRefused:
    return CommandRefused(
        tenant_id=command.tenant_id,
        prescription_id=command.prescription_id,
        request_id=command.request_id,
        code=code,
        message="Not as things stand.",
        **changes,
    )


@pytest.fixture
async def clinic(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Clinic]:
    async with serving(await database("gateway")) as on:
        await on.deliver(*PRODUCTS, *NAMED, released())
        await load_diagnoses(on)
        for code in ("MED-042", "LAB-HEMO"):
            await register(on, code)
        patient = (await on.post(CLINIC_CLIENT, "/ehr/v1/patients", ANA)).json()["patient_id"]
        yield Clinic(on, patient)
    clock.reset()


async def load_diagnoses(on: Serving) -> None:
    some = [one for one in icd10.listed() if one.code in ("R51", "J00")]
    async with database.transaction(on.owner) as conn:
        await diagnoses.save_diagnoses(conn, some)


async def register(on: Serving, code: str) -> None:
    async with database.transaction(on.owner) as conn:
        await catalogue.register(conn, on.tenants[NORTE], code, now=clock.now())


def later(clinic: Clinic, by: timedelta) -> None:
    """Let time pass; tokens of before are of no use then."""
    clock.shift(by)
    clinic.on.tokens.clear()


def codes(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(one["path"], one["code"]) for one in answer.json()["errors"]]


async def test_a_prescription_is_issued_and_read_back(clinic):
    answer = await clinic.issue(notes="After meals")
    body = answer.json()
    shown = await clinic.shown(body["prescription_id"])

    assert (answer.status_code, body["status"], body["version"]) == (201, "PRESCRIPTION_ISSUED", "v1")
    assert answer.headers["location"] == f"{PRESCRIPTIONS}/{body['prescription_id']}"
    assert shown["prescription_code"] == body["prescription_code"]
    assert shown["patient"]["email_address"] == "ana@example.org"
    assert shown["doctor"]["name"] == "Marta Ruiz Soler"
    assert (shown["notes"], shown["additional_notes"]) == ("After meals", "After meals")
    assert shown["diagnoses"][0]["description"] == "Cefalea"
    assert shown["medications"][0]["product_name"] == "Paracetamol 500 mg tablets"


async def test_the_command_carries_snapshots_and_a_deadline(clinic):
    await clinic.issue()
    command = await clinic.sent(IssuePrescription)

    assert command.tenant_id == clinic.on.tenants[NORTE]
    assert (command.caller.client, command.caller.channel) == (DOCTOR_CLIENT, "osigu")
    assert command.patient.first_name == "Ana"
    assert command.doctor.medical_license_number == "12345"
    assert command.items[0].product is not None
    assert command.items[0].product.product_code == "MED-042"
    assert command.provider.provider_slug == NORTE
    assert command.deadline is not None
    assert timedelta(minutes=14) < command.deadline - clock.now() <= timedelta(minutes=15)


async def test_all_that_is_wrong_is_answered_at_once_and_leaves_no_request(clinic):
    body = clinic.body(
        medications=[MEDICINE | {"product_code": "MED-107"}, MEDICINE | {"quantity": 0}], surprise=1
    )

    answer = await clinic.on.post(CLINIC_CLIENT, f"{PRESCRIPTIONS}?what=1", body, key="a")

    assert answer.status_code == 422
    assert codes(answer) == [
        ("query.what", "unknown_field"),
        ("doctor_id", "doctor_required"),
        ("medications[0].product_code", "product_not_registered"),
        ("medications[1].quantity", "out_of_range"),
        ("surprise", "unknown_field"),
    ]
    assert (answer.json()["code"], answer.json()["error_code"]) == ("validation_failed", "071-104")
    request = await clinic.on.get(CLINIC_CLIENT, answer.json()["instance"])
    assert request.status_code == 404
    assert await clinic.said(IssuePrescription) == []


@pytest.mark.parametrize(
    ("medicine", "code", "vendor"),
    [
        ({"product_code": "MED-107"}, "product_not_registered", "071-104"),
        ({"product_code": "MED-999"}, "product_unknown", "071-104"),
        ({"product_code": "LAB-HEMO"}, "product_type_not_prescribable", None),
    ],
)
async def test_one_business_code_is_the_code_of_the_answer(clinic, medicine, code, vendor):
    answer = await clinic.on.post(
        DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body(medications=[MEDICINE | medicine])
    )

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json().get("error_code") == vendor


async def test_what_orders_refer_to_is_planned_once_for_all_of_them(clinic):
    unknown = clinic.body(medications=[MEDICINE | {"product_code": "MED-999"}])
    for _ in range(8):
        await clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, unknown)

    # On the one connection that the tests look up by; the server's own count.
    planned = await clinic.on.look_ups.fetchrow(
        """
        SELECT generic_plans, custom_plans
          FROM pg_prepared_statements
         WHERE statement LIKE '%product_records%'
           AND statement NOT LIKE '%pg_prepared%'
        """
    )
    assert tuple(planned) == (8, 0)


async def test_orders_at_a_time_are_each_about_what_they_refer_to(clinic):
    on = clinic.on
    others = [
        (
            await on.post(CLINIC_CLIENT, "/ehr/v1/patients", ANA | {"document_number": f"200000000{number}"})
        ).json()
        for number in range(3)
    ]
    orders = [clinic.body(patient_id=one["patient_id"]) for one in others]
    orders += [clinic.body(medications=[MEDICINE | {"product_code": "MED-999"}])]
    orders += [clinic.body(patient_id=ids.spell("pat", UUID(int=7)))]

    asking = [asyncio.ensure_future(on.post(DOCTOR_CLIENT, PRESCRIPTIONS, order)) for order in orders]
    await clinic.sent(IssuePrescription, 3)

    refused = [(await one).json()["code"] for one in asking[3:]]
    sent = {ids.spell("pat", one.patient.patient_id) for one in await clinic.said(IssuePrescription)}
    assert sent == {one["patient_id"] for one in others}
    assert refused == ["product_unknown", "patient_not_found"]
    for one in asking:
        one.cancel()


async def test_v1_1_wants_consent_and_v2_is_not_served_yet(clinic):
    without = await clinic.on.post(DOCTOR_CLIENT, "/ehr/v1.1/prescriptions", clinic.body())
    with_consent = await clinic.issue(path="/ehr/v1.1/prescriptions", patient_data_consent=True)
    v2 = await clinic.on.post(DOCTOR_CLIENT, "/ehr/v2/prescriptions", clinic.body())

    assert (without.status_code, without.json()["code"]) == (422, "consent_required")
    assert (with_consent.status_code, with_consent.json()["version"]) == (201, "v1.1")
    assert (v2.status_code, v2.json()["code"]) == (404, "operation_not_offered")


async def test_a_version_that_the_provider_does_not_allow_is_refused(clinic):
    async with database.transaction(clinic.on.owner) as conn:
        tenant = clinic.on.tenants[NORTE]
        await providers.save_setting(conn, tenant, "allowed_versions", "v1.1", now=clock.now())

    answer = await clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body())

    assert (answer.status_code, answer.json()["code"]) == (422, "version_not_allowed")


async def test_fifty_at_once_under_one_key_make_one_prescription(clinic):
    await clinic.on.get(DOCTOR_CLIENT, PRESCRIPTIONS)  # With a token that all fifty use.
    tasks = [
        asyncio.ensure_future(clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body(), key="once"))
        for _ in range(50)
    ]
    await clinic.on.deliver(done(issued(await clinic.sent(IssuePrescription))))
    answers = await asyncio.wait_for(asyncio.gather(*tasks), 20)

    assert len(await clinic.said(IssuePrescription)) == 1
    assert {(one.status_code, one.content) for one in answers} == {(201, answers[0].content)}
    assert {one.headers["x-request-id"] for one in answers} == {answers[0].headers["x-request-id"]}
    assert sum("idempotency-replayed" in one.headers for one in answers) == 49


async def test_a_request_is_found_by_its_id_and_by_its_key(clinic):
    pending = await clinic.on.ask(
        DOCTOR_CLIENT,
        "POST",
        PRESCRIPTIONS,
        json=clinic.body(),
        headers={"Idempotency-Key": "a", "Prefer": "respond-async"},
    )
    place = pending.headers["location"]
    before = await clinic.on.get(DOCTOR_CLIENT, place)
    await clinic.on.deliver(done(issued(await clinic.sent(IssuePrescription))))
    after = await clinic.on.get(DOCTOR_CLIENT, place)
    by_key = (await clinic.on.get(DOCTOR_CLIENT, "/v1/requests", idempotency_key="a")).json()
    other = await clinic.on.get(CLINIC_CLIENT, place)
    replay = await clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body(), key="a")

    assert (pending.status_code, pending.json()) == (202, before.json())
    assert (before.json()["state"], before.headers["retry-after"]) == ("PENDING", "1")
    assert before.json()["prescription_id"] == after.json()["prescription_id"]
    assert (after.json()["state"], after.json()["response"]["status"]) == ("SUCCEEDED", 201)
    assert after.json()["response"]["body"] == replay.json()
    assert after.json()["response"]["headers"] == {"Location": replay.headers["location"]}
    assert (by_key["data"], by_key["total"]) == ([after.json()], 1)
    assert other.status_code == 404


async def test_a_key_that_nothing_was_accepted_under_is_an_empty_list(clinic):
    found = (await clinic.on.get(DOCTOR_CLIENT, "/v1/requests", idempotency_key="never")).json()
    without = await clinic.on.get(DOCTOR_CLIENT, "/v1/requests")

    assert (found["data"], found["total"]) == ([], 0)
    assert codes(without) == [("query.idempotency_key", "required")]


async def test_after_a_safety_block_the_acknowledged_order_goes_under_the_same_key(clinic):
    asking = clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body(), key="a")

    def blocked(command: IssuePrescription) -> CommandRefused:
        finding = known.finding(item_ids=(command.items[0].item_id,))
        return refused(command, "safety_blocked", data={"findings": [finding.model_dump(mode="json")]})

    refusal = await clinic.answered(asking, IssuePrescription, blocked)
    (looked,) = (await clinic.on.get(DOCTOR_CLIENT, "/v1/requests", idempotency_key="a")).json()["data"]
    acknowledged = [{"finding_key": "k1:critical:8d2f60c1", "reason": "INR weekly."}]
    answer = await clinic.issue(key="a", acknowledged_findings=acknowledged)
    command = await clinic.sent(IssuePrescription, 2)

    assert (refusal.status_code, refusal.json()["code"]) == (422, "safety_blocked")
    assert (looked["state"], looked["prescription_id"]) == ("FAILED", None)
    assert refusal.json()["findings"][0]["paths"] == ["medications[0]"]
    assert refusal.json()["findings"][0]["products"] == ["MED-042"]
    assert refusal.json()["findings"][0]["description"] == "Riesgo de sangrado."
    assert answer.status_code == 201
    assert [one.finding_key for one in command.acknowledged] == ["k1:critical:8d2f60c1"]


async def test_an_inline_patient_is_on_file_after_the_first_success_and_not_before(clinic):
    eva = ANA | {"first_name": "Eva", "document_number": "2000000002"}
    asking = clinic.on.post(DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body(patient_id=..., patient=eva))
    refusal = await clinic.answered(
        asking, IssuePrescription, lambda command: refused(command, "dependency_unavailable")
    )
    first = await clinic.sent(IssuePrescription)
    hidden = (await clinic.on.get(CLINIC_CLIENT, "/ehr/v1/patients", document_number="2000000002")).json()

    answer = await clinic.issue(patient_id=..., patient=eva)
    second = await clinic.sent(IssuePrescription, 2)
    found = (await clinic.on.get(CLINIC_CLIENT, "/ehr/v1/patients", document_number="2000000002")).json()

    assert (refusal.status_code, hidden["total"]) == (503, 0)
    assert (answer.status_code, found["total"]) == (201, 1)
    # The retry is about the same patient, so that what was acknowledged still is.
    assert first.patient.patient_id == second.patient.patient_id
    assert found["data"][0]["patient_id"] == ids.spell("pat", second.patient.patient_id)


async def test_a_known_document_with_another_name_is_a_conflict(clinic):
    answer = await clinic.on.post(
        DOCTOR_CLIENT, PRESCRIPTIONS, clinic.body(patient_id=..., patient=ANA | {"first_name": "Eva"})
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "patient_conflict")
    assert codes(answer) == [("patient", "patient_conflict")]


async def test_an_issued_prescription_keeps_its_patient_and_doctor_as_they_were(clinic):
    id = (await clinic.issue()).json()["prescription_id"]
    doctor_id = (await clinic.shown(id))["doctor"]["doctor_id"]
    doctor = MARTA.model_dump(mode="json", exclude={"doctor_id"}, exclude_none=True)

    moved = await clinic.on.ask(
        CLINIC_CLIENT, "PUT", f"/ehr/v1/patients/{clinic.patient_id}", json=ANA | {"first_name": "Anabel"}
    )
    renamed = await clinic.on.ask(
        CLINIC_CLIENT, "PUT", f"/ehr/v1/doctors/{doctor_id}", json=doctor | {"given_names": "Martina"}
    )
    await clinic.issue()
    read = await clinic.shown(id)

    assert (moved.status_code, renamed.status_code) == (200, 200)
    assert (read["patient"]["first_name"], read["doctor"]["name"]) == ("Ana", "Marta Ruiz Soler")
    command = (await clinic.said(IssuePrescription))[-1]
    assert (command.patient.first_name, command.patient.facts_version) == ("Anabel", 2)
    assert command.doctor.given_names == "Martina"


async def test_a_prescription_is_read_under_every_prefix_and_by_nobody_else(clinic):
    id = (await clinic.issue()).json()["prescription_id"]

    shown = [
        (await clinic.on.get(CLINIC_CLIENT, f"/ehr/{version}/prescriptions/{id}")).json()["id"]
        for version in ("v1", "v1.1", "v2")
    ]
    stranger = await clinic.on.get(OTHER_CLIENT, f"{PRESCRIPTIONS}/{id}")
    pharmacy = await clinic.on.get(PHARMACY_CLIENT, f"{PRESCRIPTIONS}/{id}")
    misspelt = await clinic.on.get(CLINIC_CLIENT, f"{PRESCRIPTIONS}/{id.lower()}")

    assert shown == [id] * 3
    assert (stranger.status_code, stranger.json()["code"]) == (404, "resource_not_found")
    assert (pharmacy.status_code, misspelt.status_code) == (403, 404)


async def test_the_entity_tag_covers_what_is_stored_and_not_the_link(clinic):
    id = (await clinic.issue()).json()["prescription_id"]
    path = f"{PRESCRIPTIONS}/{id}"

    first = await clinic.on.get(DOCTOR_CLIENT, path)
    clock.shift(timedelta(seconds=2))
    second = await clinic.on.get(DOCTOR_CLIENT, path)
    same = await clinic.on.ask(DOCTOR_CLIENT, "GET", path, headers={"If-None-Match": first.headers["etag"]})
    later(clinic, timedelta(days=40))
    over = await clinic.on.get(DOCTOR_CLIENT, path)

    assert first.headers["etag"] == second.headers["etag"]
    assert first.json()["download_url"] != second.json()["download_url"]
    assert (same.status_code, same.content) == (304, b"")
    assert over.json()["status"] == "PRESCRIPTION_EXPIRED"
    assert over.headers["etag"] != first.headers["etag"]


async def test_lists_are_filtered_paged_and_newest_first(clinic):
    first = (await clinic.issue()).json()
    clock.shift(timedelta(seconds=2))
    second = (await clinic.issue()).json()
    both = (await clinic.on.get(DOCTOR_CLIENT, PRESCRIPTIONS)).json()
    typed = first["prescription_code"].replace("-", " ").lower()

    async def found(**query: Any) -> tuple[list[str], int]:
        page = (await clinic.on.get(DOCTOR_CLIENT, PRESCRIPTIONS, **query)).json()
        return [one["id"] for one in page["data"]], page["total"]

    newest, oldest = second["prescription_id"], first["prescription_id"]
    assert [one["id"] for one in both["data"]] == [newest, oldest]
    assert await found(limit=1, page=2) == ([oldest], 2)
    assert await found(limit=1, page=3) == ([], 2)
    assert await found(prescription_code=typed) == ([oldest], 1)
    assert await found(patient_id=clinic.patient_id, status="PRESCRIPTION_ISSUED") == ([newest, oldest], 2)
    assert await found(patient_id="pat_nobody") == ([], 0)
    assert await found(status="PRESCRIPTION_VOIDED,PRESCRIPTION_DISPENSED") == ([], 0)
    assert await found(created_from=second["created_at"]) == ([newest], 1)
    assert await found(created_to=first["created_at"]) == ([oldest], 1)
    later(clinic, timedelta(days=40))
    assert await found(status="PRESCRIPTION_ISSUED") == ([], 0)
    assert await found(status="PRESCRIPTION_EXPIRED") == ([newest, oldest], 2)


async def test_a_list_refuses_words_that_it_does_not_know(clinic):
    answer = await clinic.on.get(DOCTOR_CLIENT, PRESCRIPTIONS, status="ISSUED", limit=201, sort="up")

    assert codes(answer) == [
        ("query.status", "invalid_value"),
        ("query.limit", "out_of_range"),
        ("query.sort", "unknown_field"),
    ]


async def test_what_was_read_before_is_not_shown_after_a_change(clinic):
    id = (await clinic.issue()).json()["prescription_id"]
    before = [await clinic.shown(id), await clinic.shown(id)]
    state = issued(await clinic.sent(IssuePrescription))[0]

    await clinic.on.deliver(told(voided(state)))

    assert [one["status"] for one in before] == ["PRESCRIPTION_ISSUED"] * 2
    assert (await clinic.shown(id))["status"] == "PRESCRIPTION_VOIDED"


@pytest.mark.parametrize("newest_first", [True, False])
async def test_of_two_states_in_one_batch_the_newer_is_shown(clinic, newest_first):
    id = (await clinic.issue()).json()["prescription_id"]
    state = issued(await clinic.sent(IssuePrescription))[0]
    states = [voided(state), state.model_copy(update={"revision": 8, "version": 5})]

    await clinic.on.deliver(*(told(one) for one in (states if newest_first else reversed(states))))

    assert (await clinic.shown(id))["status"] == "PRESCRIPTION_VOIDED"


async def test_a_void_is_answered_with_the_first_ones_data_however_often_it_is_asked(clinic):
    id = (await clinic.issue()).json()["prescription_id"]
    state = issued(await clinic.sent(IssuePrescription))[0]

    def void(command: VoidPrescription) -> CommandSucceeded:
        first = Void(
            reason="Rash.", reason_code=command.reason_code, voided_at=known.AT, doctor_id=command.doctor_id
        )
        after = state.model_copy(
            update={"status": Status.CANCELLED, "void": first, "revision": 9, "version": 6}
        )
        return done((after, command.request_id))

    path = f"{PRESCRIPTIONS}/{id}/void"
    answers = [
        await clinic.answered(clinic.on.post(DOCTOR_CLIENT, path, {"reason": reason}), VoidPrescription, void)
        for reason in ("Rash.", "Again, and otherwise.")
    ]
    shown = await clinic.shown(id)

    assert answers[0].json() == answers[1].json()
    assert (answers[0].status_code, answers[0].json()["reason"]) == (200, "Rash.")
    assert (shown["status"], shown["void"]["reason_code"]) == ("PRESCRIPTION_VOIDED", "PRESCRIBER_DECISION")


@pytest.mark.parametrize(
    ("client", "body", "expected"),
    [
        (DOCTOR_CLIENT, {}, [("reason", "required")]),
        (DOCTOR_CLIENT, {"reason": "no"}, [("reason", "out_of_range")]),
        (DOCTOR_CLIENT, {"reason": "Rash.", "reason_code": "WHIM"}, [("reason_code", "invalid_value")]),
        (CLINIC_CLIENT, {"reason": "Rash."}, [("doctor_id", "doctor_required")]),
        (CLINIC_CLIENT, {"reason": "Rash.", "doctor_id": "doc_x"}, [("doctor_id", "doctor_not_registered")]),
    ],
)
async def test_a_void_names_a_reason_and_a_doctor(clinic, client, body, expected):
    id = (await clinic.issue()).json()["prescription_id"]

    assert codes(await clinic.on.post(client, f"{PRESCRIPTIONS}/{id}/void", body)) == expected


async def test_a_client_that_read_another_version_is_told(clinic):
    id = (await clinic.issue()).json()["prescription_id"]

    answer = await clinic.on.ask(
        DOCTOR_CLIENT,
        "POST",
        f"{PRESCRIPTIONS}/{id}/void",
        json={"reason": "Rash."},
        headers={"If-Match": '"1"'},
    )

    assert (answer.status_code, answer.json()["code"]) == (412, "version_mismatch")


async def test_what_a_client_has_read_is_asked_for_where_it_is_decided(clinic):
    """What the gateway sees may have changed before prescription hears of the command."""
    id = (await clinic.issue()).json()["prescription_id"]
    path = f"{PRESCRIPTIONS}/{id}/void"
    tag = (await clinic.on.get(DOCTOR_CLIENT, f"{PRESCRIPTIONS}/{id}")).headers["etag"]
    sent = []
    for named in (tag, f'"other", {tag}', "*", None):
        asking = clinic.on.ask(
            *(DOCTOR_CLIENT, "POST", path),
            json={"reason": "Rash."},
            headers={} if named is None else {"If-Match": named},
        )
        answer = await clinic.answered(asking, VoidPrescription, lambda one: refused(one, "version_mismatch"))
        sent.append((await clinic.sent(VoidPrescription)).expected_version)

        assert (answer.status_code, answer.json()["code"]) == (412, "version_mismatch")
    version = issued(await clinic.sent(IssuePrescription))[0].version
    assert sent == [version, version, None, None]


async def test_a_resend_may_name_an_address_that_is_shown_masked(clinic):
    id = (await clinic.issue()).json()["prescription_id"]
    state = issued(await clinic.sent(IssuePrescription))[0]
    asking = clinic.on.post(
        DOCTOR_CLIENT,
        f"{PRESCRIPTIONS}/{id}/resend",
        {"channel": "EMAIL", "email_address": "Bea@Example.net"},
    )

    answer = await clinic.answered(asking, ResendPrescription, lambda one: done((state, one.request_id)))

    assert (answer.status_code, answer.json()["masked_destination"]) == (200, "b***@example.net")
    assert (await clinic.sent(ResendPrescription)).email_address == "bea@example.net"
    kept = await clinic.on.owner.fetch("SELECT tenant_id, request_id, context FROM request")
    opened = [at_rest.CONTEXT.open(one["context"], one["tenant_id"], one["request_id"]) for one in kept]
    assert not any(b"bea@example.net" in one for one in opened)


async def test_sms_is_not_configured(clinic):
    id = (await clinic.issue()).json()["prescription_id"]

    answer = await clinic.on.post(DOCTOR_CLIENT, f"{PRESCRIPTIONS}/{id}/resend", {"channel": "SMS"})

    assert (answer.status_code, answer.json()["code"]) == (422, "channel_not_configured")


def finished(command: MakeDocument, content: bytes = PDF) -> DocumentFinished:
    return DocumentFinished.model_validate(
        {
            "tenant_id": command.tenant_id,
            "prescription_id": command.prescription_id,
            "request_id": command.request_id,
            "document_id": command.document_id,
            "revision": command.prescription.revision,
            "language": command.language,
            "sha256": sha256(content).hexdigest(),
            "content": base64.b64encode(content),
        }
    )


async def test_the_document_is_made_once_then_kept_and_each_download_is_noted(clinic):
    id = (await clinic.issue()).json()["prescription_id"]
    path = f"{PRESCRIPTIONS}/{id}/pdf"

    first = await clinic.answered(
        clinic.on.ask(DOCTOR_CLIENT, "GET", path, headers={"Accept": "application/pdf"}),
        MakeDocument,
        finished,
    )
    second = await clinic.on.get(CLINIC_CLIENT, path)

    assert (first.status_code, first.headers["content-type"], first.content) == (200, "application/pdf", PDF)
    assert second.content == PDF
    assert len(await clinic.said(MakeDocument)) == 1
    assert [one.what for one in await clinic.said(NoteAccess)] == ["pdf_downloaded"] * 2


async def test_what_is_dispensed_again_has_a_new_document_that_tells_the_new_day(clinic):
    id = (await clinic.issue()).json()["prescription_id"]
    state = issued(await clinic.sent(IssuePrescription))[0]
    path = f"{PRESCRIPTIONS}/{id}/pdf"

    async def dispensed(revision: int, day: int, content: bytes) -> list[bytes]:
        """What two who ask for the document get, once it was dispensed on that day."""
        at = datetime(2026, 6, day, 12, tzinfo=UTC)
        changes = {"status": Status.DISPENSED, "dispensed_at": at, "revision": revision}
        await clinic.on.deliver(known.changed(state.model_copy(update=changes)))
        made = await clinic.answered(
            clinic.on.get(DOCTOR_CLIENT, path), MakeDocument, lambda one: finished(one, content)
        )
        return [made.content, (await clinic.on.get(DOCTOR_CLIENT, path)).content]

    assert await dispensed(12, 26, PDF) == [PDF, PDF]
    taken_back = state.model_copy(update={"revision": 13})
    await clinic.on.deliver(known.changed(taken_back))
    assert await dispensed(14, 27, PDF + b"2") == [PDF + b"2"] * 2
    assert len(await clinic.said(MakeDocument)) == 2
    assert await clinic.on.owner.fetchval("SELECT count(*) FROM document") == 1


async def test_the_link_opens_the_document_without_a_token_until_it_expires(clinic):
    id = (await clinic.issue()).json()["prescription_id"]
    link = (await clinic.shown(id))["download_url"].removeprefix("http://rx.test")

    opened = await clinic.answered(clinic.on.http.get(link), MakeDocument, finished)
    other = (await clinic.issue()).json()["prescription_id"]
    wrong = [
        await clinic.on.http.get(link[:-2] + ("AA" if link[-2:] != "AA" else "BB")),
        await clinic.on.http.get(link.replace(id, other)),
        await clinic.on.http.get(re.sub("token=.*", "token=x", link)),
    ]
    clock.shift(timedelta(hours=25))
    late = await clinic.on.http.get(link)

    assert (opened.status_code, opened.content) == (200, PDF)
    assert [one.status_code for one in wrong] == [404] * 3
    assert (late.status_code, late.json()["code"]) == (410, "download_link_expired")


async def test_a_document_that_takes_too_long_is_not_ready_and_then_is(clinic):
    id = (await clinic.issue()).json()["prescription_id"]
    path = f"{PRESCRIPTIONS}/{id}/pdf"

    early = await clinic.on.ask(DOCTOR_CLIENT, "GET", path, headers={"Prefer": "wait=0"})
    again = await clinic.on.ask(DOCTOR_CLIENT, "GET", path, headers={"Prefer": "wait=0"})
    await clinic.on.deliver(finished(await clinic.sent(MakeDocument)))
    ready = await clinic.on.get(DOCTOR_CLIENT, path)

    assert (early.status_code, early.json()["code"], early.headers["retry-after"]) == (
        409,
        "pdf_not_ready",
        "1",
    )
    assert (again.status_code, ready.status_code) == (409, 200)
    assert len(await clinic.said(MakeDocument)) == 1


async def test_a_voided_prescription_has_a_document_of_its_own(clinic):
    id = (await clinic.issue()).json()["prescription_id"]
    state = issued(await clinic.sent(IssuePrescription))[0]
    path = f"{PRESCRIPTIONS}/{id}/pdf"
    await clinic.answered(clinic.on.get(DOCTOR_CLIENT, path), MakeDocument, finished)
    await clinic.on.deliver(told(voided(state)))

    await clinic.answered(clinic.on.get(DOCTOR_CLIENT, path), MakeDocument, finished)

    commands: Sequence[MakeDocument] = await clinic.said(MakeDocument)
    assert [one.prescription.status for one in commands] == [Status.SUBMITTED, Status.CANCELLED]


async def test_the_error_table_is_served(clinic):
    table = (await clinic.on.http.get("/errors")).json()["data"]
    one = (await clinic.on.http.get("/errors/safety_blocked")).json()
    none = await clinic.on.http.get("/errors/nothing")

    assert {row["code"] for row in table} == set(TABLE)
    assert one == {
        "code": "safety_blocked",
        "status": 422,
        "retryable": False,
        "who": "user",
        "meaning": one["meaning"],
    }
    assert none.status_code == 404


async def test_what_was_said_is_known_by_its_request(clinic):
    await clinic.issue()

    assert kinds([one for one in await said(clinic.on.owner) if one.topic == "prescription-commands-v1"]) == [
        "IssuePrescription"
    ]

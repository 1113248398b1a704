"""Doctors put on file and changed by their provider, over HTTP on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from contracts.directory_events import DoctorStandingChanged
from services.gateway.messages import ids
from services.gateway.operator import provisioning
from shared import clock, database
from tests.gateway import CLINIC_CLIENT, DOCTOR_CLIENT, NORTE, OTHER_CLIENT, Serving, serving
from tests.infrastructure import Database
from tests.service.conftest import said

DOCTORS = "/ehr/v1/doctors"
LUIS = {
    "given_names": "Luis",
    "first_surname": "Paz",
    "identity_document_type": "DPI",
    "identity_document_value": "2000200030101",
    "email_address": "Luis.Paz@clinica-norte.example",
    "country_code": "GT",
    "medical_license_number": "54321",
    "medical_license_verification_institution_slug": "gt-colmedegua",
    "state_name": "Sacatepéquez",
    "locale": "es-GT",
    "provider_type": "DOCTOR",
    "external_registry": False,
}


@pytest.fixture
async def gateway(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway")) as found:
        yield found
    clock.reset()


async def put(
    on: Serving, id: str, body: object, client: str = CLINIC_CLIENT, **headers: str
) -> httpx.Response:
    return await on.ask(client, "PUT", f"{DOCTORS}/{id}", json=body, headers=headers)


async def made(on: Serving, **changes: Any) -> dict[str, Any]:
    answer = await on.post(CLINIC_CLIENT, DOCTORS, LUIS | changes)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def set_registry(on: Serving) -> None:
    async with database.transaction(on.owner) as conn:
        await provisioning.set_setting(conn, on.tenants[NORTE], "doctor_registration_check", "registry")


async def standings(on: Serving, doctor_id: str) -> list[tuple[int, bool]]:
    """What was announced about a doctor, in order."""
    told = [one.message for one in await said(on.owner) if isinstance(one.message, DoctorStandingChanged)]
    return [(one.version, one.active) for one in told if ids.spell("doc", one.doctor_id) == doctor_id]


async def test_a_doctor_is_put_on_file_read_and_listed(gateway: Serving) -> None:
    answer = await gateway.post(CLINIC_CLIENT, DOCTORS, LUIS)

    assert answer.status_code == 201, answer.text
    doctor = answer.json()
    assert answer.headers["location"] == f"{DOCTORS}/{doctor['doctor_id']}"
    assert doctor | LUIS | {"email_address": "luis.paz@clinica-norte.example"} == doctor
    assert (doctor["registration_status"], doctor["medical_board_registration"]) == ("ACTIVE", "54321")
    assert (doctor["signing_key"], doctor["second_surname"], doctor["entity_type"]) == (None, None, "NATURAL")
    assert (await gateway.get(DOCTOR_CLIENT, f"{DOCTORS}/{doctor['doctor_id']}")).json() == doctor
    listed = await gateway.get(CLINIC_CLIENT, DOCTORS, medical_license_number="54321")
    assert listed.json()["data"] == [doctor]
    assert await standings(gateway, doctor["doctor_id"]) == [(1, True)]


async def test_of_many_with_one_licence_one_is_made_and_the_others_name_it(gateway: Serving) -> None:
    await gateway.get(CLINIC_CLIENT, DOCTORS)

    answers = await asyncio.gather(*(gateway.post(CLINIC_CLIENT, DOCTORS, LUIS) for _ in range(6)))

    assert sorted(one.status_code for one in answers) == [201] + [409] * 5
    first = next(one.json()["doctor_id"] for one in answers if one.status_code == 201)
    refused = [one.json() for one in answers if one.status_code == 409]
    assert {(one["code"], one["doctor_id"]) for one in refused} == {("doctor_exists", first)}
    assert (await gateway.post(OTHER_CLIENT, DOCTORS, LUIS)).status_code == 201


async def test_all_that_is_wrong_with_a_doctor_is_told_at_once_in_document_order(gateway: Serving) -> None:
    wrong = {
        "registration_status": "ACTIVE",
        "time_zone": "Europe/Atlantis",
        "electronic_invoice_enabled": True,
        "entity_type": "LEGAL",
        "medical_license_number": " ",
        "profession": "BARBER",
        "phone_area_code": 1000,
        "country_code": "ES",
        "email_address": "nobody",
        "identity_document_value": "12345678A",
        "identity_document_type": "NATIONAL_IDENTITY_CARD",
        "given_names": "Luis",
    }

    answer = await gateway.post(CLINIC_CLIENT, DOCTORS, wrong)

    assert answer.status_code == 422
    assert [(one["path"], one["code"]) for one in answer.json()["errors"]] == [
        ("first_surname", "required"),
        ("identity_document_value", "invalid_value"),
        ("email_address", "invalid_format"),
        ("phone_area_code", "out_of_range"),
        ("profession", "invalid_value"),
        ("medical_license_number", "required"),
        ("medical_license_verification_institution_slug", "required"),
        ("entity_type", "invalid_value"),
        ("electronic_invoice_enabled", "invalid_value"),
        ("time_zone", "invalid_value"),
        ("registration_status", "unknown_field"),
    ]


async def test_a_client_that_acts_as_a_doctor_writes_no_doctors(gateway: Serving) -> None:
    doctor = await made(gateway)

    for answer in (
        await gateway.post(DOCTOR_CLIENT, DOCTORS, LUIS),
        await put(gateway, doctor["doctor_id"], LUIS, DOCTOR_CLIENT),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert "scope=" not in answer.headers["www-authenticate"]


async def test_a_change_is_the_whole_record_and_is_announced_when_the_standing_changes(
    gateway: Serving,
) -> None:
    doctor = await made(gateway)
    id = doctor["doctor_id"]
    moved = {name: value for name, value in LUIS.items() if name != "state_name"} | {"city_name": "Antigua"}

    changed = await put(gateway, id, moved)
    suspended = await put(gateway, id, moved | {"registration_status": "SUSPENDED"})
    still = await put(gateway, id, moved)
    again = await put(gateway, id, moved | {"registration_status": "ACTIVE"})

    assert changed.status_code == 200, changed.text
    assert (changed.json()["city_name"], changed.json()["state_name"]) == ("Antigua", None)
    assert (changed.json()["registration_status"], changed.json()["doctor_id"]) == ("ACTIVE", id)
    assert [one.json()["registration_status"] for one in (suspended, still, again)] == [
        *("SUSPENDED", "SUSPENDED", "ACTIVE")
    ]
    assert await standings(gateway, id) == [(1, True), (3, False), (4, True)]


async def test_a_change_to_the_licence_of_another_names_that_one(gateway: Serving) -> None:
    doctor = await made(gateway)
    (marta,) = (await gateway.get(CLINIC_CLIENT, DOCTORS, medical_license_number="12345")).json()["data"]

    answer = await put(gateway, doctor["doctor_id"], LUIS | {"medical_license_number": "12345"})

    assert (answer.status_code, answer.json()["code"]) == (409, "doctor_exists")
    assert answer.json()["doctor_id"] == marta["doctor_id"]
    assert (await gateway.get(CLINIC_CLIENT, f"{DOCTORS}/{doctor['doctor_id']}")).json() == doctor


async def test_a_doctor_of_another_provider_is_not_found(gateway: Serving) -> None:
    doctor = await made(gateway)

    answer = await put(gateway, doctor["doctor_id"], {"given_names": 1}, OTHER_CLIENT)

    assert (answer.status_code, answer.json()["code"]) == (404, "resource_not_found")


async def test_a_client_that_read_another_version_of_a_doctor_is_told(gateway: Serving) -> None:
    id = (await made(gateway))["doctor_id"]
    tag = (await gateway.get(CLINIC_CLIENT, f"{DOCTORS}/{id}")).headers["etag"]

    first = await put(gateway, id, LUIS | {"city_name": "Antigua"}, **{"If-Match": tag})
    second = await put(gateway, id, LUIS | {"city_name": "Cobán"}, **{"If-Match": tag})

    assert first.status_code == 200
    assert (second.status_code, second.json()["code"]) == (412, "version_mismatch")
    assert second.json()["retryable"] is False


async def test_under_a_register_a_new_doctor_waits_until_an_operator_confirms(gateway: Serving) -> None:
    await set_registry(gateway)
    doctor = await made(gateway)
    id = doctor["doctor_id"]

    by_the_provider = await put(gateway, id, LUIS | {"registration_status": "ACTIVE"})
    doctor_id = ids.find("doc", id)
    assert doctor_id is not None
    async with database.transaction(gateway.owner) as conn:
        confirmed = await provisioning.confirm_doctor(conn, gateway.tenants[NORTE], doctor_id)
        again = await provisioning.confirm_doctor(conn, gateway.tenants[NORTE], doctor_id)
    noted = await gateway.owner.fetchval("SELECT count(*) FROM audit WHERE what = 'doctor_confirmed'")
    read = await gateway.get(CLINIC_CLIENT, f"{DOCTORS}/{id}")
    other_licence = await put(gateway, id, LUIS | {"medical_license_number": "99"})

    assert doctor["registration_status"] == "PENDING_VERIFICATION"
    assert (by_the_provider.status_code, by_the_provider.json()["errors"][0]["path"]) == (
        422,
        "registration_status",
    )
    assert read.json()["registration_status"] == "ACTIVE"
    assert (confirmed, again, noted) == (True, False, 1)
    assert other_licence.json()["registration_status"] == "PENDING_VERIFICATION"
    assert await standings(gateway, id) == [(1, False), (2, True), (3, False)]


async def test_a_registration_that_has_run_out_reads_expired_and_is_found_so(gateway: Serving) -> None:
    last = (clock.now() + timedelta(days=2)).date().isoformat()
    doctor = await made(gateway, registration_valid_until=last)

    clock.shift(timedelta(days=4))
    gateway.tokens.clear()
    read = (await gateway.get(CLINIC_CLIENT, f"{DOCTORS}/{doctor['doctor_id']}")).json()
    expired = (await gateway.get(CLINIC_CLIENT, DOCTORS, registration_status="EXPIRED")).json()

    assert (doctor["registration_status"], doctor["registration_valid_until"]) == ("ACTIVE", last)
    assert read["registration_status"] == "EXPIRED"
    assert [one["doctor_id"] for one in expired["data"]] == [doctor["doctor_id"]]


async def test_a_create_repeated_under_its_key_gets_the_first_answer(gateway: Serving) -> None:
    first = await gateway.post(CLINIC_CLIENT, DOCTORS, LUIS, key="d-1")
    again = await gateway.post(CLINIC_CLIENT, DOCTORS, LUIS, key="d-1")

    assert (again.status_code, again.content) == (201, first.content)

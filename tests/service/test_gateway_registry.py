"""Patients and doctors of the step-by-step dialect, in the directory that both share, on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from contracts.directory_events import DoctorStandingChanged, PatientFactsChanged
from services.gateway.messages import ids
from services.gateway.operator import provisioning
from shared import clock, database
from shared.ids import new
from tests.gateway import (
    CLINIC_CLIENT,
    KEY,
    NAMED,
    NORTE,
    OTHER_KEY,
    PRODUCTS,
    READING_KEY,
    WRITING_KEY,
    Serving,
    released,
    serving,
)
from tests.infrastructure import Database, until
from tests.service.conftest import said

PATIENT_ID = "d4e5f6a7-b8c9-0123-defa-234567890123"
OTHER_ID = "d4e5f6a7-b8c9-0123-defa-234567890124"
DOCTOR_ID = "e5f6a7b8-c9d0-1234-efab-345678901234"
ANA = {
    "birth_date": "1990-04-11",
    "gender": "female",
    "full_name": "Ana López Díaz",
    "email": "Ana@example.org",
    "national_id": {"type": "CPF", "value": "123.456.789-09"},
    "allergies": [{"ingredient": "Acetaminophen", "severity": "severe", "reaction": "urticaria"}],
    "external_ids": {"ehr_id": "A-77"},
}
RUI = {
    "name": "Rui Prado",
    "issuing_body": "CRM-SP",
    "national_id": {"type": "CPF", "value": "98765432100"},
    "license_number": "777",
}


@pytest.fixture
async def gateway(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway")) as found:
        await found.deliver(*PRODUCTS, *NAMED, released())
        yield found


async def put(
    on: Serving, body: object, *, id: str = PATIENT_ID, key: str = KEY, of: str = "patients", **headers: str
) -> Any:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await on.call(key, "PUT", f"/v1/{of}/{id}", json=body, headers=sent)


async def get(on: Serving, *, id: str = PATIENT_ID, key: str = KEY, of: str = "patients") -> Any:
    return await on.call(key, "GET", f"/v1/{of}/{id}")


async def both_wait(on: Serving) -> bool:
    found: bool = await on.owner.fetchval("SELECT count(*) >= 2 FROM pg_locks WHERE NOT granted")
    return found


async def facts(on: Serving) -> list[PatientFactsChanged]:
    told = [one.message for one in await said(on.owner)]
    return [one for one in told if isinstance(one, PatientFactsChanged)]


async def standings(on: Serving, doctor_id: str = DOCTOR_ID) -> list[tuple[int, bool]]:
    told = [one.message for one in await said(on.owner) if isinstance(one.message, DoctorStandingChanged)]
    return [(one.version, one.active) for one in told if str(one.doctor_id) == doctor_id]


def kinds(answer: Any) -> list[tuple[str, str]]:
    return [(".".join(map(str, one["loc"])), one["type"]) for one in answer.json()["detail"]]


async def test_a_patient_is_put_on_file_and_read_with_what_the_registry_adds(gateway: Serving) -> None:
    made = await put(gateway, ANA)

    assert made.status_code == 201, made.text
    patient = made.json()
    assert patient["national_id"] == {"type": "CPF", "value": "12345678909"}
    assert (patient["email"], patient["version"], made.headers["etag"]) == ("ana@example.org", 1, '"1"')
    assert patient["name_hash"] == sha256("ANA LÓPEZ DÍAZ".encode()).hexdigest()
    (allergy,) = patient["allergies"]
    assert (allergy["severity"], allergy["matched_ingredient"]) == ("severe", "ACETAMINOPHEN")
    assert (patient["preferred_language"], patient["is_active"], patient["id"]) == ("pt", True, PATIENT_ID)
    read = await get(gateway, key=READING_KEY)
    assert (read.status_code, read.json(), read.headers["etag"]) == (200, patient, '"1"')
    (told,) = await facts(gateway)
    assert (str(told.facts.patient_id), told.facts.sex) == (PATIENT_ID, "FEMALE")


async def test_the_least_that_a_patient_has_is_a_birth_date(gateway: Serving) -> None:
    patient = (await put(gateway, {"birth_date": "1990-04-11"})).json()

    assert (patient["gender"], patient["full_name"], patient["name_hash"]) == ("unknown", None, None)
    assert (patient["national_id"], patient["allergies"], patient["external_ids"]) == (None, [], {})


async def test_a_put_replaces_the_whole_and_announces_only_changed_facts(gateway: Serving) -> None:
    first = (await put(gateway, ANA)).json()
    same = await put(gateway, first | ANA)
    renamed = await put(gateway, ANA | {"full_name": "Ana Lopes"})
    fewer = await put(gateway, {"birth_date": "1990-04-11", "gender": "female"})

    assert (same.status_code, same.json()) == (200, first)
    assert (renamed.json()["version"], fewer.json()["version"]) == (2, 3)
    assert (fewer.json()["allergies"], fewer.json()["email"], fewer.json()["full_name"]) == ([], None, None)
    assert [(one.facts.version, len(one.facts.allergies)) for one in await facts(gateway)] == [(1, 1), (3, 0)]


async def test_if_match_is_met_under_the_lock_of_the_row(gateway: Serving) -> None:
    missing = await put(gateway, ANA, if_match="*")
    await put(gateway, ANA)
    await put(gateway, RUI, id=DOCTOR_ID, of="doctors")

    for of, id, body in (("patients", PATIENT_ID, ANA), ("doctors", DOCTOR_ID, RUI)):
        async with database.transaction(gateway.owner) as conn:
            await conn.execute(f"SELECT FROM {of.removesuffix('s')} FOR UPDATE")
            asking = [
                asyncio.create_task(put(gateway, body | {"email": email}, id=id, of=of, if_match='"1"'))
                for email in ("a@example.org", "b@example.org")
            ]
            await until(partial(both_wait, gateway), seconds=10)
        answers = await asyncio.gather(*asking)

        assert sorted(one.status_code for one in answers) == [200, 412], of
        assert {one.json()["current_version"] for one in answers if one.status_code == 412} == {2}
    assert (missing.status_code, missing.json()["current_version"]) == (412, None)
    assert (await put(gateway, ANA, if_match="*")).status_code == 200


async def test_of_many_new_ones_with_one_document_one_is_made_and_named_to_the_others(
    gateway: Serving,
) -> None:
    answers = await asyncio.gather(*(put(gateway, ANA, id=str(new())) for _ in range(5)))

    assert sorted(one.status_code for one in answers) == [201] + [409] * 4
    made = next(one.json()["id"] for one in answers if one.status_code == 201)
    refused = [one.json() for one in answers if one.status_code == 409]
    assert {(one["error"], one["patient_id"]) for one in refused} == {("patient_exists", made)}
    assert (await put(gateway, ANA, id=OTHER_ID, key=OTHER_KEY)).status_code == 201


async def test_one_id_put_by_many_at_once_is_one_patient(gateway: Serving) -> None:
    answers = await asyncio.gather(*(put(gateway, ANA | {"gender": "other"}) for _ in range(5)))

    assert sorted(one.status_code for one in answers) == [200] * 4 + [201]
    assert {one.json()["version"] for one in answers} == {1}


async def test_all_that_is_wrong_with_a_patient_is_told_at_once(gateway: Serving) -> None:
    answer = await put(
        gateway,
        {
            "birth_date": "2990-01-01",
            "gender": "FEMALE",
            "email": "nobody",
            "national_id": {"type": "DNI", "value": "12345678A"},
            "allergies": [{"ingredient": "", "severity": "bad"}],
            "nick_name": "A",
        },
    )

    assert (answer.status_code, answer.json()["error"]) == (422, "validation_failed")
    assert sorted(kinds(answer)) == [
        ("body.allergies.0.ingredient", "string_too_short"),
        ("body.allergies.0.severity", "enum"),
        ("body.birth_date", "value_error"),
        ("body.email", "value_error"),
        ("body.gender", "enum"),
        ("body.national_id.value", "value_error"),
        ("body.nick_name", "extra_forbidden"),
    ]
    assert (await put(gateway, {})).json()["detail"][0]["type"] == "missing"


async def test_nobody_is_born_tomorrow_where_the_clinic_is(gateway: Serving) -> None:
    tomorrow = clock.now().astimezone(ZoneInfo("America/Guatemala")).date() + timedelta(days=1)

    answer = await put(gateway, {"birth_date": str(tomorrow), "nick_name": "A"})

    assert kinds(answer) == [("body.birth_date", "value_error"), ("body.nick_name", "extra_forbidden")]


async def test_who_may_read_and_who_may_write(gateway: Serving) -> None:
    assert (await put(gateway, ANA, key=READING_KEY)).status_code == 403
    assert (await put(gateway, ANA, key=WRITING_KEY)).status_code == 201
    assert (await get(gateway, key=OTHER_KEY)).status_code == 404
    refused = await put(gateway, RUI, id=DOCTOR_ID, of="doctors", key=WRITING_KEY)
    assert (refused.status_code, refused.json()["required"]) == (403, "admin")


async def test_both_dialects_share_a_patient_and_keep_what_the_other_knows(gateway: Serving) -> None:
    await put(gateway, ANA | {"is_active": False})
    spelled = ids.spell("pat", UUID(PATIENT_ID))
    seen = (await gateway.get(CLINIC_CLIENT, f"/ehr/v1/patients/{spelled}")).json()
    assert (seen["first_name"], seen["last_name"], seen["enabled"]) == ("Ana López Díaz", None, False)

    whole = {
        "first_name": "Ana",
        "last_name": "López",
        "second_last_name": "Díaz",
        "document_type": "CPF",
        "document_number": "12345678909",
        "date_of_birth": "1990-04-11",
        "phone_number": "5550001",
    }
    changed = await gateway.ask(CLINIC_CLIENT, "PUT", f"/ehr/v1/patients/{spelled}", json=whole)

    assert changed.status_code == 200, changed.text
    kept = (await get(gateway)).json()
    assert (kept["external_ids"], kept["is_active"], kept["full_name"]) == (
        {"ehr_id": "A-77"},
        False,
        "Ana López Díaz",
    )
    await put(gateway, ANA)
    again = (await gateway.get(CLINIC_CLIENT, f"/ehr/v1/patients/{spelled}")).json()
    assert (again["first_name"], again["second_last_name"], again["phone_number"]) == (
        "Ana",
        "Díaz",
        "5550001",
    )
    await put(gateway, ANA | {"full_name": "Ana Souza"})
    renamed = (await gateway.get(CLINIC_CLIENT, f"/ehr/v1/patients/{spelled}")).json()
    assert (renamed["first_name"], renamed["last_name"]) == ("Ana Souza", None)


async def test_a_doctor_is_put_by_name_or_by_its_parts(gateway: Serving) -> None:
    whole = await put(gateway, RUI, id=DOCTOR_ID, of="doctors")
    parts = await put(
        gateway,
        RUI | {"name": "Rui Prado Lima", "given_names": "Rui", "first_surname": "Prado Lima"},
        id=DOCTOR_ID,
        of="doctors",
    )

    assert (whole.status_code, whole.json()["name"], whole.json()["given_names"]) == (201, "Rui Prado", None)
    assert (parts.status_code, parts.json()["first_surname"], parts.json()["name"]) == (
        200,
        "Prado Lima",
        "Rui Prado Lima",
    )
    read = await get(gateway, id=DOCTOR_ID, of="doctors", key=READING_KEY)
    assert (read.json(), read.headers["etag"]) == (parts.json(), '"2"')
    assert await standings(gateway) == [(1, True)]


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        ({"name": None}, [("body.name", "missing")]),
        ({"given_names": "Rui"}, [("body.first_surname", "missing")]),
        ({"second_surname": "Lima"}, [("body.given_names", "missing"), ("body.first_surname", "missing")]),
        (
            {"name": None, "license_number": " ", "nick_name": "R"},
            [
                ("body.name", "missing"),
                ("body.license_number", "string_too_short"),
                ("body.nick_name", "extra_forbidden"),
            ],
        ),
        ({"name": None, "given_names": 5, "first_surname": "Prado"}, [("body.given_names", "string_type")]),
        (
            {"given_names": "Rui", "first_surname": "Outro"},
            [("body.given_names", "value_error"), ("body.first_surname", "value_error")],
        ),
    ],
)
async def test_names_that_are_missing_or_contradict_each_other_are_refused(
    gateway: Serving, names: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    answer = await put(gateway, RUI | names, id=DOCTOR_ID, of="doctors")

    assert (answer.status_code, kinds(answer)) == (422, wrong)


async def test_a_licence_belongs_to_one_doctor(gateway: Serving) -> None:
    await put(gateway, RUI, id=DOCTOR_ID, of="doctors")

    taken = await put(gateway, RUI | {"name": "Outro"}, id=OTHER_ID, of="doctors")

    assert (taken.status_code, taken.json()["error"]) == (409, "license_taken")


async def test_an_inactive_doctor_is_suspended_in_the_other_dialect_and_back(gateway: Serving) -> None:
    await put(gateway, RUI, id=DOCTOR_ID, of="doctors")
    off = await put(gateway, RUI | {"is_active": False}, id=DOCTOR_ID, of="doctors")
    spelled = ids.spell("doc", UUID(DOCTOR_ID))
    seen = (await gateway.get(CLINIC_CLIENT, f"/ehr/v1/doctors/{spelled}")).json()
    on = await put(gateway, RUI, id=DOCTOR_ID, of="doctors")

    assert (off.json()["is_active"], seen["registration_status"], on.json()["is_active"]) == (
        False,
        "SUSPENDED",
        True,
    )
    assert await standings(gateway) == [(1, True), (2, False), (3, True)]


async def test_under_a_register_a_doctor_is_inactive_until_confirmed(gateway: Serving) -> None:
    async with database.transaction(gateway.owner) as conn:
        await provisioning.set_setting(conn, gateway.tenants[NORTE], "doctor_registration_check", "registry")
    made = await put(gateway, RUI, id=DOCTOR_ID, of="doctors")
    async with database.transaction(gateway.owner) as conn:
        await provisioning.confirm_doctor(conn, gateway.tenants[NORTE], UUID(DOCTOR_ID))

    confirmed = await put(gateway, RUI | {"specialty": "Clínica"}, id=DOCTOR_ID, of="doctors")
    moved = await put(gateway, RUI | {"license_number": "778"}, id=DOCTOR_ID, of="doctors")

    assert (made.json()["is_active"], confirmed.json()["is_active"]) == (False, True)
    assert moved.json()["is_active"] is False

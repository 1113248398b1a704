"""Changes of a patient's record, over HTTP on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from contracts.directory_events import PatientFactsChanged
from contracts.values import Patient
from services.gateway.store import directory
from shared import clock, database, ids
from tests.gateway import CLINIC_CLIENT, DOCTOR_CLIENT, NORTE, OTHER_CLIENT, Serving, serving
from tests.infrastructure import Database
from tests.service.conftest import said

PATIENTS = "/ehr/v1/patients"
ANA = {
    "first_name": "Ana",
    "last_name": "López",
    "document_type": "CC",
    "document_number": "1000000001",
    "date_of_birth": "1990-04-11",
    "phone_number": "5555 0101",
}
RENAMED = {name: value for name, value in ANA.items() if name != "last_name"} | {
    "surnames": "Gil",
    "sex": "FEMALE",
}


@pytest.fixture
async def gateway(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway")) as found:
        yield found
    clock.reset()


async def made(on: Serving, **changes: Any) -> str:
    answer = await on.post(CLINIC_CLIENT, PATIENTS, ANA | changes)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["patient_id"]
    return found


async def put(
    on: Serving, id: str, body: object, client: str = CLINIC_CLIENT, **headers: str
) -> httpx.Response:
    return await on.ask(client, "PUT", f"{PATIENTS}/{id}", json=body, headers=headers)


async def facts(on: Serving) -> list[tuple[int, tuple[str, ...]]]:
    """What was announced of patients: versions and allergies, in order."""
    told = [one.message for one in await said(on.owner) if isinstance(one.message, PatientFactsChanged)]
    return [(one.facts.version, tuple(allergy.ingredient for allergy in one.facts.allergies)) for one in told]


async def test_a_change_is_the_whole_record(gateway: Serving) -> None:
    id = await made(gateway, email_address="ana@example.org")
    before = (await gateway.get(CLINIC_CLIENT, f"{PATIENTS}/{id}")).json()

    answer = await put(gateway, id, RENAMED)

    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["last_name"], after["sex"], after["email_address"]) == ("Gil", "FEMALE", None)
    assert (after["patient_id"], after["created_at"]) == (id, before["created_at"])
    assert (await gateway.get(DOCTOR_CLIENT, f"{PATIENTS}/{id}")).json() == after


async def test_only_what_a_safety_check_goes_by_is_announced_with_a_higher_version(gateway: Serving) -> None:
    id = await made(gateway)

    await put(gateway, id, ANA | {"phone_number": "5555 0102"})
    await put(gateway, id, ANA | {"allergies": [{"ingredient": "penicillin"}]})
    await put(gateway, id, ANA | {"allergies": [{"ingredient": "penicillin"}]})

    assert await facts(gateway) == [(1, ()), (3, ("penicillin",))]


async def test_a_patient_that_is_not_the_provider_s_is_not_found_whatever_is_sent(gateway: Serving) -> None:
    id = await made(gateway)

    for client, named in ((OTHER_CLIENT, id), (CLINIC_CLIENT, "pat_0"), (CLINIC_CLIENT, id.lower())):
        answer = await put(gateway, named, {"shoe_size": 38}, client)
        assert (answer.status_code, answer.json()["code"]) == (404, "resource_not_found")


async def test_what_is_wrong_with_the_new_record_is_told_and_nothing_changes(gateway: Serving) -> None:
    id = await made(gateway)
    before = await gateway.get(CLINIC_CLIENT, f"{PATIENTS}/{id}")

    answer = await put(gateway, id, {"first_name": "Eva", "date_of_birth": "2999-01-01", "shoe_size": 38})

    assert [(one["path"], one["code"]) for one in answer.json()["errors"]] == [
        *(("last_name", "required"), ("document_type", "required"), ("document_number", "required")),
        *(("date_of_birth", "out_of_range"), ("shoe_size", "unknown_field")),
    ]
    assert (await gateway.get(CLINIC_CLIENT, f"{PATIENTS}/{id}")).content == before.content


async def test_the_document_of_another_patient_names_that_one(gateway: Serving) -> None:
    first = await made(gateway)
    second = await made(gateway, document_number="2000000002")

    answers = await asyncio.gather(*(put(gateway, second, ANA) for _ in range(3)))

    assert {(one.status_code, one.json()["code"], one.json()["patient_id"]) for one in answers} == {
        (409, "patient_exists", first)
    }


async def test_a_document_that_only_a_refused_issue_brought_is_free(gateway: Serving) -> None:
    id = await made(gateway)
    hidden = Patient(patient_id=ids.new(), first_name="Eva", document_type="CC", document_number="77")
    async with database.transaction(gateway.owner) as conn:
        await directory.inline_patient(conn, gateway.tenants[NORTE], hidden, clock.now())

    answer = await put(gateway, id, ANA | {"document_number": "77"})

    assert (answer.status_code, answer.json().get("document_number")) == (200, "77")
    found = await gateway.get(CLINIC_CLIENT, PATIENTS, document_number="77")
    assert [one["patient_id"] for one in found.json()["data"]] == [id]


async def test_of_two_changes_from_one_reading_the_second_is_told(gateway: Serving) -> None:
    id = await made(gateway)
    tag = (await gateway.get(CLINIC_CLIENT, f"{PATIENTS}/{id}")).headers["etag"]

    first = await put(gateway, id, ANA | {"sex": "FEMALE"}, **{"If-Match": tag})
    second = await put(gateway, id, ANA | {"sex": "OTHER"}, **{"If-Match": tag})
    whatever = await put(gateway, id, ANA | {"sex": "OTHER"}, **{"If-Match": "*"})

    assert (first.status_code, whatever.status_code) == (200, 200)
    assert (second.status_code, second.json()["code"], second.json()["retryable"]) == (
        *(412, "version_mismatch"),
        False,
    )


async def test_a_change_repeated_under_its_key_is_made_once(gateway: Serving) -> None:
    id = await made(gateway)

    first = await put(gateway, id, ANA | {"sex": "FEMALE"}, **{"Idempotency-Key": "p-1"})
    again = await put(gateway, id, ANA | {"sex": "FEMALE"}, **{"Idempotency-Key": "p-1"})

    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotency-replayed"] == "true"

"""Patients, doctors and catalogues of a provider, over HTTP on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from contracts.values import Patient
from services.gateway.messages.ids import spell
from services.gateway.operator import icd10
from services.gateway.store import catalogue, diagnoses, directory
from shared import clock, database, ids
from tests.gateway import (
    CLINIC_CLIENT,
    DOCTOR_CLIENT,
    NAMED,
    NORTE,
    OTHER_CLIENT,
    PARACETAMOL,
    PHARMACY_CLIENT,
    PRODUCTS,
    WARFARIN,
    Serving,
    product,
    released,
    serving,
)
from tests.infrastructure import Database
from tests.service.conftest import kinds, said

ANA = {
    "first_name": "Ana",
    "last_name": "López",
    "document_type": "CC",
    "document_number": "1000000001",
    "date_of_birth": "1990-04-11",
}
PATIENTS = "/ehr/v1/patients"
REGISTERED = "/arc/v1/providers/products"


@pytest.fixture
async def gateway(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway")) as found:
        yield found


@pytest.fixture
async def stocked(gateway: Serving) -> Serving:
    """With a catalogue and the diagnoses of ICD-10."""
    await gateway.deliver(*PRODUCTS, *NAMED, released())
    return gateway


async def test_a_patient_is_created_found_by_document_and_read(gateway: Serving) -> None:
    made = await gateway.post(DOCTOR_CLIENT, PATIENTS, ANA | {"document_number": "1000-000 001"})

    assert made.status_code == 201, made.text
    patient = made.json()
    assert made.headers["location"] == f"{PATIENTS}/{patient['patient_id']}"
    assert (patient["document_number"], patient["full_name"]) == ("1000000001", "Ana López")
    assert (patient["given_names"], patient["surnames"], patient["id"]) == (
        "Ana",
        "López",
        patient["patient_id"],
    )
    listed = (await gateway.get(DOCTOR_CLIENT, PATIENTS, document_number="1000 000 001")).json()
    assert (listed["data"], listed["total"]) == ([patient], 1)
    assert (await gateway.get(CLINIC_CLIENT, f"{PATIENTS}/{patient['patient_id']}")).json() == patient
    facts = [one for one in await said(gateway.owner) if one.topic == "directory-events-v1"]
    assert kinds(facts)[-1] == "PatientFactsChanged"


async def test_another_provider_does_not_see_the_patient_and_may_have_the_same_document(
    gateway: Serving,
) -> None:
    mine = (await gateway.post(CLINIC_CLIENT, PATIENTS, ANA)).json()["patient_id"]

    read = await gateway.get(OTHER_CLIENT, f"{PATIENTS}/{mine}")
    found = await gateway.get(OTHER_CLIENT, PATIENTS, document_number="1000000001")
    made = await gateway.post(OTHER_CLIENT, PATIENTS, ANA)

    assert (read.status_code, read.json()["code"]) == (404, "resource_not_found")
    assert found.json()["total"] == 0
    assert made.status_code == 201
    assert made.json()["patient_id"] != mine


async def test_of_many_creates_at_once_with_one_document_one_succeeds_and_the_others_are_told_whom_it_is(
    gateway: Serving,
) -> None:
    await gateway.get(CLINIC_CLIENT, PATIENTS, document_number="1")

    answers = await asyncio.gather(*(gateway.post(CLINIC_CLIENT, PATIENTS, ANA) for _ in range(8)))

    assert sorted(one.status_code for one in answers) == [201] + [409] * 7
    made = next(one.json()["patient_id"] for one in answers if one.status_code == 201)
    refused = [one.json() for one in answers if one.status_code == 409]
    assert {(one["code"], one["patient_id"]) for one in refused} == {("patient_exists", made)}


async def test_the_same_create_under_the_same_key_gets_the_first_answer_to_the_byte(gateway: Serving) -> None:
    first = await gateway.post(CLINIC_CLIENT, PATIENTS, ANA, key="k-1")
    again = await gateway.post(CLINIC_CLIENT, PATIENTS, ANA, key="k-1")
    other = await gateway.post(CLINIC_CLIENT, PATIENTS, ANA | {"first_name": "Eva"}, key="k-1")

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-request-id"] == first.headers["x-request-id"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_all_that_is_wrong_with_a_patient_is_told_at_once_in_document_order(gateway: Serving) -> None:
    wrong = {
        "shoe_size": 38,
        "allergies": [{"severity": "HARMLESS"}],
        "email_address": "nobody",
        "date_of_birth": "2999-01-01",
        "document_number": "12345678A",
        "document_type": "DNI",
        "surnames": "Gil",
        "last_name": "Gómez",
        "first_name": " ",
    }

    answer = await gateway.post(CLINIC_CLIENT, f"{PATIENTS}?colour=red", wrong)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [(one["path"], one["code"]) for one in answer.json()["errors"]] == [
        ("query.colour", "unknown_field"),
        ("first_name", "required"),
        ("surnames", "conflicting_fields"),
        ("document_number", "invalid_value"),
        ("date_of_birth", "out_of_range"),
        ("email_address", "invalid_format"),
        ("allergies[0].ingredient", "required"),
        ("allergies[0].severity", "invalid_value"),
        ("shoe_size", "unknown_field"),
    ]
    assert answer.json()["code"] == "validation_failed"


async def test_a_minor_without_a_document_is_created_each_time(gateway: Serving) -> None:
    minor = {
        "given_names": "Leo",
        "surnames": "Gil",
        "date_of_birth": "2022-02-28",
        "guardian": {
            "first_name": "Eva",
            "last_name": "Gil",
            "document_type": "CC",
            "document_number": "55-5",
        },
    }

    answers = [await gateway.post(CLINIC_CLIENT, PATIENTS, minor) for _ in range(2)]

    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json()["patient_id"] != answers[1].json()["patient_id"]
    assert answers[0].json()["guardian"]["document_number"] == "555"
    half = await gateway.post(CLINIC_CLIENT, PATIENTS, minor | {"document_type": "TI"})
    assert [(e["path"], e["code"]) for e in half.json()["errors"]] == [("document_number", "required")]


async def test_a_patient_is_not_sent_again_to_who_has_it(gateway: Serving) -> None:
    made = (await gateway.post(CLINIC_CLIENT, PATIENTS, ANA)).json()
    path = f"{PATIENTS}/{made['patient_id']}"
    tag = (await gateway.get(CLINIC_CLIENT, path)).headers["etag"]

    again = await gateway.ask(CLINIC_CLIENT, "GET", path, headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")


async def test_the_login_role_without_a_provider_sees_no_row(
    gateway: Serving, database: Callable[[str], Awaitable[Database]]
) -> None:
    await gateway.post(CLINIC_CLIENT, PATIENTS, ANA)
    conn = await asyncpg.connect(gateway.settings.database_url)

    seen = {
        table: await conn.fetchval(f"SELECT count(*) FROM {table}")
        for table in ("tenant", "setting", "doctor", "patient", "provider_product")
    }

    assert set(seen.values()) == {0}
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await conn.fetch("SELECT * FROM oauth_client")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await conn.fetch("SELECT * FROM token_key")
    await conn.close()


async def test_a_provider_cannot_write_a_row_of_another(gateway: Serving) -> None:
    async with gateway.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT set_config('recepta.tenant_id', $1, true)", str(gateway.tenants[NORTE]))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("INSERT INTO provider_product VALUES ($1, 'MED-042', now())", ids.new())


def _inline(first_name: str = "Ana", **changes: object) -> Patient:
    return Patient(
        patient_id=ids.new(),
        first_name=first_name,
        last_name="López",
        document_type="CC",
        document_number="77",
        **changes,
    )


async def test_an_inline_patient_is_shared_and_seen_only_when_an_issue_has_succeeded(
    gateway: Serving,
) -> None:
    tenant = gateway.tenants[NORTE]
    async with database.transaction(gateway.owner) as conn:
        first = await directory.inline_patient(conn, tenant, _inline(), clock.now())
        second = await directory.inline_patient(conn, tenant, _inline(), clock.now())
    assert second.patient_id == first.patient_id
    hidden = await gateway.get(CLINIC_CLIENT, PATIENTS, document_number="77")
    unread = await gateway.get(CLINIC_CLIENT, f"{PATIENTS}/{spell('pat', first.patient_id)}")
    assert (hidden.json()["total"], unread.status_code) == (0, 404)

    async with database.transaction(gateway.owner) as conn:
        told = await directory.reveal_patient(conn, tenant, first, clock.now())
        repeated = await directory.reveal_patient(conn, tenant, second, clock.now())

    assert (told, repeated) == (None, None)
    shown = (await gateway.get(CLINIC_CLIENT, PATIENTS, document_number="77")).json()["data"]
    assert [one["first_name"] for one in shown] == ["Ana"]


async def test_the_first_success_decides_how_an_inline_patient_is_kept(gateway: Serving) -> None:
    tenant = gateway.tenants[NORTE]
    async with database.transaction(gateway.owner) as conn:
        first = await directory.inline_patient(conn, tenant, _inline("Ana", sex="FEMALE"), clock.now())
        second = await directory.inline_patient(conn, tenant, _inline("Anna", sex="OTHER"), clock.now())
        told = await directory.reveal_patient(conn, tenant, first, clock.now())

    assert (first.facts_version, second.facts_version) == (1, 2)
    assert told is not None
    assert (told.facts.version, told.facts.sex) == (3, "FEMALE")
    async with database.transaction(gateway.owner) as conn:
        with pytest.raises(directory.PatientConflict):
            await directory.inline_patient(conn, tenant, _inline("Anna"), clock.now())
        known = await directory.inline_patient(conn, tenant, _inline("ANA"), clock.now())
    assert (known.patient_id, known.sex) == (first.patient_id, "FEMALE")


async def test_creating_the_patient_of_a_refused_issue_takes_the_hidden_one_over(gateway: Serving) -> None:
    async with database.transaction(gateway.owner) as conn:
        hidden = await directory.inline_patient(conn, gateway.tenants[NORTE], _inline(), clock.now())

    made = await gateway.post(CLINIC_CLIENT, PATIENTS, ANA | {"document_number": "77", "sex": "FEMALE"})
    async with database.transaction(gateway.owner) as conn:
        found = await directory.find_patient(conn, gateway.tenants[NORTE], hidden.patient_id)
        gone = await directory.forget_unrevealed(conn, before=clock.now(), limit=10)

    assert made.status_code == 201
    assert found is not None
    assert (found.record.sex, found.version, gone) == ("FEMALE", 2, 0)


async def test_the_patient_of_a_refused_issue_without_a_document_is_the_same_when_it_is_tried_again(
    gateway: Serving,
) -> None:
    tenant = gateway.tenants[NORTE]
    minor = Patient(patient_id=ids.new(), first_name="Leo", last_name="Gil")
    async with database.transaction(gateway.owner) as conn:
        first = await directory.inline_patient(conn, tenant, minor, clock.now())
        again = minor.model_copy(update={"patient_id": ids.new()})
        second = await directory.inline_patient(conn, tenant, again, clock.now())
        await directory.reveal_patient(conn, tenant, second, clock.now())
        third = await directory.inline_patient(conn, tenant, again, clock.now())

    assert first.patient_id == second.patient_id
    assert third.patient_id == again.patient_id


async def test_a_catalogue_is_read_when_its_last_record_has_come_whatever_the_order(gateway: Serving) -> None:
    await gateway.deliver(released(), *PRODUCTS[1:], *NAMED)
    before = await gateway.get(CLINIC_CLIENT, "/arc/v1/products")
    async with database.transaction(gateway.owner) as conn:
        assert not await catalogue.is_there(conn)

    await gateway.deliver(PRODUCTS[1], PRODUCTS[0])

    after = await gateway.get(CLINIC_CLIENT, "/arc/v1/products")
    assert (before.json()["total"], after.json()["total"]) == (0, 3)


async def test_a_new_release_replaces_the_old_one_at_once(stocked: Serving) -> None:
    new = [one.model_copy(update={"release": "test-2"}) for one in PRODUCTS[:2]]

    await stocked.deliver(new[0], released(2, release="test-2", products=2, names=0))
    between = await stocked.get(CLINIC_CLIENT, "/arc/v1/products")
    await stocked.deliver(new[1])

    after = await stocked.get(CLINIC_CLIENT, "/arc/v1/products")
    assert (between.json()["total"], after.json()["total"]) == (3, 2)
    assert await stocked.owner.fetchval("SELECT count(*) FROM catalogue_product") == 2


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("paracetamol", ["MED-042"]),
        ("PARACETAMÓL comp", ["MED-042"]),
        ("acetam", ["MED-042"]),
        ("coumadin", ["MED-107"]),
        ("varfarina", ["MED-107"]),
        ("tablets", ["MED-042", "MED-107"]),
        ("MED-107", ["MED-107"]),
        ("med", ["MED-042", "MED-107"]),
        ("hemo", ["LAB-HEMO"]),
        ("cetamol", []),
        ("paracetamol warfarin", []),
        ("--", []),
    ],
)
async def test_products_are_found_by_beginnings_of_words_in_every_language(
    stocked: Serving, query: str, codes: list[str]
) -> None:
    found = await stocked.get(CLINIC_CLIENT, "/arc/v1/products", query=query)

    assert [one["product_code"] for one in found.json()["data"]] == codes
    assert found.json()["total"] == len(codes)


async def test_whole_words_come_before_beginnings(stocked: Serving) -> None:
    longer = product("MED-001", "Warfarinum forte", "Warfarinum", "Varfarinum", "warfarinum")
    await stocked.deliver(longer)

    found = await stocked.get(CLINIC_CLIENT, "/arc/v1/products", query="warfarin")

    assert [one["product_code"] for one in found.json()["data"]] == ["MED-107", "MED-001"]


async def test_products_are_named_in_the_provider_s_language_or_the_one_asked_for(stocked: Serving) -> None:
    default = await stocked.get(CLINIC_CLIENT, "/medical-catalogs/v1/medications", query="warfarin")
    asked = await stocked.get(
        CLINIC_CLIENT, "/medical-catalogs/v1/medications", query="warfarin", language="pt"
    )

    assert default.json()["data"][0]["product_name"] == "Warfarina 5 mg comprimidos"
    assert asked.json()["data"][0] == {
        "product_code": "MED-107",
        "product_name": "Varfarina 5 mg comprimidos",
        "product_type": "MEDICATION",
        "active_ingredients": [{"name": "warfarin", "atc_code": None}],
        "strength": "500 mg",
        "presentation": "tablet",
        "dosage_unit": "tablet",
        "route": "oral",
        "pack_format": None,
        "national_code": None,
        "controlled_schedule": None,
        "electronic_allowed": True,
    }


async def test_a_product_is_registered_once_and_removed_as_often_as_one_likes(stocked: Serving) -> None:
    body = {"product_code": "MED-042"}
    first = await stocked.post(CLINIC_CLIENT, REGISTERED, body)
    again = await stocked.post(CLINIC_CLIENT, REGISTERED, body)
    listed = (await stocked.get(CLINIC_CLIENT, REGISTERED, product_type="MEDICATION")).json()
    strangers = (await stocked.get(OTHER_CLIENT, REGISTERED)).json()

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert [(one["product_code"], one["registered_at"]) for one in listed["data"]] == [
        ("MED-042", first.json()["registered_at"])
    ]
    assert strangers["total"] == 0
    removed = [await stocked.ask(CLINIC_CLIENT, "DELETE", f"{REGISTERED}/MED-042") for _ in range(2)]
    assert [one.status_code for one in removed] == [204, 204]
    assert (await stocked.get(CLINIC_CLIENT, REGISTERED)).json()["total"] == 0


async def test_a_product_that_the_catalogue_does_not_have_is_not_registered(stocked: Serving) -> None:
    made = await stocked.post(CLINIC_CLIENT, REGISTERED, {"product_code": "MED-999"})
    removed = await stocked.ask(CLINIC_CLIENT, "DELETE", f"{REGISTERED}/MED-999")
    forbidden = await stocked.post(PHARMACY_CLIENT, REGISTERED, {"product_code": "MED-042"})

    assert (made.status_code, made.json()["code"], made.json()["error_code"]) == (
        422,
        "product_unknown",
        "071-104",
    )
    assert (removed.status_code, removed.json()["code"]) == (404, "resource_not_found")
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, "insufficient_scope")


async def test_what_a_provider_registered_is_known_beside_what_another_did(stocked: Serving) -> None:
    await stocked.post(OTHER_CLIENT, REGISTERED, {"product_code": "MED-042"})

    async with database.transaction(stocked.owner) as conn:
        found = await catalogue.products(conn, stocked.tenants[NORTE], ["MED-042", "MED-107", "X"])

    assert {code: one.registered_at for code, one in found.items()} == {"MED-042": None, "MED-107": None}
    assert (found["MED-042"].product, found["MED-107"].product) == (PARACETAMOL.product, WARFARIN.product)


@pytest.mark.parametrize(
    "query", ["cephalgia", "cefalea", "cefaleia", "headache", "dolor de cabeza", "R51", "r5", "Céfal"]
)
async def test_headache_is_found_under_all_its_names(stocked: Serving, query: str) -> None:
    listed = [one for one in icd10.listed() if one.code in ("R51", "R50", "G43")]
    async with database.transaction(stocked.owner) as conn:
        await diagnoses.save_diagnoses(conn, listed)

    found = (await stocked.get(CLINIC_CLIENT, "/medical-catalogs/v1/diagnoses", query=query)).json()["data"]

    assert {
        "diagnosis_code": "R51",
        "code": "R51",
        "description": "Cefalea",
        "coding_system": "ICD-10",
    } in found


async def test_lists_are_paged_and_refuse_what_they_do_not_know(stocked: Serving) -> None:
    second = (await stocked.get(CLINIC_CLIENT, "/arc/v1/products", page=2, limit=2)).json()
    beyond = (await stocked.get(CLINIC_CLIENT, "/arc/v1/products", page=9)).json()
    wrong = await stocked.get(
        CLINIC_CLIENT, "/arc/v1/products", query="a", product_type="PILL", page=0, limit="x", colour="red"
    )

    assert ([one["product_code"] for one in second["data"]], second["page"], second["total"]) == (
        ["MED-107"],
        2,
        3,
    )
    assert (beyond["data"], beyond["total"]) == ([], 3)
    assert [(e["path"], e["code"]) for e in wrong.json()["errors"]] == [
        ("query.product_type", "invalid_value"),
        ("query.query", "out_of_range"),
        ("query.page", "out_of_range"),
        ("query.limit", "wrong_type"),
        ("query.colour", "unknown_field"),
    ]


async def test_doctors_are_listed_for_their_own_provider(gateway: Serving) -> None:
    mine = (await gateway.get(CLINIC_CLIENT, "/ehr/v1/doctors", medical_license_number="12345")).json()
    others = (await gateway.get(OTHER_CLIENT, "/ehr/v1/doctors")).json()
    suspended = (await gateway.get(CLINIC_CLIENT, "/ehr/v1/doctors", registration_status="SUSPENDED")).json()

    (doctor,) = mine["data"]
    assert (doctor["given_names"], doctor["registration_status"]) == ("Marta", "ACTIVE")
    assert (others["total"], suspended["total"]) == (0, 0)
    read = await gateway.get(DOCTOR_CLIENT, f"/ehr/v1/doctors/{doctor['doctor_id']}")
    assert read.json() == doctor
    assert (await gateway.get(OTHER_CLIENT, f"/ehr/v1/doctors/{doctor['doctor_id']}")).status_code == 404

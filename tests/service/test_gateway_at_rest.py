"""What the gateway keeps of patients is unreadable without its key, and bound to the row it is of."""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from contracts.notification_commands import MakeDocument
from contracts.prescription_commands import IssuePrescription
from contracts.prescription_events import ConsultationChanged, TemplateChanged
from contracts.values import Consultation, MedicationEntity, Template
from services.gateway.commands import asked
from services.gateway.operator import rotation
from services.gateway.operator.words import parser
from services.gateway.store import at_rest, data_keys, directory
from services.gateway.store.at_rest import COLUMNS, PLACES, Keyring, Tampered
from shared import clock, database
from shared.database import Connection
from tests import prescriptions as known
from tests.gateway import (
    CLINIC_CLIENT,
    DATA_KEY,
    DOCTOR_CLIENT,
    NAMED,
    NORTE,
    OTHER_CLIENT,
    PRODUCTS,
    released,
    serving,
)
from tests.infrastructure import Database
from tests.service import test_gateway_prescriptions as prescribing
from tests.service.test_gateway_prescriptions import PRESCRIPTIONS, Clinic, done, issued, refused

EVA = {
    "first_name": "Evangelina",
    "last_name": "Quispehuanca",
    "document_type": "CC",
    "document_number": "7700880099",
    "date_of_birth": "1990-04-11",
    "email_address": "evangelina@patients.example",
    "phone_number": "555-867-5309",
    "guardian": {
        "first_name": "Fulgencio",
        "last_name": "Mamaniquispe",
        "document_type": "CC",
        "document_number": "6600990088",
    },
}
IDENTITY = ("Evangelina", "Quispehuanca", "7700880099", "evangelina@", "867-5309", "Fulgencio", "6600990088")
# Messages on their way or buried: the operator's disks keep those (ARCHITECTURE.md).
OF_THE_CHASSIS = {"outbox", "outbox_refused", "grave_record"}


@pytest.fixture(autouse=True)
def present() -> Iterator[None]:
    yield
    clock.reset()


@pytest.fixture
async def clinic(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Clinic]:
    async with serving(await database("gateway")) as on:
        await on.deliver(*PRODUCTS, *NAMED, released())
        await prescribing.load_diagnoses(on)
        await prescribing.register(on, "MED-042")
        yield Clinic(on, (await on.post(CLINIC_CLIENT, "/ehr/v1/patients", EVA)).json()["patient_id"])


async def everything(clinic: Clinic) -> str:
    """Leave something in every table that may hold a patient; the prescription's id."""
    made = await clinic.issue(path="/ehr/v1.1/prescriptions", patient_data_consent=True)
    id: str = made.json()["prescription_id"]
    state, _ = issued(await clinic.sent(IssuePrescription))
    dispensed = state.model_copy(update={"revision": 2, "dispensations": (known.dispensation(),)})
    await clinic.on.deliver(
        known.changed(dispensed),
        ConsultationChanged(consultation=consultation(state.tenant_id)),
        TemplateChanged(template=template(state.tenant_id)),
    )
    asking = clinic.on.ask(DOCTOR_CLIENT, "GET", f"{PRESCRIPTIONS}/{id}/pdf")
    await clinic.answered(asking, MakeDocument, prescribing.finished)
    return id


def consultation(tenant_id: UUID) -> Consultation:
    """One whose words name the patient."""
    return Consultation(
        tenant_id=tenant_id,
        consultation_id=UUID(int=5),
        version=1,
        patient_id=UUID(int=6),
        doctor_id=UUID(int=7),
        status="completed",
        medication_entities=(
            MedicationEntity(text=f"Dona {IDENTITY[0]}, vou passar dipirona", medication_name="dipirona"),
        ),
        created_at=known.AT,
        updated_at=known.AT,
    )


def template(tenant_id: UUID) -> Template:
    return Template(
        tenant_id=tenant_id,
        template_id=UUID(int=8),
        version=1,
        name="Dor",
        source_prescription_id=UUID(int=9),
        items=(),
        created_at=known.AT,
    )


async def tables(on: Any) -> list[str]:
    rows = await on.owner.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    return [row["relname"] for row in rows]


async def dump(on: Any) -> dict[str, str]:
    """Every row of every table but the chassis's queues, as Postgres writes it out."""
    found = {}
    for table in set(await tables(on)) - OF_THE_CHASSIS:
        rows = await on.owner.fetch(f'SELECT one::text AS text FROM "{table}" AS one')
        found[table] = "\n".join(row["text"] for row in rows)
    return found


async def read_keys(on: Any, key: str = DATA_KEY) -> None:
    async with database.transaction(on.owner) as conn:
        await data_keys.read(conn, key, now=clock.now())


async def shift(seconds: float) -> None:
    clock.shift(timedelta(seconds=seconds))


async def test_no_table_says_who_the_patient_is(clinic: Clinic) -> None:
    await everything(clinic)

    kept = await dump(clinic.on)

    for column in COLUMNS:
        assert kept[column.table], f"nothing was written to {column.table}"
    for table, text in kept.items():
        for word in (*IDENTITY, prescribing.PDF.decode()):
            assert word not in text, f"{table} holds {word}"
            assert word.encode().hex() not in text, f"{table} holds {word} in the clear"


async def test_every_column_of_bytes_is_sealed_or_known_to_hold_no_patient(clinic: Clinic) -> None:
    rows = await clinic.on.owner.fetch(
        """
        SELECT table_name, column_name
          FROM information_schema.columns
         WHERE table_schema = 'public' AND data_type = 'bytea'
        """
    )

    unsealed = {f"{row['table_name']}.{row['column_name']}" for row in rows} - {
        f"{one.table}.{one.name}" for one in COLUMNS
    }
    of_the_chassis = {one for one in unsealed if one.split(".")[0] in {*OF_THE_CHASSIS, "grave"}}
    assert unsealed - of_the_chassis == {
        *("api_key.key_sha256", "oauth_client.secret_sha256", "token_key.private_key", "data_key.wrapped"),
        *("patient.content_digest", "patient.document_hash", "request.content_digest"),
        *("one_time_password.code_digest", "one_time_password.token_digest"),
    }


async def test_a_value_that_was_put_into_another_row_is_not_shown(clinic: Clinic) -> None:
    other = EVA | {"first_name": "Ana", "document_number": "1000000001"}
    mine = (await clinic.on.post(CLINIC_CLIENT, "/ehr/v1/patients", other)).json()["patient_id"]
    await clinic.on.owner.execute(
        "UPDATE patient SET record = (SELECT record FROM patient AS other WHERE other.ctid <> patient.ctid)"
    )

    answer = await clinic.on.get(CLINIC_CLIENT, f"/ehr/v1/patients/{mine}")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert not any(word in answer.text for word in IDENTITY)


async def test_a_value_is_bound_to_its_table_its_tenant_and_its_row(clinic: Clinic) -> None:
    sealed = at_rest.CONTEXT.seal(b"{}", known.TENANT, 1)

    assert at_rest.CONTEXT.open(sealed, known.TENANT, 1) == b"{}"
    for column, key in (
        (at_rest.RESPONSE, (known.TENANT, 1)),
        (at_rest.CONTEXT, (known.PHARMACY, 1)),
        (at_rest.CONTEXT, (known.TENANT, 2)),
    ):
        with pytest.raises(Tampered):
            column.open(sealed, *key)


async def test_the_same_person_has_another_hash_at_another_provider(clinic: Clinic) -> None:
    answer = await clinic.on.post(OTHER_CLIENT, "/ehr/v1/patients", EVA)
    again = await clinic.on.post(CLINIC_CLIENT, "/ehr/v1/patients", EVA)

    hashes = await clinic.on.owner.fetch("SELECT DISTINCT document_hash FROM patient")
    assert (answer.status_code, again.status_code, len(hashes)) == (201, 409, 2)


async def under(on: Any) -> set[int]:
    """The keys that values are under."""
    found: set[int] = set()
    for one, table in PLACES:
        rows = await on.owner.fetch(f"SELECT DISTINCT substring({one.name}, 1, 4) AS id FROM {table}")
        found |= {int.from_bytes(row["id"], "big") for row in rows if row["id"]}
    return found


async def test_everything_moves_to_a_new_key_while_the_gateway_serves(clinic: Clinic) -> None:
    id = await everything(clinic)
    before = await under(clinic.on)
    told: list[str] = []
    key_waits: list[float] = []

    async def sleep(seconds: float) -> None:
        key_waits.append(seconds)
        # Written while the new key waits: still under the old one.
        assert (await clinic.on.post(CLINIC_CLIENT, "/ehr/v1/patients", EVA)).status_code == 409
        await shift(seconds)

    await rotation.rotate(clinic.on.owner, DATA_KEY, say=told.append, sleep=sleep)

    after = await under(clinic.on)
    assert (len(before), len(after), before & after) == (1, 1, set())
    assert [round(one) for one in key_waits] == [60]
    assert any("prescription_view.state: 1 moved" in one for one in told)
    clinic.on.tokens.clear()
    assert (await clinic.shown(id))["patient"]["last_name"] == "Quispehuanca"
    found = await clinic.on.get(CLINIC_CLIENT, "/ehr/v1/patients", document_number="7700880099")
    assert found.json()["total"] == 1
    refusal = await clinic.on.post(CLINIC_CLIENT, "/ehr/v1/patients", EVA)
    assert refusal.status_code == 409


async def test_a_rotation_says_in_the_audit_who_began_it_and_when_it_was_done(clinic: Clinic) -> None:
    begun = clock.now()
    await rotation.rotate(clinic.on.owner, DATA_KEY, say=lambda _: None, sleep=shift)

    rows = await clinic.on.owner.fetch(
        "SELECT what, subject, actor, value, at FROM audit WHERE tenant_id IS NULL ORDER BY audit_id"
    )

    [key_id] = await under(clinic.on)
    by = pwd.getpwuid(os.getuid()).pw_name
    assert [tuple(row)[:4] for row in rows] == [
        ("data_key_rotation_begun", str(key_id), "operator", by),
        ("data_key_rotation_finished", str(key_id), "operator", by),
    ]
    assert begun <= rows[0]["at"] < rows[1]["at"] <= clock.now()


async def test_what_is_kept_of_a_body_cannot_be_guessed_and_knows_a_repetition_after_a_rotation(
    clinic: Clinic,
) -> None:
    other = EVA | {"document_number": "1000000001"}
    first = await clinic.on.post(CLINIC_CLIENT, "/ehr/v1/patients", other, key="once")
    kept = await clinic.on.owner.fetchval("SELECT content_digest FROM request WHERE idempotency_key = 'once'")
    await rotation.rotate(clinic.on.owner, DATA_KEY, say=lambda _: None, sleep=shift)

    again = await clinic.on.post(CLINIC_CLIENT, "/ehr/v1/patients", other, key="once")
    changed = await clinic.on.post(CLINIC_CLIENT, "/ehr/v1/patients", EVA, key="once")

    assert kept != asked.digest("POST", "/ehr/v1/patients", b"", other)
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (
        *(201, first.json(), "true"),
    )
    assert (changed.status_code, changed.json()["code"]) == (409, "idempotency_key_reused")


async def test_a_rotation_that_was_interrupted_goes_on_under_the_same_key(clinic: Clinic) -> None:
    await everything(clinic)
    async with database.transaction(clinic.on.owner) as conn:
        clock.shift(timedelta(hours=2))
        key_id, _ = await data_keys.newest(conn, DATA_KEY, now=clock.now())
        clock.shift(timedelta(hours=2))
        assert await data_keys.move(conn, at_rest.PATIENT, "patient", key_id, (0, 0)) == (1, None)
        assert await data_keys.forget_unused(conn, now=clock.now()) == 0

    await rotation.rotate(clinic.on.owner, DATA_KEY, say=lambda _: None, sleep=shift)

    assert await under(clinic.on) == {key_id}
    async with database.transaction(clinic.on.owner) as conn:
        assert await data_keys.forget_unused(conn, now=clock.now()) == 1
    await read_keys(clinic.on)
    clinic.on.tokens.clear()
    found = await clinic.on.get(CLINIC_CLIENT, "/ehr/v1/patients", document_number="7700880099")
    assert found.json()["data"][0]["first_name"] == "Evangelina"


async def test_old_keys_stay_while_an_instance_may_still_write_under_them(clinic: Clinic) -> None:
    clock.shift(timedelta(hours=2))
    await rotation.rotate(clinic.on.owner, DATA_KEY, say=lambda _: None, sleep=shift)

    async with database.transaction(clinic.on.owner) as conn:
        assert await data_keys.forget_unused(conn, now=clock.now()) == 0
        clock.shift(timedelta(minutes=61))
        assert await data_keys.forget_unused(conn, now=clock.now()) == 1


async def test_a_batch_is_bounded_and_says_where_to_go_on(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_keys, "MOVED_AT_ONCE", 2)
    for number in range(4):
        body = EVA | {"document_number": f"100{number}"}
        assert (await clinic.on.post(CLINIC_CLIENT, "/ehr/v1/patients", body)).status_code == 201
    clock.shift(timedelta(hours=2))
    counts = []
    async with database.transaction(clinic.on.owner) as conn:
        key_id, _ = await data_keys.newest(conn, DATA_KEY, now=clock.now())
        clock.shift(timedelta(hours=1))
        after: tuple[int, int] | None = (0, 0)
        while after is not None:
            count, after = await data_keys.move(conn, at_rest.PATIENT, "patient", key_id, after)
            counts.append(count)

    assert counts == [2, 2, 1]


async def test_an_instance_that_meets_a_key_it_does_not_know_asks_to_try_again(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Keyring()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(at_rest, "keyring", stranger)
        elsewhere.setattr(directory, "keyring", stranger)
        refusal = await clinic.on.get(CLINIC_CLIENT, f"/ehr/v1/patients/{clinic.patient_id}")

    assert (refusal.status_code, refusal.json()["retryable"]) == (503, True)
    assert stranger.wanted.is_set()


async def test_another_data_key_is_refused_and_an_older_one_may_stand_behind_it(clinic: Clinic) -> None:
    newer = "another-key-of-an-operator-long-enough"
    with pytest.raises(data_keys.WrongDataKey):
        await read_keys(clinic.on, newer)

    await rotation.rotate(clinic.on.owner, f"{newer} {DATA_KEY}", say=lambda _: None, sleep=shift)

    await read_keys(clinic.on, newer)
    with pytest.raises(data_keys.WrongDataKey):
        await read_keys(clinic.on)


async def shown(clinic: Clinic, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    asked = parser().parse_args(["show-consent", NORTE, *words])
    await asked.act(asked, clinic.on.owner, clinic.on.settings)
    return capsys.readouterr().out.splitlines()


async def test_an_operator_sees_who_consented_when_and_through_which_path(
    clinic: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    demanded = (await clinic.issue(path="/ehr/v1.1/prescriptions", patient_data_consent=True)).json()
    at = clock.now()
    command = await clinic.sent(IssuePrescription)
    await clinic.on.deliver(done(issued(command)))
    volunteered = (await clinic.issue(patient_data_consent=False)).json()
    unasked = (await clinic.issue()).json()

    [line] = await shown(clinic, capsys, "--prescription", demanded["prescription_id"])
    when, *words = line.split()
    assert abs((at - datetime.fromisoformat(when)).total_seconds()) < 30
    assert words == [
        "given",
        f"patient={clinic.patient_id}",
        f"prescription={demanded['prescription_id']}",
        f"doctor={(await clinic.shown(demanded['prescription_id']))['doctor']['doctor_id']}",
        f"client={DOCTOR_CLIENT}",
        "path=v1.1",
    ]
    both = await shown(clinic, capsys, "--patient", clinic.patient_id)
    assert [one.split()[1] for one in both] == ["refused", "given"]
    assert volunteered["prescription_id"] in both[0]
    assert both[0].endswith("path=v1")
    none = await shown(clinic, capsys, "--prescription", unasked["prescription_id"])
    assert none == ["no consent is on record"]


async def test_a_refused_issue_records_no_consent(clinic: Clinic, capsys: pytest.CaptureFixture[str]) -> None:
    asking = clinic.on.post(DOCTOR_CLIENT, "/ehr/v1.1/prescriptions", clinic.body(patient_data_consent=True))

    answer = await clinic.answered(asking, IssuePrescription, lambda one: refused(one, "doctor_inactive"))

    assert answer.status_code >= 400
    assert await shown(clinic, capsys, "--patient", clinic.patient_id) == ["no consent is on record"]


PUBLIC = {
    "seal_key",
    "diagnosis",
    "catalogue_release",
    "catalogue_product",
    "catalogue_name",
    "catalogue_wording",
}
"""Tables that every provider reads whole."""
NOT_FILLED_HERE = {"setting", "branch", "code_miss", "code_look", "one_time_password"}


async def open_to_requests(on: Any) -> list[str]:
    """Every table that the plain service role has any grant on, from the database's own catalogue."""
    rows = await on.pool.fetch(
        """
        SELECT relname
          FROM pg_class
         WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace = 'public'::regnamespace
           AND has_table_privilege(oid, 'SELECT, UPDATE, DELETE')
        """
    )
    return sorted(row["relname"] for row in rows)


async def test_without_a_tenant_the_service_role_sees_no_row_of_any_tenant(clinic: Clinic) -> None:
    await everything(clinic)
    asked = set(await open_to_requests(clinic.on)) - PUBLIC

    assert {"patient", "request", "prescription_view", "dispensation_view", "document"} <= asked
    for table in asked:
        rows = await clinic.on.owner.fetchval(f"SELECT count(*) FROM {table}")
        assert rows or table in NOT_FILLED_HERE, f"nothing to see in {table}"
        assert await clinic.on.pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_every_table_with_a_tenant_that_requests_reach_has_its_policy(clinic: Clinic) -> None:
    rows = await clinic.on.owner.fetch(
        """
        SELECT relname, relrowsecurity, polqual, pg_get_expr(polqual, polrelid) AS rule, polcmd
          FROM pg_class
          LEFT JOIN pg_policy ON polrelid = pg_class.oid
         WHERE relname = ANY ($1)
        """,
        sorted({*await open_to_requests(clinic.on)} - PUBLIC),
    )

    assert {(row["relname"], row["relrowsecurity"], row["rule"]) for row in rows} == {
        (row["relname"], True, "(tenant_id = present_tenant())") for row in rows
    }


async def test_a_tenants_transaction_neither_sees_nor_writes_another_tenants_row(clinic: Clinic) -> None:
    on = clinic.on
    await everything(clinic)
    other = (await on.get(OTHER_CLIENT, "/ehr/v1/doctors")).status_code
    assert other == 200

    for table in set(await open_to_requests(on)) - PUBLIC:
        row = await on.owner.fetchval(
            f"SELECT to_jsonb(one)::text FROM {table} AS one WHERE tenant_id = $1 LIMIT 1", on.tenants[NORTE]
        )
        async with on.pool.acquire() as conn, conn.transaction():
            await conn.execute(
                "SELECT set_config('recepta.tenant_id', $1, true)", str(on.tenants["clinica-sul"])
            )
            seen = await conn.fetchval(
                f"SELECT count(*) FROM {table} WHERE tenant_id = $1", on.tenants[NORTE]
            )
            assert seen == 0, table
            for write in _writes(table):
                assert await _changed(conn, write, row) == 0, f"{table}: {write}"


async def _changed(conn: Connection, write: str, row: str | None) -> int:
    """How many rows that wrote; one that is refused writes none."""
    try:
        async with conn.transaction():
            done = await conn.execute(write, *([row] if "$1" in write else []))
    except asyncpg.InsufficientPrivilegeError:
        return 0
    return int(done.split()[-1])


def _writes(table: str) -> tuple[str, ...]:
    return (
        f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, $1::jsonb)",
        f"UPDATE {table} SET tenant_id = tenant_id WHERE tenant_id <> present_tenant()",
        f"DELETE FROM {table} WHERE tenant_id <> present_tenant()",
    )

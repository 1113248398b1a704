"""Consultations and templates as the gateway asks for them and shows them, over HTTP and Kafka's records."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.command_outcomes import RecordCommandRefused, RecordCommandSucceeded, Refusal
from contracts.drafting_commands import CreateFromConsultation, CreateFromTemplate
from contracts.message import Message
from contracts.prescription_events import ConsultationChanged, TemplateChanged
from contracts.record_commands import DeleteTemplate, PutConsultation
from contracts.values import Consultation, MedicationEntity, Template, TemplateItem
from services.gateway.handlers.entrance import entrance
from services.gateway.operator import provisioning
from shared import clock, database, outbox
from shared.records import Stored
from tests.gateway import KEY, MARTA, NORTE, OTHER_KEY, READING_KEY, Serving, serving
from tests.infrastructure import Database

PATIENT_ID = "d4e5f6a7-b8c9-0123-defa-234567890123"
CONSULTATION_ID = "5c0f2e1d-3b4a-4968-8776-655443322110"
TEMPLATE_ID = "6d1f3e2d-4c5b-4a79-9887-766554433221"
ONE = f"/v1/consultations/{CONSULTATION_ID}"
NOON = datetime(2026, 6, 25, 12, 0, tzinfo=UTC)
WORDS = "vou passar amoxicilina de quinhentos, de oito em oito horas, por sete dias"
ENTITY = {"text": WORDS, "medication_name": "amoxicilina", "dosage": "500mg", "frequency": "8/8h"}
SENT = {
    "patient_id": PATIENT_ID,
    "doctor_id": str(MARTA.doctor_id),
    "status": "completed",
    "medication_entities": [ENTITY],
}
AT_ONCE = {"Prefer": "respond-async"}

offsets = itertools.count()


@pytest.fixture
async def gateway(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway")) as found:
        made = await found.call(KEY, "PUT", f"/v1/patients/{PATIENT_ID}", json={"birth_date": "1990-04-11"})
        assert made.status_code == 201
        key_door = found.gateway.key_door
        entrance.open(found.gateway.door, key_door, found.settings.base_url)
        yield found
    clock.reset()


def consultation(on: Serving, *, version: int = 1, **changes: Any) -> Consultation:
    return Consultation(
        tenant_id=on.tenants[NORTE],
        consultation_id=UUID(CONSULTATION_ID),
        version=version,
        patient_id=UUID(PATIENT_ID),
        doctor_id=MARTA.doctor_id,
        status="completed",
        medication_entities=(MedicationEntity(**ENTITY),),
        created_at=NOON,
        updated_at=NOON,
    ).model_copy(update=changes)


def template(on: Serving, name: str, *, version: int = 1, **changes: Any) -> Template:
    return Template(
        tenant_id=on.tenants[NORTE],
        template_id=UUID(TEMPLATE_ID),
        version=version,
        name=name,
        source_prescription_id=UUID(int=7),
        items=(TemplateItem(position=1, medication_name="Amoxicilina", dosage="500mg"),),
        created_at=NOON,
    ).model_copy(update=changes)


async def commands(on: Serving, kind: type[Message]) -> list[Any]:
    rows = await on.owner.fetch(
        "SELECT headers, value FROM outbox WHERE topic = 'prescription-commands-v1' ORDER BY seq"
    )
    wanted = ("ce_type", kind.ce_type.encode())
    return [kind.model_validate_json(row["value"]) for row in rows if wanted in outbox.unpack(row["headers"])]


async def dead(on: Serving) -> list[tuple[dict[str, str], bytes | None]]:
    rows = await on.owner.fetch(
        "SELECT headers, value FROM outbox WHERE topic = 'consultation-events-v1-dead' ORDER BY seq"
    )
    return [
        ({name: (value or b"").decode() for name, value in outbox.unpack(row["headers"])}, row["value"])
        for row in rows
    ]


def event(
    on: Serving,
    body: object = None,
    *,
    id: str = "ehr-1",
    credentials: str | None = None,
    key: str = CONSULTATION_ID,
    at: datetime | None = None,
    **changes: Any,
) -> Stored:
    """As an upstream system writes it."""
    sent = {"consultation_id": CONSULTATION_ID, **SENT, **changes} if body is None else body
    headers = [
        ("ce_id", id.encode()),
        ("ce_specversion", b"1.0"),
        ("ce_type", b"recepta.consultation.completed.v1"),
        ("ce_source", b"/ehr"),
        ("ce_time", b"2026-06-25T12:00:00Z"),
        ("authorization", (credentials or f"ApiKey {on.keys[KEY]}").encode()),
    ]
    return Stored(
        topic="consultation-events-v1",
        partition=0,
        offset=next(offsets),
        timestamp=int((at or clock.now()).timestamp() * 1000),
        key=key.encode(),
        value=sent if isinstance(sent, bytes) else json.dumps(sent).encode(),
        headers=headers,
    )


async def test_a_consultation_is_put_as_a_command_and_answered_with_what_became_of_it(
    gateway: Serving,
) -> None:
    accepted = await gateway.call(KEY, "PUT", ONE, json=SENT | {"status": "FINALIZADO"}, headers=AT_ONCE)
    (command,) = await commands(gateway, PutConsultation)
    assert accepted.status_code == 202
    assert (str(command.record_id), command.status, command.unresolved) == (CONSULTATION_ID, "completed", ())
    assert (command.expected_version, command.caller.channel) == (None, "delphos")

    await gateway.deliver(
        RecordCommandSucceeded(
            tenant_id=command.tenant_id,
            record_id=command.record_id,
            request_id=command.request_id,
            consultation=consultation(gateway),
            created=True,
        )
    )

    told = (await gateway.call(KEY, "GET", accepted.headers["location"])).json()
    assert (told["state"], told["response"]["status"]) == ("SUCCEEDED", 201)
    read = await gateway.call(READING_KEY, "GET", ONE)
    assert read.json() == told["response"]["body"]
    assert read.json() == read.json() | {
        "id": CONSULTATION_ID,
        "version": 1,
        "prescription_ids": [],
        "language": "pt",
        "created_at": "2026-06-25T12:00:00Z",
    }
    assert read.json()["medication_entities"][0]["active_ingredient"] is None
    assert read.headers["etag"] == '"1"'
    assert (await gateway.call(OTHER_KEY, "GET", ONE)).status_code == 404


async def test_what_the_directory_does_not_know_travels_with_the_command(gateway: Serving) -> None:
    unknown = SENT | {"patient_id": CONSULTATION_ID, "doctor_id": CONSULTATION_ID}
    await gateway.call(KEY, "PUT", ONE, json=unknown, headers=AT_ONCE | {"If-Match": "*"})

    (command,) = await commands(gateway, PutConsultation)
    assert [(one.path, one.code) for one in command.unresolved] == [
        ("patient_id", "unknown_reference"),
        ("doctor_id", "unknown_reference"),
    ]
    assert command.expected_version == 0


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"status": "FINISHED"}, "body.status"),
        ({"medication_entities": [{"medication_name": "a"}]}, "body.medication_entities.0.text"),
        ({"medication_entities": [ENTITY | {"quantity": 0}]}, "body.medication_entities.0.quantity"),
        ({"medication_entities": [ENTITY] * 101}, "body.medication_entities"),
        ({"dosis": 1}, "body.dosis"),
    ],
)
async def test_a_consultation_of_another_shape_is_refused(
    gateway: Serving, changes: dict[str, Any], place: str
) -> None:
    answer = await gateway.call(KEY, "PUT", ONE, json=SENT | changes)

    assert answer.status_code == 422
    assert [".".join(map(str, one["loc"])) for one in answer.json()["detail"]] == [place]


async def test_a_body_of_a_consultation_may_have_a_mebibyte(gateway: Serving) -> None:
    long = [ENTITY | {"text": "x" * 4_000}] * 100

    fits = await gateway.call(KEY, "PUT", ONE, json=SENT | {"medication_entities": long}, headers=AT_ONCE)
    longer = await gateway.call(KEY, "PUT", ONE, content=b" " * (1024 * 1024 + 1))

    assert (fits.status_code, longer.status_code) == (202, 413)


async def test_views_only_move_to_higher_versions_and_are_unreadable_in_the_database(
    gateway: Serving,
) -> None:
    second = consultation(gateway, version=2, prescription_ids=(UUID(int=9),))
    await gateway.deliver(ConsultationChanged(consultation=second))
    await gateway.deliver(ConsultationChanged(consultation=consultation(gateway)))

    read = (await gateway.call(KEY, "GET", ONE)).json()
    assert (read["version"], read["prescription_ids"]) == (2, [str(UUID(int=9))])
    state: bytes = await gateway.owner.fetchval("SELECT state FROM consultation_view")
    assert b"amoxicilina" not in state


async def test_templates_are_listed_by_name_without_regard_to_case_and_deleted_ones_are_gone(
    gateway: Serving,
) -> None:
    ids = [UUID(int=n) for n in range(1, 4)]
    for template_id, name in zip(ids, ("beta", "Alfa", "ALFA 2"), strict=True):
        await gateway.deliver(TemplateChanged(template=template(gateway, name, template_id=template_id)))
    gone = template(gateway, "ALFA 2", version=2, template_id=ids[2], deleted=True)
    await gateway.deliver(TemplateChanged(template=gone), TemplateChanged(template=template(gateway, "Zeta")))

    listed = (await gateway.call(READING_KEY, "GET", "/v1/templates?limit=2")).json()

    assert [one["name"] for one in listed["templates"]] == ["Alfa", "beta"]
    assert (listed["total"], listed["limit"], listed["offset"]) == (3, 2, 0)
    one = await gateway.call(READING_KEY, "GET", f"/v1/templates/{TEMPLATE_ID}")
    assert (one.json()["name"], one.headers["etag"]) == ("Zeta", '"1"')
    assert one.json()["items"][0]["cmed_medication_id"] is None
    assert (await gateway.call(KEY, "GET", f"/v1/templates/{ids[2]}")).status_code == 404
    assert (await gateway.call(OTHER_KEY, "GET", "/v1/templates")).json()["total"] == 0


async def test_a_template_is_deleted_by_a_command_and_answered_without_a_body(gateway: Serving) -> None:
    path = f"/v1/templates/{TEMPLATE_ID}"
    accepted = await gateway.call(KEY, "DELETE", path, headers=AT_ONCE | {"If-Match": '"3"'})
    (command,) = await commands(gateway, DeleteTemplate)
    assert (command.expected_version, str(command.record_id)) == (3, TEMPLATE_ID)

    await gateway.deliver(
        RecordCommandSucceeded(
            tenant_id=command.tenant_id,
            record_id=command.record_id,
            request_id=command.request_id,
            template=template(gateway, "Alfa", version=4, deleted=True),
        )
    )

    told = (await gateway.call(KEY, "GET", accepted.headers["location"])).json()
    assert (told["response"]["status"], told["response"]["body"]) == (204, None)
    assert (await gateway.call(READING_KEY, "DELETE", path)).status_code == 403


async def test_drafts_are_asked_for_with_snapshots_or_why_there_are_none(gateway: Serving) -> None:
    people = {"patient_id": PATIENT_ID, "doctor_id": str(MARTA.doctor_id)}
    await gateway.call(
        KEY, "PUT", f"/v1/patients/{PATIENT_ID}", json={"birth_date": "1990-04-11", "is_active": False}
    )

    for path, named in (("auto-create", "consultation_id"), ("from-template", "template_id")):
        answer = await gateway.call(
            KEY, "POST", f"/v1/prescriptions/{path}", json={named: TEMPLATE_ID, **people}, headers=AT_ONCE
        )
        assert answer.status_code == 202, answer.text

    (auto,) = await commands(gateway, CreateFromConsultation)
    (made,) = await commands(gateway, CreateFromTemplate)
    assert (str(auto.consultation_id), str(made.template_id)) == (TEMPLATE_ID, TEMPLATE_ID)
    for command in (auto, made):
        assert (command.patient, command.doctor and command.doctor.doctor_id) == (None, MARTA.doctor_id)
        assert [(one.path, one.code) for one in command.unresolved] == [("patient_id", "inactive_reference")]


async def test_a_consultation_over_kafka_is_the_command_of_its_http_call(gateway: Serving) -> None:
    await gateway.deliver(event(gateway, status="FINALIZADO"))

    (command,) = await commands(gateway, PutConsultation)
    assert (str(command.record_id), command.status, command.caller.channel) == (
        CONSULTATION_ID,
        "completed",
        "kafka",
    )
    assert (command.deadline, command.tenant_id) == (None, gateway.tenants[NORTE])
    found = (await gateway.call(KEY, "GET", "/v1/requests?idempotency_key=ehr-1")).json()
    assert [(one["state"], one["path"]) for one in found["requests"]] == [("PENDING", ONE)]


async def test_an_id_that_its_sender_has_used_changes_nothing_and_is_nobody_elses(gateway: Serving) -> None:
    await gateway.deliver(event(gateway), event(gateway), event(gateway, language="es"))
    await gateway.deliver(event(gateway, credentials=f"ApiKey {gateway.keys[OTHER_KEY]}"))

    owners = [command.tenant_id for command in await commands(gateway, PutConsultation)]
    assert len(owners) == 2
    assert len(set(owners)) == 2
    assert await dead(gateway) == []


async def test_what_http_would_refuse_is_buried_once_with_the_code_of_the_error(gateway: Serving) -> None:
    wrong = event(gateway, status="open")
    await gateway.deliver(wrong, event(gateway, status="open"))
    await gateway.deliver(event(gateway, b"{", id="ehr-2"), event(gateway, id="ehr-3", key="another"))

    buried = await dead(gateway)
    assert [headers["recepta-error"] for headers, _ in buried] == [
        "validation_failed",
        "malformed_json",
        "validation_failed",
    ]
    headers, value = buried[0]
    assert (value, headers["authorization"], headers["ce_id"]) == (wrong.value, "removed", "ehr-1")
    assert (headers["recepta-consumer"], headers["recepta-client"]) == ("gateway", gateway.keys[KEY][:16])
    assert await commands(gateway, PutConsultation) == []


async def test_what_prescription_refuses_is_buried_in_the_transaction_of_the_refusal(
    gateway: Serving,
) -> None:
    sent = event(gateway, patient_id=TEMPLATE_ID)
    await gateway.deliver(sent)
    (command,) = await commands(gateway, PutConsultation)
    refused = RecordCommandRefused(
        tenant_id=command.tenant_id,
        record_id=command.record_id,
        request_id=command.request_id,
        code="unknown_reference",
        message="There is nothing with this id.",
        refusals=(Refusal(path="patient_id", code="unknown_reference", message="No such patient."),),
    )

    await gateway.deliver(refused)
    await gateway.deliver(refused)

    ((headers, value),) = await dead(gateway)
    assert (headers["recepta-error"], value, headers["authorization"]) == (
        "unknown_reference",
        sent.value,
        "removed",
    )
    found = (await gateway.call(KEY, "GET", "/v1/requests?idempotency_key=ehr-1")).json()
    assert found["requests"][0]["response"]["status"] == 422


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ("", "invalid_api_key"),
        ("Basic abc", "invalid_api_key"),
        ("ApiKey rcp_stg_nobody", "invalid_api_key"),
        ("Bearer nonsense", "token_invalid"),
    ],
)
async def test_a_sender_who_proves_nothing_is_buried(gateway: Serving, credentials: str, code: str) -> None:
    await gateway.deliver(event(gateway, credentials=credentials or " "))

    ((headers, _),) = await dead(gateway)
    assert (headers["recepta-error"], headers["authorization"]) == (code, "removed")


async def test_a_sender_needs_the_permission_of_the_http_call(gateway: Serving) -> None:
    await gateway.deliver(event(gateway, credentials=f"apikey {gateway.keys[READING_KEY]}"))

    ((headers, _),) = await dead(gateway)
    assert (headers["recepta-error"], headers["recepta-client"]) == (
        "permission_denied",
        gateway.keys[READING_KEY][:16],
    )


async def test_a_key_had_to_be_valid_when_the_broker_took_the_record_and_not_be_revoked_since(
    gateway: Serving,
) -> None:
    now = clock.now()
    await gateway.owner.execute("UPDATE api_key SET expires_at = $1", now + timedelta(minutes=5))
    clock.shift(timedelta(minutes=30))

    await gateway.deliver(event(gateway, id="in time", at=now))
    await gateway.deliver(event(gateway, id="too late", at=now + timedelta(minutes=7)))
    async with database.transaction(gateway.owner) as conn:
        await provisioning.revoke_key(conn, gateway.tenants[NORTE], KEY)
    clock.shift(timedelta(minutes=1))
    await gateway.deliver(event(gateway, id="revoked", at=now))

    assert len(await commands(gateway, PutConsultation)) == 1
    assert [(headers["ce_id"], headers["recepta-error"]) for headers, _ in await dead(gateway)] == [
        ("too late", "invalid_api_key"),
        ("revoked", "invalid_api_key"),
    ]

"""Consultations, prescriptions made from them, and templates (8, 9)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from dev.platform import Platform
from tests.infrastructure import until
from tests.journey.delphos.conftest import Desks
from tests.journey.delphos.desk import (
    AMOXICILLIN,
    ASPIRIN,
    LOSARTAN,
    WARFARIN,
    Desk,
    at_once,
    consultation_body,
    entity,
    raw,
    refusal,
    word,
)

TOPIC = "consultation-events-v1"
WORDS = "vou passar amoxicilina de quinhentos, de oito em oito horas, por sete dias"
HEARD = {
    "text": WORDS,
    "medication_name": "amoxicilina",
    "dosage": "500mg",
    "frequency": "8/8h",
    "duration": "7 dias",
}


async def test_a_consultation_is_put_read_and_replaced(desk: Desk) -> None:
    id, patient = str(uuid4()), await desk.patient()
    body = consultation_body(patient, desk.doctor, HEARD) | {"status": "GRAVACAO"}
    made = await desk.call("PUT", f"/consultations/{id}", body)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    read = made.json()
    assert (read["id"], read["status"], read["language"], read["version"]) == (id, "recording", "pt", 1)
    assert (read["prescription_ids"], read["patient_id"], read["doctor_id"]) == ([], patient, desk.doctor)
    (one,) = read["medication_entities"]
    assert one == HEARD | {
        "active_ingredient": None,
        "route": None,
        "unit": None,
        "instructions": None,
        "quantity": None,
    }
    replaced = await desk.call(
        "PUT", f"/consultations/{id}", body | {"status": "FINALIZADO", "language": "es"}
    )
    assert (replaced.status_code, replaced.json()["status"], replaced.json()["version"]) == (
        200,
        "completed",
        2,
    )
    assert await desk.ok("GET", f"/consultations/{id}") == replaced.json()
    back = await desk.call("PUT", f"/consultations/{id}", body)
    assert word(back) == "409 invalid_transition"
    moved = body | {"status": "completed", "patient_id": await desk.patient()}
    assert (
        word(await desk.call("PUT", f"/consultations/{id}", moved))
        == "422 consultation_mismatch body.patient_id"
    )
    assert word(await desk.call("GET", f"/consultations/{uuid4()}")) == "404 resource_not_found"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "done"},
        {"status": None},
        {"language": "fr"},
        {"medication_entities": [{"text": "x"}]},
        {"medication_entities": [{"medication_name": "x"}]},
        {"medication_entities": [entity("x", quantity=0)]},
        {"medication_entities": [entity("x", dose="1")]},
        {"medication_entities": [entity("x")] * 101},
        {"medication_entities": [entity("x", text="x" * 4001)]},
        {"doctor_id": None},
        {"notes": "x"},
    ],
)
async def test_a_consultation_is_read_strictly(desk: Desk, changes: dict[str, Any]) -> None:
    body = consultation_body(str(uuid4()), desk.doctor) | changes
    told = refusal(await desk.call("PUT", f"/consultations/{uuid4()}", body))["detail"]
    assert {one["loc"][1] for one in told} == set(changes)


async def test_a_prescription_is_made_of_what_was_heard(desk: Desk) -> None:
    consultation, patient = await desk.consultation(
        HEARD,
        HEARD | {"text": "de novo"},
        entity("Aspirina"),
        entity("varfarina", dosage="5mg"),
        entity("Xyzzyq"),
    )
    answer = await desk.auto_create(consultation, patient)
    assert (answer.status_code, set(answer.json())) == (201, {"prescription"})
    made = answer.json()["prescription"]
    assert (made["status"], made["origin"], made["prescription_type"]) == (
        "draft",
        "consultation",
        "standard",
    )
    assert (made["consultation_id"], made["safety_check"]["status"]) == (consultation, "current")
    assert [item["medication_name"] for item in made["items"]] == [
        "amoxicilina",
        "Aspirina",
        "varfarina",
        "Xyzzyq",
    ]
    first, aspirin, _, unknown = made["items"]
    assert (first["source_text"], first["dosage"], first["missing_fields"]) == (WORDS, "500mg", ["route"])
    assert first["active_ingredient"] == "AMOXICILINA"
    assert first["match_status"] == ("exact" if first["cmed_medication_id"] is None else "linked")
    assert (aspirin["match_status"], aspirin["missing_fields"]) == (
        "synonym",
        ["dosage", "route", "frequency"],
    )
    assert (unknown["match_status"], unknown["ingredients"], unknown["active_ingredient"]) == (
        "unmatched",
        [],
        None,
    )
    assert "critical" in {one["severity"] for one in made["interactions"]}
    assert (await desk.ok("GET", f"/consultations/{consultation}"))["prescription_ids"] == [made["id"]]
    again = await desk.auto_create(consultation, patient)
    assert (word(again), again.json()["prescription_id"]) == ("409 prescription_exists", made["id"])
    await desk.step(made["id"], "cancelled")
    assert (await desk.auto_create(consultation, patient)).status_code == 201


async def test_a_manual_prescription_of_the_consultation_is_in_the_way_too(desk: Desk) -> None:
    consultation, patient = await desk.consultation(HEARD)
    manual = await desk.draft(patient_id=patient, consultation_id=consultation)
    answer = await desk.auto_create(consultation, patient)
    assert (word(answer), answer.json()["prescription_id"]) == ("409 prescription_exists", manual)


async def test_an_auto_create_is_refused_in_the_order_of_the_text(desk: Desk) -> None:
    open_one, patient = await desk.consultation(status="in_care")
    assert word(await desk.auto_create(str(uuid4()), str(uuid4()))) == "404 resource_not_found"
    answer = await desk.auto_create(open_one, str(uuid4()), doctor_id=str(uuid4()))
    assert (word(answer), answer.json()["status"]) == ("409 consultation_not_completed", "in_care")
    empty, patient = await desk.consultation()
    other = await desk.patient()
    told = word(await desk.auto_create(empty, other, doctor_id=str(uuid4())))
    for said in (
        "unknown_reference body.doctor_id",
        "consultation_mismatch body.patient_id",
        "no_medication_entities body.consultation_id",
    ):
        assert said in told
    assert word(await desk.auto_create(empty, patient)) == "422 no_medication_entities body.consultation_id"
    idle = await desk.a_doctor(is_active=False)
    full, patient = await desk.consultation(HEARD)
    assert (
        word(await desk.auto_create(full, patient, doctor_id=idle)) == "422 inactive_reference body.doctor_id"
    )
    colleague = await desk.a_doctor()
    assert (await desk.auto_create(full, patient, doctor_id=colleague)).status_code == 201


async def test_more_entities_than_items_create_nothing(desks: Desks) -> None:
    narrow = await desks("narrow")
    consultation, patient = await narrow.consultation(
        entity("losartana"), entity("amoxicilina"), entity("aspirina")
    )
    assert word(await narrow.auto_create(consultation, patient)) == "409 items_limit"
    assert (await narrow.ok("GET", f"/prescriptions?patient_id={patient}"))["total"] == 0


async def test_of_a_hundred_auto_creates_at_once_one_makes_it(desk: Desk) -> None:
    consultation, patient = await desk.consultation(HEARD)
    answers = await at_once(*(desk.auto_create(consultation, patient) for _ in range(100)))
    words = [word(one) for one in answers]
    assert (words.count("201"), words.count("409 prescription_exists")) == (1, 99)
    (made,) = [one.json()["prescription"]["id"] for one in answers if one.status_code == 201]
    assert {one.json()["prescription_id"] for one in answers if one.status_code == 409} == {made}
    assert (await desk.ok("GET", f"/prescriptions?consultation_id={consultation}"))["total"] == 1


async def test_a_replaced_consultation_leaves_its_prescription(desk: Desk) -> None:
    consultation, patient = await desk.consultation(HEARD)
    made = (await desk.auto_create(consultation, patient)).json()["prescription"]
    body = consultation_body(patient, desk.doctor, entity("losartana"))
    await desk.ok("PUT", f"/consultations/{consultation}", body)
    assert [item["medication_name"] for item in (await desk.read(made["id"]))["items"]] == ["amoxicilina"]
    created = (await desk.history(made["id"]))[0]
    assert {"field": "consultation_version", "old": None, "new": 1} in created["changes"]


async def say(platform: Platform, key: str, consultation: str, body: Any, ce_id: str = "") -> str:
    """An upstream system's message."""
    ce_id = ce_id or str(uuid4())
    sent = {
        "ce_id": ce_id,
        "ce_specversion": "1.0",
        "ce_source": "/recorder",
        "ce_type": "recepta.consultation.completed.v1",
        "ce_time": datetime.now(UTC).isoformat(),
        "content-type": "application/json",
        "authorization": f"ApiKey {key}",
    }
    producer = AIOKafkaProducer(bootstrap_servers=platform.kafka.bootstrap, acks="all")
    await producer.start()
    try:
        headers = [(name, text.encode()) for name, text in sent.items()]
        await producer.send_and_wait(TOPIC, raw(body), key=consultation.encode(), headers=headers)
    finally:
        await producer.stop()
    return ce_id


async def buried(platform: Platform, ce_id: str) -> dict[str, str]:
    """The headers of a dead letter, once it is there."""
    consumer = AIOKafkaConsumer(bootstrap_servers=platform.kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        topic = f"{TOPIC}-dead"
        partitions = consumer.partitions_for_topic(topic) or {0}
        consumer.assign([TopicPartition(topic, one) for one in partitions])
        await consumer.seek_to_beginning()
        found: dict[str, str] = {}

        async def there() -> bool:
            for records in (await consumer.getmany(timeout_ms=300)).values():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers}
                    if headers.get("ce_id") == ce_id:
                        found.update(headers)
            return bool(found)

        await until(there, 30)
        return found
    finally:
        await consumer.stop()


async def test_a_consultation_may_come_by_kafka(desk: Desk, platform: Platform) -> None:
    consultation, patient = str(uuid4()), await desk.patient()
    body = consultation_body(patient, desk.doctor, HEARD) | {"consultation_id": consultation}
    key = desk.http.headers["x-api-key"]
    ce_id = await say(platform, key, consultation, body)

    async def there() -> bool:
        return (await desk.call("GET", f"/consultations/{consultation}")).status_code == 200

    await until(there, 30)
    await say(platform, key, consultation, body, ce_id)
    second = body | {"medication_entities": [entity("losartana")]}
    await say(platform, key, consultation, second)

    async def replaced() -> bool:
        read = await desk.ok("GET", f"/consultations/{consultation}")
        return bool(read["medication_entities"][0]["medication_name"] == "losartana")

    await until(replaced, 30)
    assert (await desk.ok("GET", f"/consultations/{consultation}"))["version"] == 2
    assert (await desk.ok("GET", f"/prescriptions?consultation_id={consultation}"))["total"] == 0
    assert (await desk.auto_create(consultation, patient)).status_code == 201


@pytest.mark.parametrize("fault", ["patient", "shape", "permission", "status"])
async def test_a_message_that_would_be_refused_is_buried(
    desk: Desk, desks: Desks, platform: Platform, fault: str
) -> None:
    consultation, patient = str(uuid4()), await desk.patient()
    body = consultation_body(patient, desk.doctor, HEARD) | {"consultation_id": consultation}
    key = desk.http.headers["x-api-key"]
    if fault == "patient":
        body["patient_id"] = str(uuid4())
    elif fault == "shape":
        body["medication_entities"] = [{"text": "x"}]
    elif fault == "status":
        body["status"] = "open"
    else:
        key = (await desks("prescriptions:read")).http.headers["x-api-key"]
    headers = await buried(platform, await say(platform, key, consultation, body))
    assert headers["authorization"] == "removed"
    assert headers["recepta-error"]
    assert key not in json.dumps(headers)
    assert word(await desk.call("GET", f"/consultations/{consultation}")) == "404 resource_not_found"


async def test_a_template_keeps_the_medicines_and_nothing_of_the_patient(desk: Desk) -> None:
    id = await desk.draft(
        AMOXICILLIN | {"clinical_notes": "INR", "instructions": "Com agua."}, LOSARTAN, notes="x"
    )
    name = f"Kit {uuid4()}"
    answer = await desk.call(
        "POST", f"/prescriptions/{id}/save-as-template", {"name": name, "description": "d"}
    )
    made = answer.json()
    assert answer.status_code == 201
    assert set(made) == {
        *("id", "version", "name", "description", "prescription_type", "source_prescription_id", "items"),
        "created_at",
    }
    assert (made["name"], made["description"], made["source_prescription_id"]) == (name, "d", id)
    assert set(made["items"][0]) == {
        *("position", "medication_name", "active_ingredient", "dosage", "route", "frequency", "duration"),
        *("quantity", "unit", "instructions", "cmed_medication_id"),
    }
    read = await desk.call("GET", f"/templates/{made['id']}")
    assert (read.json(), read.headers["etag"], answer.headers["etag"]) == (made, '"1"', '"1"')
    taken = await desk.call("POST", f"/prescriptions/{id}/save-as-template", {"name": name.upper()})
    assert word(taken) == "409 template_name_taken"
    assert (await desk.call("DELETE", f"/templates/{made['id']}")).status_code == 204
    assert word(await desk.call("GET", f"/templates/{made['id']}")) == "404 resource_not_found"
    assert word(await desk.call("DELETE", f"/templates/{made['id']}")) == "404 resource_not_found"
    freed = await desk.call("POST", f"/prescriptions/{id}/save-as-template", {"name": name})
    assert freed.status_code == 201
    empty = await desk.draft()
    none = await desk.call("POST", f"/prescriptions/{empty}/save-as-template", {"name": f"{uuid4()}"})
    assert word(none) == "409 items_required"


async def test_templates_are_listed_by_name(desks: Desks) -> None:
    narrow = await desks("narrow")
    id, run = await narrow.draft(AMOXICILLIN), str(uuid4())
    for name in ("b", "A", "C"):
        await narrow.ok("POST", f"/prescriptions/{id}/save-as-template", {"name": f"{name} {run}"})
    listed = await narrow.ok("GET", "/templates?limit=100")
    names = [one["name"] for one in listed["templates"]]
    assert names == sorted(names, key=str.casefold)
    assert listed["total"] == len(names)
    page = await narrow.ok("GET", "/templates?limit=1&offset=1")
    assert ([one["name"] for one in page["templates"]], page["total"]) == (names[1:2], len(names))


async def test_a_prescription_is_made_from_a_template(desk: Desk) -> None:
    source = await desk.draft(WARFARIN, ASPIRIN, prescription_type="controlled")
    template = await desk.ok("POST", f"/prescriptions/{source}/save-as-template", {"name": f"Kit {uuid4()}"})
    patient = await desk.patient()
    body = {"template_id": template["id"], "patient_id": patient, "doctor_id": desk.doctor}
    answer = await desk.call("POST", "/prescriptions/from-template", body)
    made = answer.json()["prescription"]
    assert (answer.status_code, made["status"], made["origin"]) == (201, "draft", "manual")
    assert (made["prescription_type"], made["template_id"]) == ("controlled", template["id"])
    assert made["safety_check"]["status"] in ("pending", "current")
    assert [item["medication_name"] for item in made["items"]] == ["Varfarina", "Aspirina"]
    assert {item["prescription_id"] for item in made["items"]} == {made["id"]}
    assert [one["severity"] for one in (await desk.settled(made["id"]))["interactions"]] == ["critical"]
    unknown = body | {"template_id": str(uuid4()), "doctor_id": str(uuid4())}
    assert word(await desk.call("POST", "/prescriptions/from-template", unknown)) == "404 resource_not_found"
    nobody = body | {"doctor_id": str(uuid4()), "consultation_id": str(uuid4())}
    told = word(await desk.call("POST", "/prescriptions/from-template", nobody))
    assert told == "422 unknown_reference body.doctor_id, unknown_reference body.consultation_id"
    await desk.call("DELETE", f"/templates/{template['id']}")
    assert (await desk.read(made["id"]))["template_id"] == template["id"]

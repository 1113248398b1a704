"""What drafts follow from, on the whole platform: consultations, templates, medicines, and the patient."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from dev.platform import Platform
from services.gateway.messages import ids
from tests.clients import Clinic, following
from tests.journey.delphos.conftest import AMOXICILLIN, Practice

WORDS = "vou passar amoxicilina de quinhentos, de oito em oito horas, por sete dias"
ENTITY = {
    "text": WORDS,
    "medication_name": "amoxicilina",
    "dosage": "500mg",
    "frequency": "8/8h",
    "duration": "7 dias",
}
PARALLEL = 100


def consultation(practice: Practice, **changes: Any) -> dict[str, Any]:
    return {
        "patient_id": practice.patient_id,
        "doctor_id": practice.doctor_id,
        "status": "FINALIZADO",
        "medication_entities": [ENTITY],
    } | changes


async def handed_in(practice: Practice, **changes: Any) -> str:
    id = str(uuid4())
    made = await practice.http.put(f"/v1/consultations/{id}", json=consultation(practice, **changes))
    assert made.status_code == 201, made.text
    return id


def wanted(practice: Practice, consultation_id: str) -> dict[str, Any]:
    return {
        "consultation_id": consultation_id,
        "patient_id": practice.patient_id,
        "doctor_id": practice.doctor_id,
    }


async def until(read: Any, reached: Any, *, seconds: float = 20.0) -> Any:
    """Read again until it is as it shall be."""
    give_up = time.monotonic() + seconds
    while not reached(found := await read()):
        assert time.monotonic() < give_up, "this never came about"
        await asyncio.sleep(0.1)
    return found


async def buried(consumer: AIOKafkaConsumer, *ids: str) -> dict[str, dict[str, str]]:
    """The headers of dead letters, by the ids of what they were."""
    found: dict[str, dict[str, str]] = {}
    async with asyncio.timeout(30):
        while not found.keys() >= set(ids):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers}
                    found[headers["ce_id"]] = headers
    return {id: found[id] for id in ids}


async def test_a_hundred_at_once_make_one_prescription_of_a_consultation(practice: Practice) -> None:
    id = await handed_in(practice)

    answers = await asyncio.gather(
        *(practice.call("POST", "/auto-create", wanted(practice, id)) for _ in range(PARALLEL))
    )

    assert sorted(one.status_code for one in answers) == [201] + [409] * (PARALLEL - 1)
    made = next(one.json()["prescription"] for one in answers if one.status_code == 201)
    refused = [one.json() for one in answers if one.status_code == 409]
    assert {(one["error"], one["prescription_id"]) for one in refused} == {
        ("prescription_exists", made["id"])
    }
    (item,) = made["items"]
    assert (item["source_text"], item["match_status"], item["missing_fields"]) == (WORDS, "linked", ["route"])
    assert (made["origin"], made["consultation_id"], made["safety_check"]["status"]) == (
        "consultation",
        id,
        "current",
    )
    listed = await practice.ok("GET", f"?consultation_id={id}")
    assert (listed["total"], listed["items"][0]["id"]) == (1, made["id"])
    read = (await practice.http.get(f"/v1/consultations/{id}")).json()
    assert (read["prescription_ids"], read["status"]) == ([made["id"]], "completed")


async def test_what_is_wrong_with_an_auto_create_is_told_in_the_order_of_the_checks(
    practice: Practice,
) -> None:
    open_one = await handed_in(practice, status="ABERTO")
    silent = await handed_in(practice, medication_entities=[])

    unknown = await practice.call("POST", "/auto-create", wanted(practice, str(uuid4())))
    too_early = await practice.call("POST", "/auto-create", wanted(practice, open_one))
    nothing = await practice.call(
        "POST", "/auto-create", wanted(practice, silent) | {"doctor_id": str(uuid4())}
    )

    assert unknown.status_code == 404
    assert (too_early.status_code, too_early.json()["status"]) == (409, "open")
    assert nothing.status_code == 422
    assert {(one["loc"][-1], one["type"]) for one in nothing.json()["detail"]} == {
        ("doctor_id", "unknown_reference"),
        ("consultation_id", "no_medication_entities"),
    }


async def test_a_consultation_that_is_over_stays_so_and_stays_its_patients(
    practice: Practice, other_dialect: Any
) -> None:
    id = await handed_in(practice)
    path = f"/v1/consultations/{id}"

    again = await practice.http.put(path, json=consultation(practice))
    reopened = await practice.http.put(path, json=consultation(practice, status="open"))
    other = {"birth_date": "1990-04-11"}
    stranger = str(uuid4())
    assert (await practice.http.put(f"/v1/patients/{stranger}", json=other)).status_code == 201
    moved = await practice.http.put(path, json=consultation(practice, patient_id=stranger))
    stale = await practice.http.put(path, json=consultation(practice), headers={"If-Match": '"9"'})

    assert (again.status_code, again.headers["etag"]) == (200, '"1"')
    assert (reopened.status_code, reopened.json()["error"]) == (409, "invalid_transition")
    assert (moved.status_code, moved.json()["detail"][0]["type"]) == (422, "consultation_mismatch")
    assert (stale.status_code, stale.json()["current_version"]) == (412, 1)


async def test_consultations_over_kafka_are_stored_in_order_and_refused_ones_are_kept(
    platform: Platform, practice: Practice
) -> None:
    id, proof = str(uuid4()), f"ApiKey {platform.credentials['RECEPTA_API_KEY']}"
    producer = AIOKafkaProducer(bootstrap_servers=platform.kafka.bootstrap, acks="all")
    await producer.start()

    async def tell(ce_id: str, **changes: Any) -> None:
        body = {"consultation_id": id} | consultation(practice, status="completed") | changes
        headers = {
            "ce_id": ce_id,
            "ce_specversion": "1.0",
            "ce_source": "/ehr",
            "ce_type": "recepta.consultation.completed.v1",
            "ce_time": "2026-06-26T10:21:00Z",
            "authorization": proof,
        }
        await producer.send_and_wait(
            "consultation-events-v1",
            json.dumps(body).encode(),
            key=id.encode(),
            headers=[(name, text.encode()) for name, text in headers.items()],
        )

    stranger, broken = f"{id}-stranger", f"{id}-broken"
    async with following(platform.kafka.bootstrap, "consultation-events-v1-dead") as dead:
        try:
            await tell(f"{id}-1")
            await tell(f"{id}-1", language="en")
            await tell(stranger, doctor_id=str(uuid4()))
            await tell(broken, status="open")
            await tell(f"{id}-2", language="es")
        finally:
            await producer.stop()
        found = await buried(dead.consumer, stranger, broken)

    read = await until(
        lambda: practice.http.get(f"/v1/consultations/{id}"),
        lambda answer: answer.status_code == 200 and answer.json()["version"] == 2,
    )
    assert (read.json()["language"], read.json()["medication_entities"][0]["text"]) == ("es", WORDS)
    assert {ce_id: headers["recepta-error"] for ce_id, headers in found.items()} == {
        stranger: "unknown_reference",
        broken: "validation_failed",
    }
    assert {headers["authorization"] for headers in found.values()} == {"removed"}


async def test_a_template_is_kept_prescribed_from_and_deleted(practice: Practice) -> None:
    name = f"Amigdalite {uuid4()}"
    source = await practice.draft(AMOXICILLIN | {"clinical_notes": "so para o medico"})
    saved = await practice.call("POST", f"/{source}/save-as-template", {"name": name})
    taken = await practice.call("POST", f"/{source}/save-as-template", {"name": name.upper()})
    template = saved.json()
    path = f"/v1/templates/{template['id']}"
    assert (saved.status_code, taken.status_code, taken.json()["error"]) == (201, 409, "template_name_taken")
    assert (await practice.http.get(path)).json() == template
    assert "clinical_notes" not in template["items"][0]

    made = await practice.ok(
        "POST",
        "/from-template",
        {
            "template_id": template["id"],
            "patient_id": practice.patient_id,
            "doctor_id": practice.doctor_id,
        },
    )
    gone = await practice.http.delete(path)

    draft = made["prescription"]
    assert (draft["template_id"], draft["origin"], draft["status"]) == (template["id"], "manual", "draft")
    assert [one["medication_name"] for one in draft["items"]] == ["Amoxicilina"]
    assert gone.status_code == 204
    assert (await practice.http.get(path)).status_code == 404
    assert (await practice.http.delete(path)).status_code == 404
    assert (await practice.read(draft["id"]))["template_id"] == template["id"]
    assert (await practice.call("POST", f"/{source}/save-as-template", {"name": name})).status_code == 201


async def test_a_template_of_what_the_other_dialect_issued_says_all_of_how_it_is_taken(
    practice: Practice, clinic: Clinic
) -> None:
    posology = {"posology": "1 tablet every 8h, with food", "duration_days": 10, "quantity": 30}
    lines = [
        {"product_code": "MED-042", **posology},
        {"product_code": "MED-044", **posology, "frequency": "8/8h"},
    ]
    issued = await clinic.issue(medications=lines)
    id = str(ids.find("rx", issued["prescription_id"]))
    kept = await practice.ok("POST", f"/{id}/save-as-template", {"name": f"Kit {uuid4()}"})

    names = ("medication_name", "dosage", "route", "frequency", "instructions", "quantity", "unit")
    shown = (await practice.read(id))["items"]
    assert [[line[name] for name in names] for line in kept["items"]] == [
        [line[name] for name in names] for line in shown
    ]
    assert [line["frequency"] for line in shown] == [posology["posology"], "8/8h"]
    assert [line["instructions"] for line in shown] == [None, posology["posology"]]
    assert [line["duration"] for line in kept["items"]] == ["10 d", "10 d"]
    links = [line["cmed_medication_id"] for line in shown]
    assert [line["match_status"] for line in shown if line["cmed_medication_id"]] == ["linked", "linked"]
    assert [line["cmed_medication_id"] for line in kept["items"]] == links


async def test_an_allergy_that_is_registered_later_reaches_an_open_draft(practice: Practice) -> None:
    id = await practice.draft(AMOXICILLIN)
    before = await until(lambda: practice.read(id), lambda one: one["safety_check"]["status"] == "current")
    path = f"/v1/patients/{practice.patient_id}"
    patient = (await practice.http.get(path)).json()

    changed = await practice.http.put(
        path, json=patient | {"allergies": [{"ingredient": "Amoxicilina", "severity": "severe"}]}
    )

    assert (changed.status_code, changed.json()["allergies"][0]["matched_ingredient"]) == (200, "AMOXICILINA")
    after = await until(
        lambda: practice.read(id),
        lambda one: one["safety_check"]["status"] == "current" and one["interactions"],
    )
    assert before["interactions"] == []
    assert [(one["interaction_type"], one["severity"]) for one in after["interactions"]] == [
        ("allergy", "contraindicated")
    ]
    assert (after["version"] > before["version"], after["can_sign"]) == (True, False)


async def test_a_medicine_is_found_and_linked_to_an_item(practice: Practice) -> None:
    found = (await practice.http.post("/v1/medications/search", json={"query": "losartana"})).json()
    best = found["results"][0]

    item = await practice.ok(
        "POST",
        f"/{await practice.draft()}/items",
        {
            "medication_name": "Losartana 50",
            "dosage": "50mg",
            "route": "oral",
            "frequency": "24/24h",
            "cmed_medication_id": best["medication_id"],
        },
    )

    assert (best["substancia"], best["tipo_produto"]) == ("LOSARTANA", "Generico")
    assert (item["match_status"], item["ingredients"]) == ("linked", ["LOSARTANA"])

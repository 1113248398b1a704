"""History, PDF, health and the machine-readable description (11, 13, 14)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jsonschema
import pypdfium2
import pytest

from tests.clients import Pharmacy
from tests.infrastructure import until
from tests.journey.delphos.desk import AMOXICILLIN, ASPIRIN, LOSARTAN, WARFARIN, Desk, entity, word
from tests.journey.delphos.replaying import assert_tells_the_same

LINE = {
    *("seq", "at", "action", "actor", "request_id", "dialect", "version", "from_status", "to_status"),
    *("changes", "error"),
}
ACTIONS = {
    *("created", "metadata_changed", "item_added", "item_changed", "item_removed", "checked", "check_failed"),
    *("acknowledged", "status_changed", "signing_started", "signing_failed", "attempt_refused"),
    *("dispensation_started", "dispensation_ended", "pdf_downloaded"),
}


async def test_the_history_holds_every_change_in_order(desk: Desk, pharmacy: Pharmacy) -> None:
    id = await desk.draft(WARFARIN, ASPIRIN, LOSARTAN)
    await desk.ok("PATCH", f"/prescriptions/{id}", {"notes": "x"})
    items = (await desk.read(id))["items"]
    await desk.ok("PATCH", f"/prescriptions/{id}/items/{items[0]['id']}", {"dosage": "2mg"})
    await desk.call("DELETE", f"/prescriptions/{id}/items/{items[2]['id']}")
    await desk.checked(id)
    for status in ("pending_review", "validated", "signed"):
        await desk.step(id, status)
    await desk.acknowledge(id)
    for status in ("signed", "submitted"):
        assert (await desk.step(id, status)).status_code == 200
    code = (await desk.read(id))["prescription_code"]
    await pharmacy.complete((await pharmacy.start(code)).json()["dispensation_id"])
    refused = await desk.step(id, "cancelled")
    lines = await desk.history(id)
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert all(set(line) >= LINE for line in lines)
    assert {line["action"] for line in lines} == ACTIONS - {
        "check_failed",
        "signing_failed",
        "pdf_downloaded",
    }
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    versions = [line["version"] for line in lines]
    assert versions == sorted(versions)
    assert versions[-1] == (await desk.read(id))["version"]
    steps = [line["to_status"] for line in lines if line["to_status"] and line["from_status"]]
    assert steps == ["pending_review", "validated", "signed", "submitted", "dispensed"]
    errors = [line["error"] for line in lines if line["action"] == "attempt_refused"]
    assert [one if isinstance(one, str) else one["error"] for one in errors] == [
        "unacknowledged_interactions",
        "invalid_transition",
    ]
    assert lines[-1]["request_id"] == refused.headers["x-request-id"]
    actors = {line["action"]: line["actor"] for line in lines}
    assert actors["created"]["type"] == "api_key"
    assert actors["created"]["key_prefix"] == desk.http.headers["x-api-key"][:16]
    assert actors["dispensation_started"]["type"] == "pharmacy"
    assert {line["dialect"] for line in lines if line["actor"]["type"] == "api_key"} == {"delphos"}
    assert all(line["request_id"] is None for line in lines if line["actor"]["type"] == "system")
    assert_tells_the_same(lines, await desk.read(id))
    page = await desk.ok("GET", f"/prescriptions/{id}/history?limit=2&offset=1")
    assert (page["history"], page["total"]) == (lines[1:3], len(lines))
    assert (await desk.ok("GET", f"/prescriptions/{id}/history"))["limit"] == 20


async def test_the_history_of_what_was_made_at_once_tells_the_same(desk: Desk) -> None:
    heard = await desk.consultation(entity("varfarina", dosage="5mg"), entity("Aspirina"))
    made = (await desk.auto_create(*heard)).json()["prescription"]
    template = await desk.ok(
        "POST", f"/prescriptions/{made['id']}/save-as-template", {"name": f"Kit {uuid4()}"}
    )
    body = {"template_id": template["id"], "patient_id": heard[1], "doctor_id": desk.doctor}
    copy = await desk.ok("POST", "/prescriptions/from-template", body)
    for id in (made["id"], copy["prescription"]["id"]):
        read = await desk.settled(id)
        assert_tells_the_same(await desk.history(id), read)


async def test_a_sign_attempt_that_is_refused_stays_in_the_history(desk: Desk) -> None:
    id = await desk.draft()
    await desk.step(id, "signed")
    last = (await desk.history(id))[-1]
    assert (last["action"], last["from_status"], last["to_status"]) == ("attempt_refused", None, None)


async def test_a_pdf_is_made_in_the_patients_language_and_says_what_it_is_worth(desk: Desk) -> None:
    patient = await desk.patient(preferred_language="pt", full_name="Joana Prado")
    id = await desk.draft(patient_id=patient)
    path = f"/prescriptions/{id}/pdf"
    assert word(await desk.call("GET", path)) == "409 items_required"
    await desk.ok("POST", f"/prescriptions/{id}/items", AMOXICILLIN | {"clinical_notes": "Segredo clinico"})
    draft = await desk.call("GET", path)
    assert (draft.status_code, draft.headers["content-type"]) == (200, "application/pdf")
    assert draft.headers["content-disposition"].startswith("attachment")
    assert all("SEM VALIDADE" in page for page in pages(draft.content))
    for status in ("pending_review", "validated", "signed"):
        await desk.step(id, status)
    first, second = await made(desk, path), await made(desk, path)
    code = (await desk.read(id))["prescription_code"]
    text = " ".join(pages(first))
    assert first == second
    assert code in text
    assert "Joana Prado" in text
    assert "SEM VALIDADE" not in text
    await desk.step(id, "cancelled")
    cancelled = pages(await made(desk, path))
    assert len(cancelled) == len(pages(first)) + 1
    assert cancelled[1:] == pages(first)
    assert not any("Segredo" in page for page in [*cancelled, *pages(draft.content)])
    assert [line["action"] for line in await desk.history(id)].count("pdf_downloaded") >= 4


async def made(desk: Desk, path: str) -> bytes:
    found: list[bytes] = []

    async def there() -> bool:
        answer = await desk.call("GET", path)
        if answer.status_code == 409:
            assert word(answer) == "409 pdf_not_ready"
            return False
        found.append(answer.content)
        return answer.status_code == 200

    await until(there, 30)
    return found[-1]


def pages(pdf: bytes) -> list[str]:
    return [" ".join(one.get_textpage().get_text_bounded().split()) for one in pypdfium2.PdfDocument(pdf)]


async def test_health_and_descriptions_need_no_key(strangers: httpx.AsyncClient) -> None:
    health = await strangers.get("/v1/health")
    assert (health.status_code, set(health.json())) == (200, {"status"})
    assert health.json()["status"] in ("ok", "degraded")
    for path in ("/docs", "/redoc"):
        answer = await strangers.get(path)
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/html")
    described = (await strangers.get("/openapi.json")).json()
    assert described["openapi"].startswith("3.")
    assert not [path for path in described["paths"] if path.startswith(("/ehr", "/dispensing"))]


EXAMPLES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("examples.json").read_text("utf-8"))
"""Every JSON example of the document, and what it is an answer to."""


def described(document: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """The schema that the description gives for the place of an example."""
    plain = {re.sub(r"\{\w+\}", "{}", path): item for path, item in document["paths"].items()}
    operation = plain[re.sub(r"\{\w+\}", "{}", example["path"])][example["method"]]
    asked = example["status"] == "request"
    place = operation["requestBody"] if asked else operation["responses"][example["status"]]
    if "$ref" in place:
        place = document["components"]["responses"][place["$ref"].rpartition("/")[2]]
    return {**place["content"]["application/json"]["schema"], "components": document["components"]}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
async def test_an_example_of_the_document_fits_its_description(
    strangers: httpx.AsyncClient, example: dict[str, Any]
) -> None:
    document = (await strangers.get("/openapi.json")).json()
    schema = described(document, example)
    jsonschema.Draft202012Validator(schema).validate(example["body"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({name: [[]] for name in example["body"]})


async def test_what_is_answered_fits_the_description(desk: Desk, strangers: httpx.AsyncClient) -> None:
    document = (await strangers.get("/openapi.json")).json()
    id = await desk.up_to("dispensed", AMOXICILLIN, LOSARTAN)
    consultation, patient = await desk.consultation()
    places = {
        "/v1/prescriptions/{id}": f"/prescriptions/{id}",
        "/v1/prescriptions": "/prescriptions",
        "/v1/prescriptions/{id}/history": f"/prescriptions/{id}/history",
        "/v1/templates": "/templates",
        "/v1/consultations/{id}": f"/consultations/{consultation}",
        "/v1/patients/{id}": f"/patients/{patient}",
        "/v1/doctors/{id}": f"/doctors/{desk.doctor}",
        "/v1/requests": "/requests?idempotency_key=x",
    }
    for path, call in places.items():
        schema = described(document, {"path": path, "method": "get", "status": "200"})
        jsonschema.Draft202012Validator(schema).validate(await desk.ok("GET", call))


async def test_every_code_of_the_document_is_described(strangers: httpx.AsyncClient) -> None:
    text = (await strangers.get("/openapi.json")).text
    assert [code for code in CODES if code not in text] == []


CODES = (
    *("malformed_json", "invalid_header", "invalid_atc_prefix", "invalid_api_key", "permission_denied"),
    *("resource_not_found", "method_not_allowed", "invalid_transition", "not_editable", "items_required"),
    *("last_item", "items_limit", "items_incomplete", "unacknowledged_interactions", "prescription_expired"),
    *("policy_refused", "terminal_state", "consultation_not_completed", "prescription_exists"),
    *("template_name_taken", "license_taken", "patient_exists", "signing_in_progress"),
    *("already_being_dispensed", "pdf_not_ready", "idempotency_key_reused", "version_mismatch"),
    *("payload_too_large", "unsupported_media_type", "validation_failed", "rate_limited", "internal_error"),
    *("safety_check_failed", "dependency_unavailable", "overloaded", "field_not_applicable", "not_in_future"),
    *("unknown_reference", "inactive_reference", "signer_not_allowed", "signing_key_not_enrolled"),
    *("signing_refused", "reason_required", "consultation_mismatch", "no_medication_entities"),
)

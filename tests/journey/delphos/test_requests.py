"""Versions, repeats, slow writes and the look-up of outcomes (2.6, 2.7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.clients import Clinic
from tests.infrastructure import until
from tests.journey.conftest import Later
from tests.journey.delphos.desk import ABSENT, AMOXICILLIN, ASPIRIN, WARFARIN, Desk, at_once, refusal, word

MEMBERS = {
    *("request_id", "state", "method", "idempotency_key", "path", "accepted_at", "finished_at"),
    *("prescription_id", "response"),
}


def key() -> str:
    return f"key-{uuid4()}"


async def finished(desk: Desk, answer: httpx.Response) -> dict[str, Any]:
    """What a 202 came to."""
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = {}

    async def done() -> bool:
        found.update((await desk.http.get(answer.headers["location"])).json())
        return found["state"] != "PENDING"

    await until(done, 20)
    return found


async def test_every_answer_about_a_prescription_carries_its_version(desk: Desk) -> None:
    patient = await desk.patient()
    body = {"patient_id": patient, "doctor_id": desk.doctor}
    made = await desk.call("POST", "/prescriptions", body)
    id = made.json()["prescription"]["id"]
    assert (made.headers["etag"], made.json()["prescription"]["version"]) == ('"1"', 1)
    item = await desk.call("POST", f"/prescriptions/{id}/items", AMOXICILLIN)
    assert int(item.headers["etag"].strip('"')) > 1
    read = await desk.settled(id)
    for method, path, sent in (
        ("GET", "", ABSENT),
        ("PATCH", "", {"notes": "x"}),
        ("PATCH", f"/items/{item.json()['id']}", {"instructions": "Com agua."}),
        ("POST", "/safety-check", ABSENT),
        ("DELETE", f"/items/{item.json()['id']}", ABSENT),
    ):
        answer = await desk.call(method, f"/prescriptions/{id}{path}", sent)
        assert answer.status_code < 300, answer.text
        assert int(answer.headers["etag"].strip('"')) >= read["version"]
    assert answer.status_code == 204
    assert answer.content == b""


async def test_a_check_that_finds_the_same_raises_the_version_by_its_begin_and_end_alone(desk: Desk) -> None:
    """Ruling 3.10: every change of the check's status is one; the findings are none."""
    id = await desk.draft(WARFARIN, ASPIRIN)
    await desk.checked(id)
    before = await desk.settled(id)
    await desk.checked(id)
    after = await desk.read(id)
    assert after["version"] - before["version"] in (0, 2)
    assert after["interactions"] == before["interactions"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"notes": "y"}),
        ("PATCH", "/status", {"status": "pending_review"}),
        ("POST", "/items", AMOXICILLIN),
        ("PATCH", "/items/{item}", {"dosage": "1g"}),
        ("DELETE", "/items/{item}", ABSENT),
        ("POST", "/safety-check", ABSENT),
        ("POST", "/interactions/acknowledge-all", {"acknowledged_by": "{doctor}"}),
    ],
)
async def test_a_stale_version_changes_nothing(desk: Desk, method: str, path: str, body: Any) -> None:
    id = await desk.draft(AMOXICILLIN)
    before = await desk.settled(id)
    path = f"/prescriptions/{id}{path}".replace("{item}", before["items"][0]["id"])
    if isinstance(body, dict) and "acknowledged_by" in body:
        body = {"acknowledged_by": desk.doctor}
    answer = await desk.call(method, path, body, if_match=f'"{before["version"] - 1}"')
    assert word(answer) == "412 version_mismatch"
    assert answer.json()["current_version"] == before["version"]
    assert await desk.read(id) == before
    assert (await desk.call(method, path, body, if_match="*")).status_code < 300


async def test_every_record_has_its_own_version(desk: Desk) -> None:
    consultation, patient = await desk.consultation()
    doctor = await desk.a_doctor()
    for path in (f"/patients/{patient}", f"/doctors/{doctor}", f"/consultations/{consultation}"):
        answer = await desk.call("GET", path)
        assert (answer.headers["etag"], answer.json()["version"]) == ('"1"', 1)
        body = answer.json()
        assert word(await desk.call("PUT", path, body, if_match='"7"')) == "412 version_mismatch"
        again = await desk.call("PUT", path, body, if_match='"1"')
        assert (again.status_code, again.json()["id"]) == (200, body["id"])
    assert (
        await desk.call("PUT", f"/patients/{uuid4()}", {"birth_date": "1990-01-01"}, if_match="*")
    ).status_code == 412


async def test_a_repeated_write_happens_once_and_is_answered_alike(desk: Desk) -> None:
    id, mine = await desk.draft(), key()
    path = f"/prescriptions/{id}/items"
    first = await desk.call("POST", path, AMOXICILLIN, idempotency_key=mine)
    reordered = dict(reversed(AMOXICILLIN.items()))
    again = await desk.call("POST", path, reordered, idempotency_key=mine)
    assert (again.status_code, again.json(), again.headers["etag"]) == (
        201,
        first.json(),
        first.headers["etag"],
    )
    assert again.headers["x-request-id"] == first.headers["x-request-id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len((await desk.read(id))["items"]) == 1
    other = await desk.call("POST", path, ASPIRIN, idempotency_key=mine)
    assert word(other) == "409 idempotency_key_reused"
    assert other.json()["request_id"] == first.headers["x-request-id"]
    elsewhere = await desk.call("PATCH", f"/prescriptions/{id}", {"notes": "x"}, idempotency_key=mine)
    assert word(elsewhere) == "409 idempotency_key_reused"


async def test_a_repeated_removal_is_answered_without_a_body(desk: Desk) -> None:
    id, mine = await desk.draft(AMOXICILLIN), key()
    path = f"/prescriptions/{id}/items/{(await desk.read(id))['items'][0]['id']}"
    first = await desk.call("DELETE", path, idempotency_key=mine)
    again = await desk.call("DELETE", path, idempotency_key=mine)
    assert (first.status_code, again.status_code, again.content) == (204, 204, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert word(await desk.call("DELETE", path)) == "404 resource_not_found"


async def test_after_a_refusal_the_same_key_is_evaluated_anew(desk: Desk) -> None:
    """Acknowledge, then send the same PATCH again."""
    id, mine = await desk.draft(WARFARIN, ASPIRIN), key()
    await desk.checked(id)
    for status in ("pending_review", "validated"):
        await desk.step(id, status)
    path, body = f"/prescriptions/{id}/status", {"status": "signed", "signed_by": desk.doctor}
    blocked = await desk.call("PATCH", path, body, idempotency_key=mine)
    assert word(blocked) == "409 unacknowledged_interactions"
    assert (await desk.acknowledge(id)).status_code == 200
    signed = await desk.call("PATCH", path, body, idempotency_key=mine)
    assert (signed.status_code, signed.json()["status"]) == (200, "signed")
    again = await desk.call("PATCH", path, body, idempotency_key=mine)
    assert (again.json(), again.headers["idempotency-replayed"]) == (signed.json(), "true")


async def test_after_a_refusal_other_content_is_evaluated_too(desk: Desk) -> None:
    id, mine = await desk.draft(), key()
    path = f"/prescriptions/{id}/status"
    refused = await desk.call("PATCH", path, {"status": "pending_review"}, idempotency_key=mine)
    assert word(refused) == "409 items_required"
    body = {"status": "cancelled", "reason": "x"}
    assert (await desk.call("PATCH", path, body, idempotency_key=mine)).status_code == 200


async def test_many_repeats_at_once_are_one_write(desk: Desk) -> None:
    mine = key()
    body = {"patient_id": await desk.patient(), "doctor_id": desk.doctor}
    calls = [desk.call("POST", "/prescriptions", body, idempotency_key=mine) for _ in range(10)]
    answers = await at_once(*calls)
    assert {one.status_code for one in answers} == {201}
    assert len({one.json()["prescription"]["id"] for one in answers}) == 1
    assert (await desk.ok("GET", f"/prescriptions?patient_id={body['patient_id']}"))["total"] == 1


async def test_a_key_belongs_to_its_tenant(desk: Desk, desks: Any) -> None:
    mine, writer, other = key(), await desks("prescriptions:write"), await desks("narrow")
    body = {"patient_id": await desk.patient(), "doctor_id": desk.doctor}
    first = await desk.call("POST", "/prescriptions", body, idempotency_key=mine)
    again = await writer.call("POST", "/prescriptions", body, idempotency_key=mine)
    assert again.json() == first.json()
    theirs = {"patient_id": await other.patient(), "doctor_id": other.doctor}
    assert (await other.call("POST", "/prescriptions", theirs, idempotency_key=mine)).status_code == 201


async def test_a_write_may_be_answered_before_it_is_done(desk: Desk) -> None:
    mine = key()
    body = {"patient_id": await desk.patient(), "doctor_id": desk.doctor}
    early = await desk.call("POST", "/prescriptions", body, prefer="respond-async", idempotency_key=mine)
    assert (early.status_code, early.headers["preference-applied"]) == (202, "respond-async")
    assert int(early.headers["retry-after"]) > 0
    assert set(early.json()) == MEMBERS
    assert early.headers["location"] == f"/v1/requests/{early.json()['request_id']}"
    done = await finished(desk, early)
    assert (done["state"], done["method"], done["path"]) == ("SUCCEEDED", "POST", "/v1/prescriptions")
    assert done["response"]["status"] == 201
    made = done["response"]["body"]["prescription"]
    assert done["prescription_id"] == made["id"]
    assert done["response"]["headers"]["ETag"] == '"1"'
    replayed = await desk.call("POST", "/prescriptions", body, idempotency_key=mine)
    assert (replayed.status_code, replayed.json()["prescription"]["id"]) == (201, made["id"])
    assert replayed.headers["x-request-id"] == early.json()["request_id"]


@pytest.mark.parametrize(
    ("prefer", "applied"), [("wait=20", "wait=20"), ("wait=61", None), ("wait=x", None), ("nothing", None)]
)
async def test_a_preference_is_echoed_where_it_was_followed(
    desk: Desk, prefer: str, applied: str | None
) -> None:
    id = await desk.draft()
    answer = await desk.call("PATCH", f"/prescriptions/{id}", {"notes": "x"}, prefer=prefer)
    assert (answer.status_code, answer.headers.get("preference-applied")) == (200, applied)


async def test_a_wait_of_nothing_answers_at_once(desk: Desk) -> None:
    body = {"patient_id": await desk.patient(), "doctor_id": desk.doctor}
    answer = await desk.call("POST", "/prescriptions", body, prefer="wait=0")
    assert answer.headers["preference-applied"] == "wait=0"
    assert (await finished(desk, answer))["response"]["status"] == 201 if answer.status_code == 202 else True


async def test_an_outcome_is_found_after_a_lost_answer(desk: Desk) -> None:
    id, mine = await desk.draft(AMOXICILLIN), key()
    item = (await desk.read(id))["items"][0]["id"]
    path = f"/prescriptions/{id}/items/{item}"
    answer = await desk.call("DELETE", path, idempotency_key=mine)
    listed = await desk.ok("GET", f"/requests?idempotency_key={mine}")
    assert (listed["total"], listed["limit"], listed["offset"]) == (1, 20, 0)
    (one,) = listed["requests"]
    assert set(one) == MEMBERS
    assert (one["request_id"], one["state"], one["idempotency_key"]) == (
        answer.headers["x-request-id"],
        "SUCCEEDED",
        mine,
    )
    assert one["path"] == f"/v1{path}"
    assert one["response"] == {"status": 204, "headers": {"ETag": answer.headers["etag"]}, "body": None}
    assert one["prescription_id"] == id
    assert await desk.ok("GET", f"/requests/{one['request_id']}") == one
    assert (await desk.ok("GET", f"/requests?idempotency_key={key()}"))["requests"] == []
    assert word(await desk.call("GET", f"/requests/{uuid4()}")) == "404 resource_not_found"
    assert (await desk.call("GET", "/requests")).status_code == 422


async def test_a_refused_write_is_an_outcome_too(desk: Desk) -> None:
    id, mine = await desk.draft(), key()
    answer = await desk.call(
        "PATCH", f"/prescriptions/{id}/status", {"status": "pending_review"}, idempotency_key=mine
    )
    (one,) = (await desk.ok("GET", f"/requests?idempotency_key={mine}"))["requests"]
    assert (one["state"], one["response"]["status"], one["prescription_id"]) == ("FAILED", 409, id)
    assert one["response"]["body"] == answer.json()
    assert refusal(answer)["error"] == "items_required"


async def test_a_refused_reference_is_recorded_and_a_refused_shape_is_not(desk: Desk) -> None:
    """Ruling 1.4, 3.8."""
    mine, other = key(), key()
    nobody = {"patient_id": str(uuid4()), "doctor_id": desk.doctor}
    await desk.call("POST", "/prescriptions", nobody, idempotency_key=mine)
    await desk.call("POST", "/prescriptions", {"doctor_id": 1}, idempotency_key=other)
    (one,) = (await desk.ok("GET", f"/requests?idempotency_key={mine}"))["requests"]
    assert (one["state"], one["response"]["status"], one["prescription_id"]) == ("FAILED", 422, None)
    assert (await desk.ok("GET", f"/requests?idempotency_key={other}"))["total"] == 0


async def test_the_path_of_requests_serves_both_dialects_apart(
    desk: Desk, theirs: Clinic, strangers: httpx.AsyncClient
) -> None:
    answer = await desk.call("PUT", f"/patients/{uuid4()}", {"birth_date": "1990-01-01"})
    path = f"/v1/requests/{UUID(answer.headers['x-request-id'])}"
    assert (await theirs.get(path)).status_code in (404, 422)
    both = {"authorization": f"Bearer {await theirs.token()}", "x-api-key": desk.http.headers["x-api-key"]}
    assert (await strangers.get(path, headers=both)).status_code == 401
    assert (await strangers.get(path)).status_code == 401


async def test_a_request_and_its_key_are_forgotten_after_seven_days(desk: Desk, later: Later) -> None:
    mine, patient = key(), await desk.patient()
    body = {"patient_id": patient, "doctor_id": desk.doctor}
    first = await desk.call("POST", "/prescriptions", body, idempotency_key=mine)
    path = f"/requests/{first.headers['x-request-id']}"
    await later(timedelta(days=6, hours=23))
    assert (await desk.call("GET", path)).status_code == 200
    await later(timedelta(hours=2))
    assert word(await desk.call("GET", path)) == "404 resource_not_found"
    again = await desk.call("POST", "/prescriptions", body, idempotency_key=mine)
    assert "idempotency-replayed" not in again.headers
    assert again.json()["prescription"]["id"] != first.json()["prescription"]["id"]

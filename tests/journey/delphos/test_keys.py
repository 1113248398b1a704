"""Keys, permissions, tenancy and rate limits (2.4, 2.5)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from dev.platform import Platform
from tests.journey.conftest import Later
from tests.journey.delphos.conftest import PERMISSIONS, Desks, Made
from tests.journey.delphos.desk import AMOXICILLIN, Desk, consultation_body, doctor_body, refusal, word

NOBODY = "7b1f0c9e-2d34-4a6b-8c1d-5e6f7a8b9c0d"
CALLS: dict[tuple[str, str], str] = {
    ("POST", "/prescriptions"): "prescriptions:write",
    ("POST", "/prescriptions/auto-create"): "prescriptions:write",
    ("POST", "/prescriptions/from-template"): "prescriptions:write",
    ("GET", "/prescriptions"): "prescriptions:read",
    ("GET", "/prescriptions/{id}"): "prescriptions:read",
    ("PATCH", "/prescriptions/{id}"): "prescriptions:write",
    ("POST", "/prescriptions/{id}/items"): "prescriptions:write",
    ("PATCH", "/prescriptions/{id}/items/{id}"): "prescriptions:write",
    ("DELETE", "/prescriptions/{id}/items/{id}"): "prescriptions:write",
    ("POST", "/prescriptions/{id}/safety-check"): "prescriptions:write",
    ("POST", "/prescriptions/{id}/interactions/{id}/acknowledge"): "prescriptions:sign",
    ("POST", "/prescriptions/{id}/interactions/acknowledge-all"): "prescriptions:sign",
    ("POST", "/prescriptions/{id}/save-as-template"): "prescriptions:write",
    ("GET", "/prescriptions/{id}/history"): "prescriptions:read",
    ("GET", "/prescriptions/{id}/pdf"): "prescriptions:read",
    ("GET", "/templates"): "prescriptions:read",
    ("GET", "/templates/{id}"): "prescriptions:read",
    ("DELETE", "/templates/{id}"): "prescriptions:write",
    ("PUT", "/consultations/{id}"): "prescriptions:write",
    ("GET", "/consultations/{id}"): "prescriptions:read",
    ("POST", "/medications/search"): "catalog:read",
    ("PUT", "/patients/{id}"): "prescriptions:write",
    ("GET", "/patients/{id}"): "prescriptions:read",
    ("PUT", "/doctors/{id}"): "admin",
    ("GET", "/doctors/{id}"): "prescriptions:read",
}


@pytest.mark.parametrize("flag", PERMISSIONS)
async def test_a_key_opens_what_its_flag_allows_and_nothing_else(desks: Desks, flag: str) -> None:
    one = await desks(flag)
    for (method, path), needed in CALLS.items():
        body = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
        answer = await one.http.request(method, "/v1" + path.replace("{id}", NOBODY), **body)
        if flag in (needed, "admin"):
            assert answer.status_code in (200, 404, 422), (method, path, answer.text)
        else:
            told = refusal(answer)
            assert (answer.status_code, told["error"], told["required"]) == (403, "permission_denied", needed)


@pytest.mark.parametrize(
    ("status", "needed"),
    [
        *((one, "prescriptions:write") for one in ("pending_review", "submitted", "cancelled", "draft")),
        ("signed", "prescriptions:sign"),
        ("dispensed", "dispensing:write"),
    ],
)
async def test_a_target_status_asks_for_its_own_flag(
    desk: Desk, desks: Desks, status: str, needed: str
) -> None:
    id = await desk.draft()
    for flag in ("prescriptions:write", "prescriptions:sign", "dispensing:write"):
        answer = await (await desks(flag)).step(id, status)
        if flag == needed:
            assert answer.status_code in (200, 409), answer.text
        else:
            assert answer.status_code == 403
            assert refusal(answer)["required"] == needed


@pytest.mark.parametrize(
    "key", [None, "", "x", "rcp_live_" + "A" * 43, "rcp_dev_" + "A" * 43, "revoked", "stg"]
)
async def test_a_key_that_opens_nothing_says_no_more(
    strangers: httpx.AsyncClient, made: Made, key: str | None
) -> None:
    kind = made.keys["plain"].split("_")[1]
    known = {
        "revoked": made.keys["revoked"],
        "stg": made.keys["plain"].replace(f"_{kind}_", "_live_" if kind == "stg" else "_stg_"),
    }
    sent = {} if key is None else {"x-api-key": known.get(key, key)}
    answer = await strangers.get("/v1/prescriptions", headers=sent)
    assert (answer.status_code, answer.json()) == (
        401,
        {"detail": "Invalid or missing API key", "error": "invalid_api_key", "retryable": False},
    )


async def test_what_another_tenant_has_is_not_there(desk: Desk, desks: Desks) -> None:
    other = await desks("narrow")
    id = await desk.draft(AMOXICILLIN)
    item = (await desk.settled(id))["items"][0]["id"]
    consultation, patient = await desk.consultation()
    template = await desk.ok("POST", f"/prescriptions/{id}/save-as-template", {"name": f"Mine {uuid4()}"})
    for path in (
        *(f"/prescriptions/{id}", f"/prescriptions/{id}/history", f"/prescriptions/{id}/pdf"),
        *(f"/patients/{patient}", f"/doctors/{desk.doctor}", f"/consultations/{consultation}"),
        f"/templates/{template['id']}",
    ):
        assert word(await other.call("GET", path)) == "404 resource_not_found", path
    path = f"/prescriptions/{id}"
    assert word(await other.call("PATCH", path, {"notes": "x"})) == "404 resource_not_found"
    assert word(await other.call("POST", f"{path}/items", AMOXICILLIN)) == "404 resource_not_found"
    assert word(await other.call("DELETE", f"{path}/items/{item}")) == "404 resource_not_found"
    assert word(await other.call("POST", f"{path}/safety-check")) == "404 resource_not_found"
    assert word(await other.acknowledge(id)) == "404 resource_not_found"
    assert word(await other.step(id, "cancelled")) == "404 resource_not_found"
    assert word(await other.call("DELETE", f"/templates/{template['id']}")) == "404 resource_not_found"
    theirs = await other.patient()
    mixed = {"patient_id": patient, "doctor_id": other.doctor}
    assert word(await other.call("POST", "/prescriptions", mixed)) == "422 unknown_reference body.patient_id"
    both = {"patient_id": theirs, "doctor_id": desk.doctor, "consultation_id": consultation}
    told = word(await other.call("POST", "/prescriptions", both))
    assert "unknown_reference body.doctor_id" in told
    assert "unknown_reference body.consultation_id" in told
    put = await other.call("PUT", f"/consultations/{uuid4()}", consultation_body(patient, other.doctor))
    assert word(put) == "422 unknown_reference body.patient_id"
    assert (await other.ok("GET", f"/prescriptions?patient_id={patient}"))["total"] == 0
    assert (await desk.read(id))["status"] == "draft"


async def test_two_tenants_may_use_one_id(desk: Desk, desks: Desks) -> None:
    other, id = await desks("narrow"), str(uuid4())
    body = {"birth_date": "1990-01-01"}
    first = await desk.call("PUT", f"/patients/{id}", body)
    second = await other.call("PUT", f"/patients/{id}", body)
    assert first.status_code == 201
    assert second.status_code in (201, 404, 409, 422)
    assert (await desk.ok("GET", f"/patients/{id}"))["version"] == 1


async def test_each_answer_tells_how_much_is_left(desk: Desk) -> None:
    answer = await desk.call("GET", "/prescriptions")
    told = {name: answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset", "window")}
    assert (told["limit"], told["window"]) == ("10000000", told["window"])
    assert int(told["remaining"]) < int(told["limit"])
    assert 0 <= int(told["reset"]) <= 86400
    assert told["window"] in ("minute", "hour", "day")
    looked_up = await desk.call("GET", "/requests?idempotency_key=nothing")
    assert "x-ratelimit-limit" not in looked_up.headers


async def test_beyond_sixty_a_minute_callers_wait(platform: Platform, later: Later) -> None:
    """From the beginning of a minute on, so that all happens within it."""
    now = datetime.now(UTC)
    await later(timedelta(seconds=60 - now.second + 0.5))
    sent = {"x-api-key": platform.credentials["RECEPTA_API_KEY_LIMITED"]}
    async with httpx.AsyncClient(base_url=platform.url, headers=sent, timeout=60) as limited:
        answers = await asyncio.gather(*(limited.get("/v1/nothing-known") for _ in range(3)))
        assert {one.status_code for one in answers} == {404}
        counted = await asyncio.gather(*(limited.get(f"/v1/prescriptions/{NOBODY}") for _ in range(58)))
        last = [await limited.get("/v1/prescriptions?limit=0"), await limited.get("/v1/prescriptions")]
        beyond = await asyncio.gather(*(limited.get("/v1/prescriptions") for _ in range(3)))
        free = await limited.get("/v1/requests?idempotency_key=x")
    # The hour has the smaller share left where others have used this key before.
    told = [one.headers for one in counted if one.headers["x-ratelimit-window"] == "minute"]
    assert {int(one["x-ratelimit-remaining"]) for one in told} >= set(range(2, 30))
    assert [one.status_code for one in last] == [422, 200]
    assert last[1].headers["x-ratelimit-remaining"] == "0"
    assert last[1].headers["x-ratelimit-window"] == "minute"
    assert {word(one) for one in beyond} == {"429 rate_limited"}
    assert all(refusal(one)["retryable"] for one in beyond)
    assert all(0 < int(one.headers["retry-after"]) <= 60 for one in beyond)
    assert free.status_code == 200


async def test_thirty_wrong_keys_a_minute_lock_an_address_out_but_no_valid_key(
    desk: Desk, strangers: httpx.AsyncClient, later: Later
) -> None:
    await later(timedelta(minutes=5))
    wrong = {"x-api-key": "rcp_dev_" + "B" * 43}
    answers = [await strangers.get("/v1/prescriptions", headers=wrong) for _ in range(31)]
    assert {one.status_code for one in answers[:30]} == {401}
    assert word(answers[30]) == "429 rate_limited"
    assert int(answers[30].headers["retry-after"]) > 0
    assert (await desk.call("GET", "/prescriptions")).status_code == 200
    await later(timedelta(minutes=2))
    assert (await strangers.get("/v1/prescriptions", headers=wrong)).status_code == 401


async def test_a_key_ends_when_it_was_said_to(desk: Desk, desks: Desks, later: Later) -> None:
    brief = await desks("brief")
    assert (await brief.call("GET", "/prescriptions")).status_code == 200
    await later(timedelta(days=1, minutes=1))
    assert word(await brief.call("GET", "/prescriptions")) == "401 invalid_api_key"
    assert (await desk.call("GET", "/prescriptions")).status_code == 200


async def test_a_doctor_on_file_is_put_by_an_admin_only(desks: Desks) -> None:
    writer = await desks("prescriptions:write")
    answer = await writer.call("PUT", f"/doctors/{uuid4()}", doctor_body())
    assert (answer.status_code, answer.json()["required"]) == (403, "admin")


async def test_a_request_is_looked_up_by_its_key_and_by_readers(desks: Desks) -> None:
    writer, reader = await desks("prescriptions:write"), await desks("prescriptions:read")
    catalogue, other = await desks("catalog:read"), await desks("narrow")
    id = str(uuid4())
    answer = await writer.call("PUT", f"/patients/{id}", {"birth_date": "1990-01-01"})
    path = f"/requests/{UUID(answer.headers['x-request-id'])}"
    seen: list[Any] = [await one.call("GET", path) for one in (writer, reader, catalogue, other)]
    assert [one.status_code for one in seen[:2]] == [200, 200]
    assert seen[2].status_code in (403, 404)
    assert word(seen[3]) == "404 resource_not_found"

"""The door of the second dialect: keys, limits, order of checks, errors, requests; on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from contracts.command_outcomes import CommandRefused, CommandSucceeded, Refusal
from contracts.drafting_commands import CreatePrescription
from services.gateway.auth.api_keys import KeyDoor
from services.gateway.operator import provisioning
from services.gateway.store import api_keys
from shared import clock, database
from tests import delphos
from tests.gateway import (
    DOCTOR_CLIENT,
    KEY,
    MARTA,
    NORTE,
    OTHER_KEY,
    READING_KEY,
    SUL,
    WRITING_KEY,
    Serving,
    Well,
    serving,
)
from tests.infrastructure import Database, until

PRESCRIPTIONS = "/v1/prescriptions"
REQUESTS = "/v1/requests"
PATIENT_ID = "d4e5f6a7-b8c9-0123-defa-234567890123"
NEW = {"patient_id": PATIENT_ID, "doctor_id": str(MARTA.doctor_id)}
AT_ONCE = {"Prefer": "respond-async"}
NOON = datetime(2026, 6, 25, 12, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def present() -> Iterator[None]:
    yield
    clock.reset()


@pytest.fixture
async def gateway(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway")) as found:
        yield found


def at(moment: datetime) -> None:
    clock.shift(moment - clock.now())


@pytest.fixture
async def limited(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway"), calls={"minute": 3, "hour": 4, "day": 100}) as found:
        yield found


async def create(gateway: Serving, key: str | None = KEY, **headers: str) -> httpx.Response:
    return await gateway.call(key, "POST", PRESCRIPTIONS, json=NEW, headers={**AT_ONCE, **headers})


async def commands(gateway: Serving) -> list[CreatePrescription]:
    rows = await gateway.owner.fetch("SELECT value FROM outbox WHERE topic LIKE 'prescription-commands%'")
    return [CreatePrescription.model_validate_json(row["value"]) for row in rows]


async def refuse(gateway: Serving, code: str, *refusals: Refusal, **data: Any) -> None:
    """As prescription answers the newest command."""
    command = (await commands(gateway))[-1]
    await gateway.deliver(
        CommandRefused(
            tenant_id=command.tenant_id,
            prescription_id=command.prescription_id,
            request_id=command.request_id,
            code=code,
            message="Not as things stand.",
            refusals=refusals,
            data=data,
        )
    )


async def test_a_draft_is_asked_for_with_what_the_directory_knows(gateway: Serving) -> None:
    answer = await create(gateway)

    (command,) = await commands(gateway)
    assert answer.status_code == 202
    assert (command.doctor and command.doctor.doctor_id, command.patient) == (MARTA.doctor_id, None)
    assert [one.model_dump() for one in command.unresolved] == [
        {"path": "patient_id", "code": "unknown_reference"}
    ]
    assert command.caller.channel == "delphos"
    assert command.caller.client == gateway.keys[KEY][:16]
    assert command.origin == "manual"
    assert command.policy.signer_policy == "prescriber"


async def test_a_missing_key_is_told_as_documented(gateway: Serving) -> None:
    answer = await create(gateway, None)

    assert answer.status_code == 401
    assert answer.json() == {
        "detail": "Invalid or missing API key",
        "error": "invalid_api_key",
        "retryable": False,
    }
    assert answer.headers["cache-control"] == "no-store"
    assert UUID(answer.headers["x-request-id"])
    assert answer.headers["content-type"] == "application/json"


INVALID = {"detail": "Invalid or missing API key", "error": "invalid_api_key", "retryable": False}


async def test_whatever_is_wrong_with_a_key_its_holder_learns_nothing(gateway: Serving) -> None:
    tenant = gateway.tenants[NORTE]
    async with database.transaction(gateway.owner) as conn:
        ends = clock.now() + timedelta(hours=1)
        dated = provisioning.new_key("sandbox")
        live = provisioning.new_key("production")
        for name, key, expires_at in (("dated", dated, ends), ("live", live, None)):
            await provisioning.save_key(
                conn, tenant, name, key, permissions=("admin",), expires_at=expires_at
            )
        await provisioning.revoke_key(conn, tenant, READING_KEY)
        await provisioning.disable_tenant(conn, gateway.tenants[SUL])
    before = await create(gateway, dated)
    clock.shift(timedelta(hours=1))

    refused = [
        await create(gateway, key)
        for key in (
            dated,
            live,
            READING_KEY,
            OTHER_KEY,
            provisioning.new_key("sandbox"),
            "rcp_stg_x",
            "",
        )
    ]
    two = httpx.Headers([("x-api-key", gateway.keys[KEY]), ("x-api-key", gateway.keys[KEY])])
    refused.append(await gateway.http.post(PRESCRIPTIONS, json=NEW, headers=two))

    assert before.status_code == 202
    assert [(one.status_code, one.json()) for one in refused] == [(401, INVALID)] * 8


async def test_a_revoked_key_is_let_in_for_less_than_five_seconds_and_a_closed_tenant_too(
    gateway: Serving,
) -> None:
    first = await create(gateway), await create(gateway, OTHER_KEY)
    async with database.transaction(gateway.owner) as conn:
        await provisioning.revoke_key(conn, gateway.tenants[NORTE], KEY)
        await provisioning.disable_tenant(conn, gateway.tenants[SUL])
    clock.shift(timedelta(seconds=5))

    assert [one.status_code for one in first] == [202, 202]
    assert (await create(gateway)).status_code == 401
    assert (await create(gateway, OTHER_KEY)).status_code == 401
    token = await gateway.token("sul-clinic")
    assert (token.status_code, token.json()["error"]) == (401, "invalid_client")


async def test_how_often_a_key_is_used_is_counted(gateway: Serving) -> None:
    for key in (KEY, KEY, READING_KEY):
        await create(gateway, key)
    await gateway.gateway.key_door.note_uses()
    await gateway.gateway.key_door.note_uses()

    async with database.transaction(gateway.owner) as conn:
        listed = await api_keys.of(conn, gateway.tenants[NORTE])
    assert {one.key.name: one.uses for one in listed} == {KEY: 2, READING_KEY: 1, WRITING_KEY: 0}
    assert {one.key.name for one in listed if one.last_used_at} == {KEY, READING_KEY}


async def test_an_address_with_thirty_failed_keys_a_minute_is_closed_to_whoever_has_no_valid_key(
    gateway: Serving,
) -> None:
    wrong = provisioning.new_key("sandbox")

    failed = [(await create(gateway, wrong)).status_code for _ in range(30)]
    closed = await create(gateway, wrong)
    without, right = await create(gateway, None), await create(gateway)
    clock.shift(timedelta(seconds=61))

    assert failed == [401] * 30
    assert (closed.status_code, closed.json()["error"], closed.json()["retryable"]) == (
        429,
        "rate_limited",
        True,
    )
    assert 0 < int(closed.headers["retry-after"]) <= 60
    assert (without.status_code, right.status_code) == (429, 202)
    assert (await create(gateway, wrong)).status_code == 401


def limits(answer: httpx.Response) -> tuple[str, ...]:
    names = ("limit", "remaining", "reset", "window")
    return tuple(answer.headers.get(f"x-ratelimit-{name}", "-") for name in names)


async def test_a_tenant_calls_as_often_as_its_windows_allow_and_a_refused_call_does_not_count(
    limited: Serving,
) -> None:
    at(NOON)
    counted = [await create(limited), await create(limited, WRITING_KEY), await create(limited, READING_KEY)]
    refused = [await create(limited) for _ in range(3)]
    at(NOON + timedelta(seconds=31))
    fourth = await create(limited)
    fifth = await create(limited)
    at(NOON + timedelta(hours=1))
    later = await create(limited)

    assert [one.status_code for one in counted] == [202, 202, 403]
    assert [limits(one)[:2] + limits(one)[3:] for one in counted] == [
        ("3", "2", "minute"),
        ("3", "1", "minute"),
        ("3", "0", "minute"),
    ]
    assert [one.status_code for one in refused] == [429] * 3
    assert refused[0].json() == {
        "detail": "Too many requests; wait for Retry-After.",
        "error": "rate_limited",
        "retryable": True,
    }
    assert 28 <= int(refused[0].headers["retry-after"]) <= 30
    assert (fourth.status_code, limits(fourth)[1], limits(fourth)[3]) == (202, "0", "hour")
    assert fifth.status_code == 429
    assert 3_500 <= int(fifth.headers["retry-after"]) <= 3_570
    assert (later.status_code, limits(later)[1]) == (202, "2")


async def test_two_instances_count_together(limited: Serving) -> None:
    at(NOON)
    other = KeyDoor(limited.owner, limited.settings)

    for door in (other, limited.gateway.key_door, other):
        await door.count(await door.enter([limited.keys[KEY]], "192.0.2.1"))

    assert (await create(limited)).status_code == 429
    holder = await other.enter([limited.keys[OTHER_KEY]], "192.0.2.1")
    assert (await other.count(holder))["X-RateLimit-Remaining"] == "2"


async def test_many_calls_at_one_moment_never_exceed_a_limit(limited: Serving) -> None:
    at(NOON)
    answers = await asyncio.gather(*(create(limited) for _ in range(12)))

    assert sorted(one.status_code for one in answers) == [202] * 3 + [429] * 9


async def test_at_raised_limits_an_instance_counts_a_share_at_a_time(
    database: Callable[[str], Awaitable[Database]],
) -> None:
    calls = {"minute": 1_000, "hour": 3_000, "day": 100_000}
    async with serving(await database("gateway"), calls=calls) as gateway:
        at(NOON)
        first = await asyncio.gather(*(create(gateway) for _ in range(12)))
        at(NOON + timedelta(minutes=1))
        second = await create(gateway)

        row = await gateway.owner.fetchrow("SELECT minute_calls, hour_calls FROM call_count")

    assert min(int(limits(one)[1]) for one in first) == 988
    assert (limits(second)[1], limits(second)[3]) == ("2987", "hour")
    # Two shares of ten, and of the third what eight calls of the second had left.
    assert row is not None
    assert tuple(row) == (10, 22)


async def test_a_key_without_the_permission_is_told_which_it_lacks(gateway: Serving) -> None:
    answer = await create(gateway, READING_KEY)

    assert (answer.status_code, answer.json()) == (
        403,
        {
            "detail": "The API key lacks the permission.",
            "error": "permission_denied",
            "retryable": False,
            "required": "prescriptions:write",
        },
    )


JSON = {"content-type": "application/json"}
LARGE = b" " * (256 * 1024 + 1)


@pytest.mark.parametrize(
    ("key", "method", "path", "headers", "content", "status", "error"),
    [
        (None, "GET", "/nowhere", {}, None, 404, "resource_not_found"),
        (None, "POST", "/v1/prescriptions/stream", {}, b"{", 404, "resource_not_found"),
        (None, "POST", "/v1/prescriptions/", {}, None, 404, "resource_not_found"),
        (None, "PUT", PRESCRIPTIONS, {}, None, 405, "method_not_allowed"),
        (None, "POST", PRESCRIPTIONS, JSON, LARGE, 413, "payload_too_large"),
        (None, "POST", PRESCRIPTIONS, {}, b"{}", 415, "unsupported_media_type"),
        (None, "POST", PRESCRIPTIONS, {"content-type": "text/plain"}, b"{", 415, "unsupported_media_type"),
        (None, "POST", PRESCRIPTIONS, JSON, b"{", 401, "invalid_api_key"),
        (READING_KEY, "POST", PRESCRIPTIONS, JSON, b"{", 403, "permission_denied"),
        (KEY, "POST", PRESCRIPTIONS, JSON, b"{", 400, "malformed_json"),
        (KEY, "POST", PRESCRIPTIONS, JSON, b'{"a": 1, "a": 1}', 400, "malformed_json"),
        (KEY, "POST", PRESCRIPTIONS, JSON, b'{"a": NaN}', 400, "malformed_json"),
        (KEY, "POST", PRESCRIPTIONS, {**JSON, "if-match": "1"}, b"{}", 400, "invalid_header"),
        (KEY, "POST", PRESCRIPTIONS, {**JSON, "idempotency-key": "a b"}, b"{}", 400, "invalid_header"),
        (KEY, "POST", PRESCRIPTIONS, JSON, b"{}", 422, "validation_failed"),
        (KEY, "POST", PRESCRIPTIONS, {}, b"", 422, "validation_failed"),
        (KEY, "POST", PRESCRIPTIONS, JSON, b"[]", 422, "validation_failed"),
    ],
)
async def test_the_first_group_of_checks_is_made_in_its_order(
    gateway: Serving,
    key: str | None,
    method: str,
    path: str,
    headers: dict[str, str],
    content: bytes | None,
    status: int,
    error: str,
) -> None:
    answer = await gateway.call(key, method, path, headers=headers, content=content)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"
    if status == 405:
        assert set(answer.headers["allow"].split(", ")) >= {"POST"}


async def test_all_that_is_wrong_with_path_query_and_body_is_told_at_once_and_never_quoted(
    gateway: Serving,
) -> None:
    body = {**NEW, "patient_id": "{" + PATIENT_ID + "}", "origin": "Manual", "notes": "Ana\x00", "Clave": 1}
    answer = await gateway.call(KEY, "POST", PRESCRIPTIONS + "?dry=1&dry=2", json=body)

    assert answer.status_code == 422
    assert {(tuple(one["loc"]), one["type"]) for one in answer.json()["detail"]} == {
        (("query", "dry"), "extra_forbidden"),
        (("body", "patient_id"), "uuid_parsing"),
        (("body", "origin"), "enum"),
        (("body", "notes"), "value_error"),
        (("body", "Clave"), "extra_forbidden"),
    }
    assert {name for one in answer.json()["detail"] for name in one} == {"loc", "msg", "type"}
    assert answer.json() | {"detail": None} == {
        "detail": None,
        "error": "validation_failed",
        "retryable": False,
    }
    assert "Ana" not in answer.text
    assert "Manual" not in answer.text
    assert await commands(gateway) == []


async def test_texts_and_ids_are_put_into_their_one_form(gateway: Serving) -> None:
    body = {
        "patient_id": PATIENT_ID.upper(),
        "doctor_id": str(MARTA.doctor_id),
        "consultation_id": None,
        "origin": None,
        "notes": "  e\u0301\r\nb\t ",
    }
    await gateway.call(KEY, "POST", PRESCRIPTIONS, json=body, headers=AT_ONCE)
    await gateway.call(KEY, "POST", PRESCRIPTIONS, json={**NEW, "notes": " "}, headers=AT_ONCE)

    asked = await commands(gateway)
    assert [one.notes for one in asked] == ["\u00e9\nb", None]
    assert asked[0].origin == "manual"


async def test_a_write_that_is_not_done_at_once_says_where_to_ask(gateway: Serving) -> None:
    answer = await create(gateway, **{"Idempotency-Key": "draft-1"})

    (command,) = await commands(gateway)
    asked = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{REQUESTS}/{command.request_id}"
    assert answer.headers["x-request-id"] == asked["request_id"] == str(command.request_id)
    assert answer.headers["retry-after"]
    assert answer.headers["preference-applied"] == "respond-async"
    assert asked.pop("accepted_at").endswith("Z")
    assert asked == {
        "request_id": str(command.request_id),
        "state": "PENDING",
        "method": "POST",
        "path": PRESCRIPTIONS,
        "idempotency_key": "draft-1",
        "finished_at": None,
        "prescription_id": str(command.prescription_id),
        "response": None,
    }
    looked = await gateway.call(READING_KEY, "GET", answer.headers["location"])
    assert (looked.status_code, looked.json()["state"]) == (200, "PENDING")
    assert looked.headers["retry-after"]
    assert limits(looked) == ("-", "-", "-", "-")


async def test_references_that_nobody_knows_are_refused_in_the_form_of_fastapi(gateway: Serving) -> None:
    waiting = asyncio.create_task(gateway.call(KEY, "POST", PRESCRIPTIONS, json=NEW))
    await until(lambda: asked_once(gateway), seconds=10)
    entry = Refusal(path="patient_id", code="unknown_reference", message="No such patient.")
    await refuse(gateway, "unknown_reference", entry)
    answer = await waiting

    assert (answer.status_code, answer.json()) == (
        422,
        {
            "detail": [
                {"loc": ["body", "patient_id"], "msg": "No such patient.", "type": "unknown_reference"}
            ],
            "error": "validation_failed",
            "retryable": False,
        },
    )
    asked = await gateway.call(KEY, "GET", f"{REQUESTS}/{answer.headers['x-request-id']}")
    assert (asked.json()["state"], asked.json()["prescription_id"]) == ("FAILED", None)
    assert asked.json()["response"]["status"] == 422
    assert asked.json()["response"]["body"] == answer.json()


async def asked_once(gateway: Serving) -> bool:
    return len(await commands(gateway)) == 1


async def test_unacknowledged_findings_are_told_in_exactly_five_members(gateway: Serving) -> None:
    answer = await create(gateway)
    found = [
        {"id": "5a0d6f0e-3c1b-4f0a-9a55-2f7f0c7e1a01", "severity": "contraindicated"},
        {"id": "c2a4b9d8-1e5f-4d27-8b63-91f0d3a6e702", "severity": "critical"},
    ]
    id = str((await commands(gateway))[0].prescription_id)
    told = {"prescription_id": id, "interaction_count": 2, "interactions": found}
    await refuse(gateway, "unacknowledged_interactions", **told, message="As the domain has it besides.")

    shown = (await gateway.call(KEY, "GET", answer.headers["location"])).json()["response"]
    error = {"error": "unacknowledged_interactions", "message": "Not as things stand."}
    assert (shown["status"], shown["body"]) == (409, told | error)


@pytest.mark.parametrize(
    ("code", "data", "status", "members", "retry_after"),
    [
        (
            "invalid_transition",
            {"from": "draft", "to": "signed", "allowed": ["pending_review", "cancelled"]},
            409,
            {"from": "draft", "to": "signed", "allowed": ["pending_review", "cancelled"]},
            None,
        ),
        ("version_mismatch", {"current_version": 7, "stray": 1}, 412, {"current_version": 7}, None),
        ("signing_in_progress", {}, 409, {}, "1"),
        ("already_being_dispensed", {"retry_after_seconds": 9}, 409, {}, "9"),
        ("dependency_unavailable", {}, 503, {}, "1"),
        ("safety_check_failed", {}, 500, {}, None),
        ("a_code_that_nobody_knows", {"x": 1}, 500, {}, None),
    ],
)
async def test_a_refusal_of_the_domain_is_told_as_the_table_says(
    gateway: Serving,
    code: str,
    data: dict[str, Any],
    status: int,
    members: dict[str, Any],
    retry_after: str | None,
) -> None:
    answer = await create(gateway)
    await refuse(gateway, code, **data)

    told = (await gateway.call(KEY, "GET", answer.headers["location"])).json()["response"]
    assert told["status"] == status
    assert told["headers"].get("Retry-After") == retry_after
    named = "internal_error" if code == "a_code_that_nobody_knows" else code
    assert told["body"].pop("error") == named
    assert {
        name: value for name, value in told["body"].items() if name not in ("detail", "retryable")
    } == members


async def succeed(gateway: Serving) -> None:
    """As prescription answers the newest command."""
    command = (await commands(gateway))[-1]
    made = delphos.draft(tenant_id=command.tenant_id, prescription_id=command.prescription_id, version=1)
    await gateway.deliver(
        CommandSucceeded(
            tenant_id=command.tenant_id,
            prescription_id=command.prescription_id,
            request_id=command.request_id,
            prescription=made,
        )
    )


async def test_a_repetition_gets_the_first_success_again_with_all_its_headers(gateway: Serving) -> None:
    first = await create(gateway, **{"Idempotency-Key": "k"})
    waiting = [
        asyncio.create_task(
            gateway.call(key, "POST", PRESCRIPTIONS, json=NEW, headers={"Idempotency-Key": "k"})
        )
        for key in (KEY, WRITING_KEY)
    ]
    await asyncio.sleep(0.1)
    await succeed(gateway)
    answers = [*await asyncio.gather(*waiting), await create(gateway, **{"Idempotency-Key": "k"})]
    looked = (await gateway.call(KEY, "GET", first.headers["location"])).json()

    assert len(await commands(gateway)) == 1
    for answer in answers:
        assert answer.status_code == 201
        assert answer.headers["idempotency-replayed"] == "true"
        assert answer.headers["x-request-id"] == first.headers["x-request-id"]
        assert answer.headers["etag"] == '"1"'
        assert answer.json() == answers[0].json()
        assert limits(answer)[0] == "1000000"
    assert looked["state"] == "SUCCEEDED"
    assert looked["response"] == {"status": 201, "headers": {"ETag": '"1"'}, "body": answers[0].json()}
    assert looked["finished_at"].endswith("Z")
    assert first.json()["accepted_at"] == looked["accepted_at"]


async def test_a_success_that_comes_in_time_is_the_direct_answer(gateway: Serving) -> None:
    waiting = asyncio.create_task(
        gateway.call(KEY, "POST", PRESCRIPTIONS, json=NEW, headers={"Prefer": "wait=9"})
    )
    await until(lambda: asked_once(gateway), seconds=10)
    await succeed(gateway)
    answer = await waiting

    assert answer.status_code == 201
    assert answer.headers["preference-applied"] == "wait=9"
    assert "idempotency-replayed" not in answer.headers
    assert answer.headers["x-request-id"] == str((await commands(gateway))[0].request_id)
    assert answer.json()["prescription"]["status"] == "draft"


async def test_after_a_refusal_the_same_key_is_evaluated_anew(gateway: Serving) -> None:
    first = await create(gateway, **{"Idempotency-Key": "k"})
    await refuse(gateway, "policy_refused", policy="otp")
    again = await create(gateway, **{"Idempotency-Key": "k"})

    assert again.status_code == 202
    assert again.json()["request_id"] != first.json()["request_id"]
    assert len(await commands(gateway)) == 2


async def test_an_idempotency_key_is_the_tenants_whichever_api_key_is_used(gateway: Serving) -> None:
    first = await create(gateway, **{"Idempotency-Key": "k"})
    waits = await create(gateway, WRITING_KEY, **{"Idempotency-Key": "k"})
    others = await create(gateway, OTHER_KEY, **{"Idempotency-Key": "k"})
    changed = await gateway.call(
        KEY, "POST", PRESCRIPTIONS, json={**NEW, "notes": "x"}, headers={**AT_ONCE, "Idempotency-Key": "k"}
    )
    elsewhere = await gateway.get(DOCTOR_CLIENT, REQUESTS, idempotency_key="k")

    assert [one.status_code for one in (first, waits, others)] == [202] * 3
    assert waits.json()["request_id"] == first.json()["request_id"] != others.json()["request_id"]
    assert (changed.status_code, changed.json()) == (
        409,
        {
            "detail": "The same key came with other content.",
            "error": "idempotency_key_reused",
            "retryable": False,
            "request_id": first.json()["request_id"],
        },
    )
    assert elsewhere.json()["total"] == 0


async def test_a_request_is_shown_to_its_key_and_to_those_that_read_prescriptions(gateway: Serving) -> None:
    made = await create(gateway, WRITING_KEY, **{"Idempotency-Key": "mine"})
    others = await create(gateway, KEY, **{"Idempotency-Key": "theirs"})
    place, elsewhere = made.headers["location"], others.headers["location"]

    async def seen(key: str, path: str) -> tuple[int, object]:
        answer = await gateway.call(key, "GET", path)
        return answer.status_code, answer.json().get("total", answer.json().get("error"))

    assert await seen(WRITING_KEY, place) == (200, None)
    assert await seen(READING_KEY, place) == (200, None)
    assert await seen(WRITING_KEY, elsewhere) == (403, "permission_denied")
    assert await seen(OTHER_KEY, place) == (404, "resource_not_found")
    assert await seen(KEY, f"{REQUESTS}/{PATIENT_ID}") == (404, "resource_not_found")
    assert await seen(KEY, f"{REQUESTS}/req_1") == (422, "validation_failed")
    assert await seen(READING_KEY, f"{REQUESTS}?idempotency_key=mine") == (200, 1)
    assert await seen(KEY, f"{REQUESTS}?idempotency_key=nobody") == (200, 0)
    assert await seen(WRITING_KEY, f"{REQUESTS}?idempotency_key=theirs") == (403, "permission_denied")
    assert await seen(KEY, REQUESTS) == (422, "validation_failed")
    assert await seen(KEY, f"{REQUESTS}?idempotency_key=a&limit=0") == (422, "validation_failed")


async def test_the_one_path_of_both_dialects_takes_a_key_or_a_token_and_never_both(gateway: Serving) -> None:
    made = await create(gateway)
    place = made.headers["location"]
    token = (await gateway.token(DOCTOR_CLIENT)).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}

    both = await gateway.call(KEY, "GET", place, headers=bearer)
    neither = await gateway.http.get(place)
    by_token = await gateway.http.get(place, headers=bearer)

    assert (both.status_code, both.json()["code"]) == (401, "token_invalid")
    assert (neither.status_code, neither.json()) == (401, INVALID)
    assert (by_token.status_code, by_token.json()["code"]) == (404, "resource_not_found")


async def test_waiting_is_as_long_as_the_client_prefers_and_a_malformed_wish_is_ignored(
    gateway: Serving,
) -> None:
    zero = await create(gateway, Prefer="wait=0")
    assert zero.status_code == 202
    assert zero.headers["preference-applied"] == "wait=0"
    both = await create(gateway, Prefer="wait=9, respond-async")
    assert both.headers["preference-applied"] == "respond-async"


async def test_the_description_is_at_the_root_and_needs_no_key(gateway: Serving) -> None:
    document = await gateway.http.get("/openapi.json")
    pages = [await gateway.http.get(path) for path in ("/docs", "/redoc")]
    other = (await gateway.http.get("/ehr/openapi.json")).json()

    assert document.json()["info"]["title"] == "Recepta"
    assert PRESCRIPTIONS in document.json()["paths"]
    assert not [path for path in document.json()["paths"] if path.startswith("/ehr")]
    assert [path for path in other["paths"] if path.startswith(PRESCRIPTIONS)] == []
    assert [one.headers["content-type"] for one in pages] == ["text/html; charset=utf-8"] * 2
    assert "<script" not in pages[0].text
    headed = [await gateway.http.head(path) for path in ("/docs", "/openapi.json", "/v1/health")]
    assert [(one.status_code, one.headers["allow"]) for one in headed] == [(405, "GET")] * 3


class Lacking(Well):
    """A service that lacks these."""

    def __init__(self, *parts: str) -> None:
        self.parts = parts

    async def lacking(self) -> Sequence[str]:
        return self.parts


@pytest.mark.parametrize(
    ("lacking", "status", "word"),
    [((), 200, "ok"), (("kafka",), 200, "degraded"), (("kafka", "database"), 503, "down")],
)
async def test_health_says_whether_writes_are_accepted(
    gateway: Serving, lacking: tuple[str, ...], status: int, word: str
) -> None:
    object.__setattr__(gateway.gateway, "health", Lacking(*lacking))

    answer = await gateway.http.get("/v1/health")

    assert (answer.status_code, answer.json()) == (status, {"status": word})
    assert answer.headers["cache-control"] == "no-store"


async def test_without_a_database_nobody_is_let_in_and_nothing_is_said_of_why(gateway: Serving) -> None:
    await gateway.owner.close()

    answer = await create(gateway)

    assert (answer.status_code, answer.json()["error"]) == (503, "dependency_unavailable")
    assert answer.headers["retry-after"] == "1"

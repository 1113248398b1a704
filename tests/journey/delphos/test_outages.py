"""A check or a seal that does not come: nothing is applied, and the same call goes through later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from dev.platform import Platform
from tests.clients import TIMEOUT_SECONDS
from tests.infrastructure import until
from tests.journey.conftest import Later
from tests.journey.delphos.conftest import BRAZIL, PERMISSIONS, RUN
from tests.journey.delphos.desk import AMOXICILLIN, ASPIRIN, WARFARIN, Desk, doctor_body, entity, word
from tests.operating import operate

DEADLINE = timedelta(minutes=15, seconds=1)
Stopped = Callable[[str], Any]


@pytest.fixture
def stopped(platform: Platform) -> Stopped:
    """`async with stopped("signing")`: for so long that service answers nothing."""

    @asynccontextmanager
    async def stopped(service: str) -> AsyncIterator[None]:
        platform.hold_down(f"{service}-0")
        try:
            yield
        finally:
            await asyncio.to_thread(platform.restart, f"{service}-0")

    return stopped


async def given_up(
    desk: Desk, platform: Platform, later: Later, call: Awaitable[httpx.Response], key: str
) -> httpx.Response:
    """The answer of a call that waits for what does not come, when its time is over."""
    waiting = asyncio.ensure_future(call)
    await until(lambda: taken_up(desk, platform, key), 20)
    assert not waiting.done()
    await later(DEADLINE)
    return await asyncio.wait_for(waiting, 30)


async def taken_up(desk: Desk, platform: Platform, key: str) -> bool:
    """Whether prescription knows who waits; a command that reaches it too late is answered otherwise."""
    found = (await desk.ok("GET", f"/requests?idempotency_key={key}"))["requests"]
    if not found:
        return False
    conn = await asyncpg.connect(platform.postgres.url("prescription"))
    try:
        query = "SELECT count(*) FROM prescription WHERE position($1 in state::text || content::text) > 0"
        return bool(await conn.fetchval(query, found[0]["request_id"]))
    finally:
        await conn.close()


async def looked_up(desk: Desk, key: str) -> tuple[str, int, str | None]:
    (one,) = (await desk.ok("GET", f"/requests?idempotency_key={key}"))["requests"]
    return one["state"], one["response"]["status"], one["prescription_id"]


def signing(desk: Desk, id: str, key: str) -> Awaitable[httpx.Response]:
    body = {"status": "signed", "signed_by": desk.doctor}
    return desk.call("PATCH", f"/prescriptions/{id}/status", body, idempotency_key=key, prefer="wait=60")


async def test_a_check_that_does_not_come_leaves_the_earlier_findings(
    desk: Desk, platform: Platform, stopped: Stopped, later: Later
) -> None:
    id, key = await desk.draft(WARFARIN, ASPIRIN), str(uuid4())
    before = await desk.settled(id)
    path = f"/prescriptions/{id}/safety-check"

    async with stopped("safety-check"):
        item = f"/prescriptions/{id}/items/{before['items'][0]['id']}"
        await desk.ok("PATCH", item, {"dosage": "2,5mg"})
        asking = desk.call("POST", path, idempotency_key=key, prefer="wait=60")
        answer = await given_up(desk, platform, later, asking, key)
        read = await desk.read(id)

    assert word(answer) == "500 safety_check_failed"
    assert answer.json()["retryable"] is True
    assert read["interactions"] == before["interactions"]
    assert (read["safety_check"]["status"], read["can_sign"]) == ("stale", False)
    assert read["safety_check"]["checked_at"] == before["safety_check"]["checked_at"]
    assert await looked_up(desk, key) == ("FAILED", 500, id)
    again = await desk.call("POST", path, idempotency_key=key)
    assert again.status_code == 200
    assert "idempotency-replayed" not in again.headers
    assert (await desk.read(id))["safety_check"]["status"] == "current"


async def test_an_auto_create_whose_check_does_not_come_creates_nothing(
    desk: Desk, platform: Platform, stopped: Stopped, later: Later
) -> None:
    consultation, patient = await desk.consultation(entity("losartana"))
    body = {"consultation_id": consultation, "patient_id": patient, "doctor_id": desk.doctor}
    key = str(uuid4())

    def asking() -> Awaitable[httpx.Response]:
        path = "/prescriptions/auto-create"
        return desk.call("POST", path, body, idempotency_key=key, prefer="wait=60")

    async with stopped("safety-check"):
        answer = await given_up(desk, platform, later, asking(), key)

    assert word(answer) == "500 safety_check_failed"
    assert await looked_up(desk, key) == ("FAILED", 500, None)
    assert (await desk.ok("GET", f"/prescriptions?consultation_id={consultation}"))["total"] == 0
    assert (await desk.ok("GET", f"/consultations/{consultation}"))["prescription_ids"] == []
    again = await asking()
    assert again.status_code == 201, again.text
    made = again.json()["prescription"]
    assert (made["safety_check"]["status"], made["consultation_id"]) == ("current", consultation)


async def test_a_signature_whose_check_does_not_come_is_again_what_it_was(
    desk: Desk, platform: Platform, stopped: Stopped, later: Later
) -> None:
    key = str(uuid4())

    async with stopped("safety-check"):
        id = await desk.up_to("validated", AMOXICILLIN)
        answer = await given_up(desk, platform, later, signing(desk, id, key), key)
        read = await desk.read(id)

    assert word(answer) == "500 safety_check_failed"
    assert (read["status"], read["signature"], read["prescription_code"]) == ("validated", None, None)
    assert await looked_up(desk, key) == ("FAILED", 500, id)
    again = await signing(desk, id, key)
    assert (again.status_code, again.json()["status"]) == (200, "signed")


async def test_a_signature_whose_seal_does_not_come_has_failed_and_is_made_at_the_next_attempt(
    desk: Desk, platform: Platform, stopped: Stopped, later: Later
) -> None:
    id, key = await desk.up_to("validated", AMOXICILLIN), str(uuid4())
    await desk.settled(id)

    async with stopped("signing"):
        answer = await given_up(desk, platform, later, signing(desk, id, key), key)
        read = await desk.read(id)

    assert word(answer) == "503 dependency_unavailable"
    assert answer.json()["retryable"] is True
    assert (read["status"], read["signature"]["status"]) == ("validated", "failed")
    assert read["signature"]["failure"]["error"] == "dependency_unavailable"
    assert set(read["signature"]["failure"]) == {"error", "detail", "at"}
    assert (read["signed_at"], read["prescription_code"]) == (None, None)
    assert await looked_up(desk, key) == ("FAILED", 503, id)
    again = await signing(desk, id, key)
    assert (again.status_code, again.json()["status"]) == (200, "signed")
    assert (again.json()["signature"]["status"], again.json()["signature"]["failure"]) == ("completed", None)
    assert [one["action"] for one in await desk.history(id)].count("signing_failed") == 1


async def test_a_signature_that_signing_refuses_has_failed_and_can_be_asked_for_again(
    platform: Platform,
) -> None:
    """The operator gave the practice a name that no seal can hold: a format character stands in it."""
    slug, key = f"unsealable-{RUN}", str(uuid4())
    allowed = [word for flag in PERMISSIONS for word in ("--permission", flag)]
    *_, api_key = operate(
        platform,
        ("create-tenant", slug, "--name", "Clínica\u200b Cruz", *BRAZIL),
        ("create-key", slug, "all", *allowed),
    )
    async with httpx.AsyncClient(
        base_url=platform.url, headers={"x-api-key": api_key}, timeout=TIMEOUT_SECONDS
    ) as http:
        desk = Desk(http, str(uuid4()))
        await desk.ok("PUT", f"/doctors/{desk.doctor}", doctor_body())
        id = await desk.up_to("validated", AMOXICILLIN)

        answer = await signing(desk, id, key)
        read = await desk.read(id)
        again = await signing(desk, id, key)

        assert answer.status_code == 422
        assert "signing_refused" in word(answer)
        assert (read["status"], read["signature"]["status"]) == ("validated", "failed")
        assert read["signature"]["failure"]["error"] == "signing_refused"
        assert await looked_up(desk, key) == ("FAILED", 422, id)
        assert "signing_refused" in word(again)
        assert [one["action"] for one in await desk.history(id)].count("signing_failed") == 2

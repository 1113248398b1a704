"""Races on one prescription (3.7): both accepted before either is decided, in each order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from dev.platform import Platform
from tests import problems
from tests.clients import Pharmacy
from tests.infrastructure import until
from tests.journey.delphos.desk import (
    AMOXICILLIN,
    ASPIRIN,
    LOSARTAN,
    WARFARIN,
    Desk,
    at_once,
    refusal,
    word,
)

ROUNDS = 4
Race = Callable[..., Awaitable[tuple[httpx.Response, httpx.Response]]]
in_each_order = pytest.mark.parametrize("swapped", [False, True], ids=["first wins", "second wins"])
_UNDECIDED = "SELECT count(*) FROM request WHERE prescription_id = $1 AND state = 'PENDING'"


@pytest.fixture
def race(platform: Platform) -> Race:
    """`await race(id, one, other, swapped=…)`: both are accepted before either is decided, in this order."""

    async def race(
        id: str, one: Awaitable[Any], other: Awaitable[Any], *, swapped: bool
    ) -> tuple[httpx.Response, httpx.Response]:
        gateway = await asyncpg.connect(platform.postgres.url("gateway"))
        running: list[asyncio.Future[Any]] = []

        async def undecided() -> bool:
            return bool(await gateway.fetchval(_UNDECIDED, id) == len(running))

        async def published() -> bool:
            return not await gateway.fetchval("SELECT EXISTS (SELECT FROM outbox)")

        try:
            async with _held(platform, id):
                for call in (other, one) if swapped else (one, other):
                    running.append(asyncio.ensure_future(call))
                    await until(undecided, 20)
                await until(published, 20)
            answers = await asyncio.gather(*running)
        finally:
            await gateway.close()
        return (answers[1], answers[0]) if swapped else (answers[0], answers[1])

    return race


@asynccontextmanager
async def _held(platform: Platform, id: str) -> AsyncIterator[None]:
    """Nobody decides on the prescription for so long."""
    conn = await asyncpg.connect(platform.postgres.url("prescription"))
    try:
        async with conn.transaction():
            await conn.execute("SELECT FROM prescription WHERE id = $1 FOR UPDATE", id)
            yield
    finally:
        await conn.close()


@in_each_order
async def test_a_cancel_meets_a_start(desk: Desk, pharmacy: Pharmacy, race: Race, swapped: bool) -> None:
    id = await desk.up_to("submitted")
    code = (await desk.read(id))["prescription_code"]

    cancel, start = await race(id, desk.step(id, "cancelled"), pharmacy.start(code), swapped=swapped)

    assert cancel.status_code == 200, cancel.text
    read = await desk.read(id)
    assert read["status"] == "cancelled"
    if swapped:
        assert start.status_code == 201
        assert [one["status"] for one in read["dispensations"]] == ["cancelled"]
        refused = await pharmacy.complete(start.json()["dispensation_id"])
        assert (refused.status_code, refused.json()["code"]) == (409, "prescription_voided")
    else:
        assert (start.status_code, start.json()["code"]) == (409, "prescription_voided")
        assert read["dispensations"] == []


@in_each_order
async def test_a_cancel_meets_the_last_completion(
    desk: Desk, pharmacy: Pharmacy, race: Race, swapped: bool
) -> None:
    id = await desk.up_to("submitted")
    started = (await pharmacy.start((await desk.read(id))["prescription_code"])).json()
    complete = pharmacy.complete(started["dispensation_id"])

    cancel, completed = await race(id, desk.step(id, "cancelled"), complete, swapped=swapped)

    status = (await desk.read(id))["status"]
    if swapped:
        assert (completed.status_code, word(cancel), status) == (200, "409 invalid_transition", "dispensed")
        assert (cancel.json()["from"], cancel.json()["allowed"]) == ("dispensed", [])
    else:
        assert (cancel.status_code, status) == (200, "cancelled")
        assert completed.json()["code"] == "prescription_voided"


@in_each_order
async def test_a_cancel_meets_a_signature(desk: Desk, race: Race, swapped: bool) -> None:
    """Whether it comes first or while the signature is under way, nothing is signed."""
    id = await desk.up_to("validated")
    await desk.settled(id)

    cancel, sign = await race(id, desk.step(id, "cancelled"), desk.step(id, "signed"), swapped=swapped)

    assert cancel.status_code == 200, cancel.text
    assert (word(sign), sign.json()["from"]) == ("409 invalid_transition", "cancelled")
    read = await desk.read(id)
    assert (read["status"], read["signed_at"]) == ("cancelled", None)
    assert (read["signature"] is not None) == swapped
    assert (read["signature"] or {"status": "void"})["status"] == "void"


async def test_a_cancel_meets_a_signature_that_stands(desk: Desk) -> None:
    id = await desk.up_to("validated")
    sign = await desk.step(id, "signed")
    cancel = await desk.step(id, "cancelled")
    assert (sign.json()["status"], cancel.json()["status"]) == ("signed", "cancelled")
    assert cancel.json()["signature"]["status"] == "void"


@in_each_order
async def test_a_cancel_meets_a_release(desk: Desk, pharmacy: Pharmacy, race: Race, swapped: bool) -> None:
    id = await desk.up_to("signed")
    code = (await desk.read(id))["prescription_code"]

    cancel, submit = await race(id, desk.step(id, "cancelled"), desk.step(id, "submitted"), swapped=swapped)

    assert cancel.status_code == 200, cancel.text
    assert (await desk.read(id))["status"] == "cancelled"
    if swapped:
        assert submit.json()["status"] == "submitted"
    else:
        assert (word(submit), submit.json()["from"]) == ("409 invalid_transition", "cancelled")
    said = "409 prescription_voided" if swapped else "404 code_not_found"
    assert problems.word(await pharmacy.start(code)) == said


async def test_a_signature_meets_another(desk: Desk, race: Race) -> None:
    id = await desk.up_to("validated")

    first, second = await race(id, desk.step(id, "signed"), desk.step(id, "signed"), swapped=False)

    assert (first.status_code, word(second)) == (200, "409 signing_in_progress")
    assert second.json()["retryable"] is True
    assert word(await desk.step(id, "signed")) == "409 invalid_transition"


async def test_two_sign_at_once_and_one_does(desk: Desk) -> None:
    for _ in range(ROUNDS):
        id = await desk.up_to("validated")
        answers = await at_once(*(desk.step(id, "signed") for _ in range(3)))
        words = sorted(word(one) for one in answers)
        assert words[0] == "200"
        assert set(words[1:]) <= {"409 signing_in_progress", "409 invalid_transition"}
        for one in answers:
            if one.status_code == 409:
                told = refusal(one)
                assert told["retryable"] is (told["error"] == "signing_in_progress")
                assert ("retry-after" in one.headers) is told["retryable"]
        assert sum(line["to_status"] == "signed" for line in await desk.history(id)) == 1


async def test_two_sign_with_one_key_and_both_hear_the_same(desk: Desk) -> None:
    id = await desk.up_to("validated")
    path, body = f"/prescriptions/{id}/status", {"status": "signed", "signed_by": desk.doctor}
    calls = [desk.call("PATCH", path, body, idempotency_key=f"sign-{id}") for _ in range(5)]
    answers = await at_once(*calls)
    assert [one.status_code for one in answers] == [200] * 5
    assert len({one.content for one in answers}) == 1


@in_each_order
async def test_of_two_pharmacies_the_first_gets_it(
    desk: Desk, pharmacy: Pharmacy, other_pharmacy: Pharmacy, race: Race, swapped: bool
) -> None:
    id = await desk.up_to("submitted")
    code = (await desk.read(id))["prescription_code"]

    answers = await race(id, pharmacy.start(code), other_pharmacy.start(code), swapped=swapped)

    winner, loser = reversed(answers) if swapped else answers
    assert winner.status_code == 201
    assert (loser.status_code, loser.json()["code"]) == (409, "already_being_dispensed")


@in_each_order
async def test_a_status_patch_meets_a_start(
    desk: Desk, pharmacy: Pharmacy, race: Race, swapped: bool
) -> None:
    id = await desk.up_to("submitted")
    code = (await desk.read(id))["prescription_code"]

    patch, start = await race(id, desk.step(id, "dispensed"), pharmacy.start(code), swapped=swapped)

    read = await desk.read(id)
    if swapped:
        assert (word(patch), start.status_code) == ("409 already_being_dispensed", 201)
        assert "retry-after" in patch.headers
        assert [one["status"] for one in read["dispensations"]] == ["started"]
    else:
        assert (patch.status_code, start.status_code) == (200, 409)
        assert start.json()["code"] == "prescription_dispensed"
        assert [one["source"] for one in read["dispensations"]] == ["status_patch"]


@in_each_order
async def test_an_acknowledgement_meets_a_recheck(desk: Desk, race: Race, swapped: bool) -> None:
    id = await desk.draft(WARFARIN, ASPIRIN)
    (finding,) = (await desk.checked(id))["interactions"]
    check = desk.call("POST", f"/prescriptions/{id}/safety-check")

    acknowledged, checked = await race(id, desk.acknowledge(id, finding["id"]), check, swapped=swapped)

    assert (acknowledged.status_code, checked.status_code) == (200, 200)
    (one,) = (await desk.read(id))["interactions"]
    assert (one["id"], one["acknowledged"]) == (finding["id"], True)


@in_each_order
async def test_an_acknowledgement_meets_a_change_of_the_item(desk: Desk, race: Race, swapped: bool) -> None:
    """Either way the finding about what the item says now is another one, and unacknowledged."""
    id = await desk.draft(WARFARIN, ASPIRIN)
    (finding,) = (await desk.checked(id))["interactions"]
    item = (await desk.read(id))["items"][0]["id"]
    change = desk.call("PATCH", f"/prescriptions/{id}/items/{item}", {"dosage": "10mg"})

    acknowledged, changed = await race(id, desk.acknowledge(id, finding["id"]), change, swapped=swapped)

    assert (acknowledged.status_code, changed.status_code) == (200, 200)
    (fresh,) = (await desk.checked(id))["interactions"]
    assert (fresh["id"] != finding["id"], fresh["acknowledged"]) == (True, False)
    assert word(await desk.acknowledge(id, finding["id"])) == "404 resource_not_found"


@in_each_order
async def test_a_change_meets_a_running_check(desk: Desk, race: Race, swapped: bool) -> None:
    """Ruling 3.15: the check answers with the new content's result."""
    id = await desk.draft(WARFARIN)
    await desk.settled(id)
    check = desk.call("POST", f"/prescriptions/{id}/safety-check")
    add = desk.call("POST", f"/prescriptions/{id}/items", ASPIRIN)

    checked, added = await race(id, check, add, swapped=swapped)

    assert (checked.status_code, added.status_code) == (200, 201)
    assert (checked.json()["items_checked"], len(checked.json()["interactions"])) == (2, 1)
    assert [one["severity"] for one in (await desk.settled(id))["interactions"]] == ["critical"]


@in_each_order
async def test_a_check_meets_a_cancel(desk: Desk, race: Race, swapped: bool) -> None:
    id = await desk.draft(AMOXICILLIN)
    await desk.settled(id)
    check = desk.call("POST", f"/prescriptions/{id}/safety-check")

    checked, cancelled = await race(id, check, desk.step(id, "cancelled"), swapped=swapped)

    assert (word(checked), cancelled.status_code) == ("409 terminal_state", 200)
    assert (await desk.read(id))["safety_check"]["status"] == "current"


async def test_many_items_at_once_all_stay(desk: Desk) -> None:
    id = await desk.draft()
    names = (AMOXICILLIN, LOSARTAN, ASPIRIN, WARFARIN) * 5
    answers = await at_once(*(desk.call("POST", f"/prescriptions/{id}/items", one) for one in names))
    assert {one.status_code for one in answers} == {201}
    read = await desk.settled(id)
    assert [one["position"] for one in read["items"]] == list(range(1, 21))
    assert read["safety_check"]["status"] == "current"


async def test_of_writes_upon_one_version_one_wins(desk: Desk) -> None:
    id = await desk.draft()
    calls = [desk.call("PATCH", f"/prescriptions/{id}", {"notes": f"{n}"}, if_match='"1"') for n in range(8)]
    words = sorted(word(one) for one in await at_once(*calls))
    assert words == ["200"] + ["412 version_mismatch"] * 7
    assert (await desk.read(id))["version"] == 2

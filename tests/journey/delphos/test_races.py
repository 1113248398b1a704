"""Races on one prescription (3.7): really at the same time, and only the published outcomes."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.clients import Pharmacy
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


async def both(first: Any, second: Any, number: int) -> tuple[httpx.Response, httpx.Response]:
    """At once; every other time the second has a head start, so that both orders are seen."""

    async def after(call: Any, seconds: float) -> httpx.Response:
        await asyncio.sleep(seconds)
        return await call

    lead = 0.06 * (number // 2)
    waits = (lead, 0.0) if number % 2 else (0.0, lead)
    one, other = await asyncio.gather(after(first, waits[0]), after(second, waits[1]))
    return one, other


async def test_a_cancel_meets_a_start(desk: Desk, pharmacy: Pharmacy) -> None:
    seen = set()
    for number in range(ROUNDS):
        id = await desk.up_to("submitted")
        code = (await desk.read(id))["prescription_code"]
        cancel, start = await both(desk.step(id, "cancelled"), pharmacy.start(code), number)
        assert cancel.status_code == 200, cancel.text
        read = await desk.read(id)
        assert read["status"] == "cancelled"
        if start.status_code == 201:
            assert [one["status"] for one in read["dispensations"]] == ["cancelled"]
            refused = await pharmacy.complete(start.json()["dispensation_id"])
            assert (refused.status_code, refused.json()["code"]) == (409, "prescription_voided")
        else:
            assert (start.status_code, start.json()["code"]) == (409, "prescription_voided")
            assert read["dispensations"] == []
        seen.add(start.status_code)
    assert seen <= {201, 409}


async def test_a_cancel_meets_the_last_completion(desk: Desk, pharmacy: Pharmacy) -> None:
    for number in range(ROUNDS):
        id = await desk.up_to("submitted")
        code = (await desk.read(id))["prescription_code"]
        started = (await pharmacy.start(code)).json()
        complete = pharmacy.complete(started["dispensation_id"])
        cancel, completed = await both(desk.step(id, "cancelled"), complete, number)
        status = (await desk.read(id))["status"]
        if completed.status_code == 200:
            assert (word(cancel), status) == ("409 invalid_transition", "dispensed")
            assert (cancel.json()["from"], cancel.json()["allowed"]) == ("dispensed", [])
        else:
            assert (cancel.status_code, status) == (200, "cancelled")
            assert completed.json()["code"] == "prescription_voided"


async def test_a_cancel_meets_a_signature(desk: Desk) -> None:
    for number in range(ROUNDS):
        id = await desk.up_to("validated")
        cancel, sign = await both(desk.step(id, "cancelled"), desk.step(id, "signed"), number)
        assert cancel.status_code == 200, cancel.text
        read = await desk.read(id)
        assert read["status"] == "cancelled"
        if sign.status_code == 200:
            assert sign.json()["status"] == "signed"
            assert read["signature"]["status"] == "void"
        else:
            assert (word(sign), sign.json()["from"]) == ("409 invalid_transition", "cancelled")
            assert (read["signature"] or {"status": "void"})["status"] != "completed"


async def test_a_cancel_meets_a_release(desk: Desk, pharmacy: Pharmacy) -> None:
    for number in range(ROUNDS):
        id = await desk.up_to("signed")
        code = (await desk.read(id))["prescription_code"]
        cancel, submit = await both(desk.step(id, "cancelled"), desk.step(id, "submitted"), number)
        assert cancel.status_code == 200, cancel.text
        assert (await desk.read(id))["status"] == "cancelled"
        if submit.status_code != 200:
            assert (word(submit), submit.json()["from"]) == ("409 invalid_transition", "cancelled")
        assert (await pharmacy.start(code)).status_code in (404, 409)


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


async def test_of_two_pharmacies_one_gets_it(
    desk: Desk, pharmacy: Pharmacy, other_pharmacy: Pharmacy
) -> None:
    for number in range(ROUNDS):
        code = (await desk.read(await desk.up_to("submitted")))["prescription_code"]
        answers = await both(pharmacy.start(code), other_pharmacy.start(code), number)
        assert sorted(one.status_code for one in answers) == [201, 409]
        (loser,) = (one for one in answers if one.status_code == 409)
        assert loser.json()["code"] == "already_being_dispensed"


async def test_a_status_patch_meets_a_start(desk: Desk, pharmacy: Pharmacy) -> None:
    for number in range(ROUNDS):
        id = await desk.up_to("submitted")
        code = (await desk.read(id))["prescription_code"]
        patch, start = await both(desk.step(id, "dispensed"), pharmacy.start(code), number)
        read = await desk.read(id)
        if patch.status_code == 200:
            assert (start.status_code, start.json()["code"]) == (409, "prescription_dispensed")
            assert [one["source"] for one in read["dispensations"]] == ["status_patch"]
        else:
            assert (word(patch), start.status_code) == ("409 already_being_dispensed", 201)
            assert "retry-after" in patch.headers
            assert [one["status"] for one in read["dispensations"]] == ["started"]


async def test_an_acknowledgement_meets_a_recheck(desk: Desk) -> None:
    for number in range(ROUNDS):
        id = await desk.draft(WARFARIN, ASPIRIN)
        (finding,) = (await desk.checked(id))["interactions"]
        check = desk.call("POST", f"/prescriptions/{id}/safety-check")
        acknowledged, checked = await both(desk.acknowledge(id, finding["id"]), check, number)
        assert (acknowledged.status_code, checked.status_code) == (200, 200)
        (one,) = (await desk.read(id))["interactions"]
        assert (one["id"], one["acknowledged"]) == (finding["id"], True)


async def test_an_acknowledgement_meets_a_change_of_the_item(desk: Desk) -> None:
    for number in range(ROUNDS):
        id = await desk.draft(WARFARIN, ASPIRIN)
        (finding,) = (await desk.checked(id))["interactions"]
        item = (await desk.read(id))["items"][0]["id"]
        change = desk.call("PATCH", f"/prescriptions/{id}/items/{item}", {"dosage": "10mg"})
        acknowledged, changed = await both(desk.acknowledge(id, finding["id"]), change, number)
        assert changed.status_code == 200
        assert word(acknowledged) in ("200", "404 resource_not_found")
        (fresh,) = (await desk.checked(id))["interactions"]
        assert (fresh["id"] != finding["id"], fresh["acknowledged"]) == (True, False)


async def test_a_change_meets_a_running_check(desk: Desk) -> None:
    """Ruling 3.15: the check answers with the new content's result, or was answered before the change."""
    for number in range(ROUNDS):
        id = await desk.draft(WARFARIN)
        check = desk.call("POST", f"/prescriptions/{id}/safety-check")
        checked, added = await both(check, desk.call("POST", f"/prescriptions/{id}/items", ASPIRIN), number)
        assert (checked.status_code, added.status_code) == (200, 201)
        assert (checked.json()["items_checked"], len(checked.json()["interactions"])) in ((1, 0), (2, 1))
        assert [one["severity"] for one in (await desk.settled(id))["interactions"]] == ["critical"]


async def test_a_check_that_a_cancel_overtakes_says_so(desk: Desk) -> None:
    for number in range(ROUNDS):
        id = await desk.draft(AMOXICILLIN)
        check = desk.call("POST", f"/prescriptions/{id}/safety-check")
        checked, cancelled = await both(check, desk.step(id, "cancelled"), number)
        assert cancelled.status_code == 200
        assert word(checked) in ("200", "409 terminal_state")


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

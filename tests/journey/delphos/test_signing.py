"""The way to the signature and beyond, condition by condition (3.2 to 3.5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.gateway.messages import ids
from tests.clients import Clinic, Pharmacy
from tests.journey.conftest import Later
from tests.journey.delphos.conftest import Desks
from tests.journey.delphos.desk import (
    AMOXICILLIN,
    ASPIRIN,
    LOSARTAN,
    NITRATE,
    SILDENAFIL,
    WARFARIN,
    Desk,
    entity,
    refusal,
    soon,
    word,
)


async def status(desk: Desk, id: str, body: dict[str, Any]) -> str:
    return word(await desk.call("PATCH", f"/prescriptions/{id}/status", body))


async def test_each_target_has_its_own_members(desk: Desk) -> None:
    id = await desk.draft(AMOXICILLIN)
    for body, said in (
        ({}, "422 missing body.status"),
        ({"status": "signed"}, "422 missing body.signed_by"),
        ({"status": "validated"}, "422 missing body.valid_until"),
        ({"status": "cancelled"}, "422 missing body.reason"),
        ({"status": "pending_review", "reason": "x"}, "422 field_not_applicable body.reason"),
        (
            {"status": "cancelled", "reason": "x", "signed_by": desk.doctor},
            "422 field_not_applicable body.signed_by",
        ),
        ({"status": "validated", "valid_until": soon(-1)}, "422 not_in_future body.valid_until"),
    ):
        assert await status(desk, id, body) == said
    for wrong in ("approved", "Signed", None, 7):
        assert (await desk.call("PATCH", f"/prescriptions/{id}/status", {"status": wrong})).status_code == 422
    null = {"status": "pending_review", "reason": None, "signed_by": None, "valid_until": None}
    assert await status(desk, id, null) == "200"
    assert await status(desk, id, {"status": "cancelled", "reason": "  "}) != "200"
    assert await status(desk, id, {"status": "cancelled", "reason": "x" * 2001}) != "200"


async def test_the_approving_call_states_the_expiry(desk: Desk) -> None:
    id = await desk.draft(AMOXICILLIN)
    await desk.ok("PATCH", f"/prescriptions/{id}", {"valid_until": soon(5)})
    await desk.step(id, "pending_review")
    assert await status(desk, id, {"status": "validated"}) == "422 missing body.valid_until"
    until = soon(9)
    assert (await desk.step(id, "validated", valid_until=until)).json()["valid_until"] == until


async def test_review_needs_items_and_whole_ones(desk: Desk) -> None:
    empty = await desk.draft()
    assert word(await desk.step(empty, "pending_review")) == "409 items_required"
    made = (await desk.auto_create(*await desk.consultation(entity("losartana", dosage="50mg")))).json()
    (item,) = made["prescription"]["items"]
    assert item["missing_fields"] == ["route", "frequency"]
    answer = await desk.step(made["prescription"]["id"], "pending_review")
    assert word(answer) == "409 items_incomplete"
    assert answer.json()["items"] == [{"id": item["id"], "missing_fields": ["route", "frequency"]}]
    path = f"/prescriptions/{made['prescription']['id']}/items/{item['id']}"
    await desk.ok("PATCH", path, {"route": "oral", "frequency": "24/24h"})
    assert (await desk.step(made["prescription"]["id"], "pending_review")).status_code == 200


async def test_blocking_findings_are_told_in_five_members_most_severe_first(desk: Desk) -> None:
    id = await desk.up_to("validated", WARFARIN, ASPIRIN, SILDENAFIL, NITRATE)
    answer = await desk.step(id, "signed")
    body = answer.json()
    assert answer.status_code == 409
    assert set(body) == {"error", "prescription_id", "interaction_count", "interactions", "message"}
    assert (body["error"], body["prescription_id"]) == ("unacknowledged_interactions", id)
    assert [one["severity"] for one in body["interactions"]] == ["contraindicated", "critical"]
    assert body["interaction_count"] == 2
    assert all(set(one) == {"id", "severity"} for one in body["interactions"])
    read = await desk.read(id)
    assert {one["id"] for one in read["interactions"] if one["blocking"]} == {
        one["id"] for one in body["interactions"]
    }
    assert (read["status"], read["signature"], read["prescription_code"]) == ("validated", None, None)
    await desk.acknowledge(id)
    assert (await desk.step(id, "signed")).json()["status"] == "signed"


async def test_a_signature_is_made_checked_and_kept(desk: Desk) -> None:
    id = await desk.up_to("validated", AMOXICILLIN)
    before = await desk.read(id)
    signed = (await desk.step(id, "signed")).json()
    assert (signed["status"], signed["signed_by"]) == ("signed", desk.doctor)
    assert signed["signed_at"] >= before["updated_at"]
    seal = signed["signature"]
    assert set(seal) >= {
        *("status", "profile", "algorithm", "document_sha256", "certificate_sha256"),
        *("timestamped_at", "failure"),
    }
    assert (seal["status"], seal["failure"]) == ("completed", None)
    assert len(seal["document_sha256"]) == len(seal["certificate_sha256"]) == 64
    assert (signed["can_sign"], signed["safety_check"]["status"]) == (False, "current")
    code = signed["prescription_code"]
    assert len(code) <= 32
    assert set(code) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
    cancelled = (await desk.step(id, "cancelled", reason="Wrong drug.")).json()
    assert (cancelled["signature"]["status"], cancelled["prescription_code"]) == ("void", code)
    assert (cancelled["cancel_reason"], cancelled["items"]) == ("Wrong drug.", signed["items"])
    assert cancelled["cancelled_at"] is not None


async def test_who_may_sign_is_the_prescriber_unless_the_practice_says_otherwise(
    desk: Desk, desks: Desks
) -> None:
    other, idle = await desk.a_doctor(), await desk.a_doctor(is_active=False)
    id = await desk.up_to("validated")
    for signer, said in (
        (str(uuid4()), "422 unknown_reference body.signed_by"),
        (idle, "422 inactive_reference body.signed_by, signer_not_allowed body.signed_by"),
        (other, "422 signer_not_allowed body.signed_by"),
    ):
        assert word(await desk.step(id, "signed", signed_by=signer)) == said
    assert (await desk.read(id))["status"] == "validated"
    narrow = await desks("narrow")
    id, colleague = await narrow.up_to("validated"), await narrow.a_doctor()
    assert (await narrow.step(id, "signed", signed_by=colleague)).json()["signed_by"] == colleague


async def test_a_prescription_of_an_inactive_doctor_goes_no_further(desk: Desk) -> None:
    """Ruling 3.1."""
    doctor = await desk.a_doctor()
    ready, reviewed = [await desk.up_to(one, doctor_id=doctor) for one in ("validated", "pending_review")]
    body = await desk.ok("GET", f"/doctors/{doctor}")
    await desk.ok("PUT", f"/doctors/{doctor}", body | {"is_active": False})
    signing = await desk.step(ready, "signed", signed_by=doctor)
    assert "inactive_reference" in word(signing)
    assert "inactive_reference" in word(await desk.step(reviewed, "validated"))


async def test_a_policy_refuses_a_status(desks: Desks) -> None:
    strict = await desks("strict")
    id = await strict.up_to("signed")
    answer = await strict.step(id, "submitted")
    assert word(answer) == "409 policy_refused"
    assert isinstance(answer.json()["policy"], str)
    secret = await desks("secret")
    id = await secret.up_to("submitted")
    answer = await secret.step(id, "dispensed")
    assert (word(answer), answer.json()["policy"]) == ("409 policy_refused", "otp")


async def test_submitted_is_released_to_pharmacies_and_not_before(desk: Desk, pharmacy: Pharmacy) -> None:
    id = await desk.up_to("signed")
    code = (await desk.read(id))["prescription_code"]
    assert (await pharmacy.start(code)).status_code == 404
    submitted = (await desk.step(id, "submitted")).json()
    assert submitted["submitted_at"] is not None
    assert (await pharmacy.start(code)).status_code == 201


async def test_a_finding_after_the_signature_holds_the_release_back(desk: Desk) -> None:
    id = await desk.up_to("signed", AMOXICILLIN)
    patient = (await desk.read(id))["patient_id"]
    body = await desk.ok("GET", f"/patients/{patient}")
    allergy = {"ingredient": "amoxicilina", "severity": "severe", "reaction": None}
    await desk.ok("PUT", f"/patients/{patient}", body | {"allergies": [allergy]})
    frozen = await desk.read(id)
    assert (frozen["safety_check"]["status"], frozen["interactions"]) == ("current", [])
    assert [one["severity"] for one in (await desk.checked(id))["interactions"]] == ["contraindicated"]
    refused = await desk.step(id, "submitted")
    assert refusal(refused)["error"] == "unacknowledged_interactions"
    await desk.acknowledge(id)
    assert (await desk.step(id, "submitted")).status_code == 200


async def test_a_patch_records_a_dispensation_of_all_that_is_left(desk: Desk, pharmacy: Pharmacy) -> None:
    id = await desk.up_to("submitted", AMOXICILLIN, LOSARTAN | {"quantity": None})
    done = (await desk.step(id, "dispensed")).json()
    assert (done["status"], done["dispensed_at"] is not None) == ("dispensed", True)
    (one,) = done["dispensations"]
    assert (one["status"], one["source"]) == ("completed", "status_patch")
    assert [line["quantity"] for line in one["items"]] == [21, None]
    assert [item["dispensed_quantity"] for item in done["items"]] == [21, 1]
    actions = [line["action"] for line in await desk.history(id)]
    assert actions[-3:] == ["dispensation_started", "dispensation_ended", "status_changed"]


async def test_what_has_run_out_is_only_cancelled(desk: Desk, later: Later) -> None:
    validated = await desk.up_to("pending_review")
    signed = await desk.up_to("pending_review")
    for id in (validated, signed):
        await desk.step(id, "validated", valid_until=soon(0.01))
    await desk.step(signed, "signed")
    await later(timedelta(minutes=20))
    assert word(await desk.step(validated, "signed")) == "409 prescription_expired"
    assert word(await desk.step(signed, "submitted")) == "409 prescription_expired"
    for id in (validated, signed):
        assert (await desk.step(id, "cancelled")).json()["status"] == "cancelled"


async def test_what_expires_reads_so_at_once_and_filters_so(
    desk: Desk, pharmacy: Pharmacy, later: Later
) -> None:
    id = await desk.draft(AMOXICILLIN)
    await desk.step(id, "pending_review")
    await desk.step(id, "validated", valid_until=soon(0.01))
    for one in ("signed", "submitted"):
        last = await desk.step(id, one)
    assert last.json()["status"] == "submitted"
    await later(timedelta(minutes=20))
    read = await desk.read(id)
    assert (read["status"], read["can_sign"]) == ("expired", False)
    mine = f"/prescriptions?patient_id={read['patient_id']}"
    assert (await desk.ok("GET", f"{mine}&status=submitted"))["total"] == 0
    assert (await desk.ok("GET", f"{mine}&status=expired"))["total"] == 1
    answer = await desk.step(id, "cancelled")
    assert (word(answer), answer.json()["from"], answer.json()["allowed"]) == (
        "409 invalid_transition",
        "expired",
        [],
    )


async def test_a_completed_dispensation_taken_back_after_the_end_leaves_it_expired(
    desk: Desk, pharmacy: Pharmacy, later: Later
) -> None:
    id = await desk.draft(AMOXICILLIN)
    await desk.step(id, "pending_review")
    await desk.step(id, "validated", valid_until=soon(0.01))
    for one in ("signed", "submitted"):
        last = await desk.step(id, one)
    started = (await pharmacy.start(last.json()["prescription_code"])).json()
    await later(timedelta(minutes=20))
    held = await desk.read(id)
    assert (held["status"], held["dispensations"][0]["status"]) == ("submitted", "started")
    assert (await pharmacy.complete(started["dispensation_id"])).status_code == 200
    assert (await desk.read(id))["status"] == "dispensed"
    assert (await pharmacy.cancel(started["dispensation_id"], void_reason="REFUND")).status_code == 200
    assert (await desk.read(id))["status"] == "expired"


@pytest.mark.parametrize("by", ["here", "there"])
async def test_both_dialects_work_on_one_prescription(
    desk: Desk, theirs: Clinic, pharmacy: Pharmacy, by: str
) -> None:
    id = await desk.up_to("submitted", AMOXICILLIN)
    code = (await desk.read(id))["prescription_code"]
    found = (await theirs.get(f"/ehr/v1/prescriptions?prescription_code={code}")).json()["data"]
    (seen,) = found
    started = (await pharmacy.start(code)).json()
    line = {"id": started["products"][0]["id"], "price": 0, "taxes": 0, "quantity": 5}
    await pharmacy.update(started["dispensation_id"], line)
    assert (await pharmacy.complete(started["dispensation_id"])).status_code == 200
    read = await desk.read(id)
    assert (read["status"], read["items"][0]["dispensed_quantity"]) == ("submitted", 5)
    live = (await pharmacy.start(code)).json()
    if by == "here":
        assert (await desk.step(id, "cancelled")).status_code == 200
    else:
        body = {"reason": "Rash seen.", "doctor_id": ids.spell("doc", UUID(desk.doctor))}
        path = f"/ehr/v1/prescriptions/{seen['prescription_id']}/void"
        voided = await theirs.post(path, body)
        assert voided.status_code == 200, voided.text
    assert (await pharmacy.complete(live["dispensation_id"])).json()["code"] == "prescription_voided"
    read = await desk.read(id)
    assert (read["status"], [one["status"] for one in read["dispensations"]]) == (
        "cancelled",
        ["completed", "cancelled"],
    )
    told = await theirs.read(seen["prescription_id"])
    assert told["status"] == "PRESCRIPTION_VOIDED"

"""A prescription step by step on the whole platform: the guide's manual workflow, to the last tablet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pypdfium2
import pytest

from services.gateway.messages import ids
from tests.clients import Clinic, Pharmacy
from tests.infrastructure import until
from tests.journey.conftest import Later
from tests.journey.delphos.conftest import AMOXICILLIN, ASPIRIN, WARFARIN, Practice
from tests.journey.delphos.replaying import assert_tells_the_same


def spelled(id: str) -> str:
    """As the first dialect spells it."""
    return ids.spell("rx", UUID(id))


def pages(pdf: bytes) -> list[str]:
    return [" ".join(one.get_textpage().get_text_bounded().split()) for one in pypdfium2.PdfDocument(pdf)]


async def test_the_complete_manual_workflow_of_the_guide(
    practice: Practice, other_dialect: Clinic, pharmacy: Pharmacy
) -> None:
    made = await practice.ok(
        "POST",
        "",
        {
            "patient_id": practice.patient_id,
            "doctor_id": practice.doctor_id,
            "prescription_type": "standard",
            "notes": "Patient reports difficulty swallowing tablets.",
        },
    )
    id = made["prescription"]["id"]
    warfarin = await practice.ok("POST", f"/{id}/items", WARFARIN)
    aspirin = await practice.ok("POST", f"/{id}/items", ASPIRIN | {"clinical_notes": "Ask about stents."})
    wrong = await practice.ok("POST", f"/{id}/items", AMOXICILLIN)
    changed = await practice.ok("PATCH", f"/{id}/items/{aspirin['id']}", {"duration": "30 dias"})
    assert (changed["duration"], changed["dosage"]) == ("30 dias", "100mg")
    assert (await practice.call("DELETE", f"/{id}/items/{wrong['id']}")).status_code == 204

    check = await practice.ok("POST", f"/{id}/safety-check")
    (finding,) = check["interactions"]
    assert (finding["drug_a"], finding["drug_b"]) == ("VARFARINA", "ASPIRINA")
    assert (finding["severity"], finding["source"]) == ("critical", "tier1_matrix")
    assert (check["items_checked"], check["ingredients_analyzed"]) == (2, ["VARFARINA", "ASPIRINA"])
    assert check["safety_summary"]["passed"] is False

    until = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)
    assert (await practice.step(id, "pending_review")).status_code == 200
    assert (await practice.step(id, "validated", valid_until=until.isoformat())).status_code == 200
    blocked = await practice.step(id, "signed", signed_by=practice.doctor_id)
    assert (blocked.status_code, len(blocked.json())) == (409, 5)
    assert blocked.json()["interactions"] == [{"id": finding["id"], "severity": "critical"}]

    draft_pdf = await practice.call("GET", f"/{id}/pdf")
    body = {"acknowledged_by": practice.doctor_id, "reason": "Stent recente; INR semanal."}
    ready = await practice.ok("POST", f"/{id}/interactions/{finding['id']}/acknowledge", body)
    assert (ready["can_sign"], ready["safety_summary"]["passed"]) == (True, False)
    signed = (await practice.step(id, "signed", signed_by=practice.doctor_id)).json()
    assert (signed["status"], signed["signature"]["status"]) == ("signed", "completed")
    code = signed["prescription_code"]
    assert (await pharmacy.start(code)).status_code == 404
    submitted = (await practice.step(id, "submitted")).json()
    assert (submitted["status"], submitted["prescription_code"]) == ("submitted", code)

    started = (await pharmacy.start(code)).json()
    assert [line["product_name"] for line in started["products"]] == ["Varfarina", "Aspirina"]
    completed = await pharmacy.complete(started["dispensation_id"])
    assert completed.status_code == 200, completed.text
    done = await practice.read(id)
    assert (done["status"], done["dispensations"][0]["status"]) == ("dispensed", "completed")
    assert {item["id"]: item["dispensed_quantity"] for item in done["items"]} == {
        warfarin["id"]: 30,
        aspirin["id"]: 30,
    }
    assert_tells_the_same(await practice.history(id), done)
    final_pdf = await practice.call("GET", f"/{id}/pdf")
    front, behind = pages(final_pdf.content)
    assert code in behind
    assert "Ask about stents" not in front + behind
    assert all("SIN VALIDEZ" in one or "SEM VALIDADE" in one for one in pages(draft_pdf.content))
    shown = (await other_dialect.read(spelled(id)))["medications"]
    assert [(one["product_code"], one["dispensation_status"]) for one in shown] == [(None, "DISPENSED")] * 2


async def test_what_one_dialect_cancels_the_other_shows(practice: Practice, other_dialect: Clinic) -> None:
    here, there = await practice.released(AMOXICILLIN), await practice.released(AMOXICILLIN)

    cancelled = await practice.step(here["id"], "cancelled", reason="Wrong patient.")
    voided = await other_dialect.post(
        f"/ehr/v1/prescriptions/{spelled(there['id'])}/void",
        {"reason": "Patient reports rash.", "doctor_id": ids.spell("doc", UUID(practice.doctor_id))},
    )

    assert (cancelled.status_code, cancelled.json()["signature"]["status"]) == (200, "void")
    seen = await other_dialect.read(spelled(here["id"]))
    assert (seen["status"], seen["void"]["reason"], seen["void"]["doctor_id"]) == (
        "PRESCRIPTION_VOIDED",
        "Wrong patient.",
        None,
    )
    assert seen["void"]["reason_code"] == "PRESCRIBER_DECISION"
    assert voided.status_code == 200
    told = await practice.read(there["id"])
    assert (told["status"], told["cancel_reason"]) == ("cancelled", "Patient reports rash.")
    assert_tells_the_same(await practice.history(there["id"]), told)


async def test_what_the_other_dialect_issued_is_read_and_cancelled_here(
    practice: Practice, clinic: Clinic, pharmacy: Pharmacy
) -> None:
    issued = await clinic.issue()
    id = str(ids.find("rx", issued["prescription_id"]))
    read = await practice.read(id)
    (item,) = read["items"]

    assert (read["status"], read["origin"], read["prescription_code"]) == (
        "submitted",
        "manual",
        issued["prescription_code"],
    )
    assert (item["frequency"], item["match_status"], item["ingredients"]) == (
        "1 tablet every 8h",
        "linked",
        ["PARACETAMOL"],
    )
    started = (await pharmacy.start(issued["prescription_code"])).json()
    assert (await practice.read(id))["dispensations"][0]["status"] == "started"
    assert (await practice.step(id, "cancelled", reason="Rash.")).status_code == 200
    refused = await pharmacy.complete(started["dispensation_id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "prescription_voided")
    lines = await practice.history(id)
    assert [line["action"] for line in lines][-2:] == ["dispensation_ended", "status_changed"] or [
        line["action"] for line in lines
    ][-2:] == ["status_changed", "dispensation_ended"]
    assert_tells_the_same(lines, await practice.read(id))


@pytest.mark.parametrize("status", ["draft", "submitted"])
async def test_lists_count_what_each_status_holds(practice: Practice, status: str) -> None:
    mine = f"patient_id={practice.patient_id}"
    await practice.draft(AMOXICILLIN)
    await practice.released(AMOXICILLIN)

    found = await practice.ok("GET", f"?{mine}&status={status}")
    every = await practice.ok("GET", f"?{mine}&limit=1")

    assert ([row["status"] for row in found["items"]], found["total"]) == ([status], 1)
    assert (len(every["items"]), every["total"]) == (1, 2)


async def test_a_stale_version_is_refused_and_changes_nothing(practice: Practice) -> None:
    id = await practice.draft()

    refused = await practice.call("PATCH", f"/{id}", {"notes": "x"}, if_match='"7"')
    accepted = await practice.call("PATCH", f"/{id}", {"notes": "x"}, if_match='"1"')

    assert (refused.status_code, refused.json()["current_version"]) == (412, 1)
    assert (accepted.status_code, accepted.headers["etag"]) == (200, '"2"')


async def test_a_part_is_dispensed_and_a_line_without_quantity_counts_once(
    practice: Practice, pharmacy: Pharmacy, other_pharmacy: Pharmacy
) -> None:
    cream = {"medication_name": "Hidrocortisona", "dosage": "1%", "route": "topical", "frequency": "12/12h"}
    released = await practice.released(AMOXICILLIN, cream)
    code = released["prescription_code"]
    started = (await pharmacy.start(code)).json()
    lines = {one["product_name"]: one for one in started["products"]}
    priced = {"price": 1.0, "taxes": 0.0}
    part = priced | {"id": lines["Amoxicilina"]["id"], "quantity": 7}
    tube = priced | {"id": lines["Hidrocortisona"]["id"], "quantity": 1}

    updated = await pharmacy.update(started["dispensation_id"], part, tube)
    assert updated.status_code == 200, updated.text
    assert (await pharmacy.complete(started["dispensation_id"], amount=8)).status_code == 200
    partly = await practice.read(released["id"])
    assert partly["status"] == "submitted"
    assert [one["dispensed_quantity"] for one in partly["items"]] == [7, 1]
    assert [one["quantity"] for one in partly["dispensations"][0]["items"]] == [7, 1]

    rest = (await other_pharmacy.start(code)).json()
    assert (await other_pharmacy.complete(rest["dispensation_id"])).status_code == 200
    wholly = await practice.read(released["id"])
    assert (wholly["status"], len(wholly["dispensations"])) == ("dispensed", 2)
    assert [one["dispensed_quantity"] for one in wholly["items"]] == [21, 1]
    assert_tells_the_same(await practice.history(released["id"]), wholly)


async def test_a_draft_of_this_dialect_is_voided_through_the_other(
    practice: Practice, other_dialect: Clinic
) -> None:
    id = await practice.draft(AMOXICILLIN)
    before = await other_dialect.read(spelled(id))

    voided = await other_dialect.post(
        f"/ehr/v1/prescriptions/{spelled(id)}/void",
        {"reason": "Patient reports rash.", "doctor_id": ids.spell("doc", UUID(practice.doctor_id))},
    )

    assert (before["status"], before["code"], before["download_url"]) == ("PRESCRIPTION_DRAFT", None, None)
    assert (voided.status_code, voided.json()["prescription_code"]) == (200, None)
    told = await practice.read(id)
    assert (told["status"], told["signature"], told["cancel_reason"]) == (
        "cancelled",
        None,
        "Patient reports rash.",
    )
    notice, *rest = pages((await practice.call("GET", f"/{id}/pdf")).content)
    assert "anulada" in notice
    assert all("SIN VALIDEZ" in one for one in rest)
    assert rest


async def test_the_history_of_an_issue_leads_to_what_a_read_shows(practice: Practice, clinic: Clinic) -> None:
    issued = await clinic.issue("MED-042", "MED-107")
    id = str(ids.find("rx", issued["prescription_id"]))

    lines, read = await practice.history(id), await practice.read(id)

    assert {line["dialect"] for line in lines if line["actor"]["type"] == "api_key"} == {"osigu"}
    assert lines[0]["action"] == "created"
    assert_tells_the_same(lines, read)


async def test_the_history_of_an_issue_tells_what_pharmacies_did_and_how_it_ended(
    practice: Practice, clinic: Clinic, pharmacy: Pharmacy, other_pharmacy: Pharmacy
) -> None:
    issued = await clinic.issue("MED-042", "MED-107")
    id, code = str(ids.find("rx", issued["prescription_id"])), issued["prescription_code"]
    first = (await pharmacy.start(code)).json()
    part = {"id": first["products"][0]["id"], "quantity": 1, "price": 2, "taxes": 0}
    assert (await pharmacy.update(first["dispensation_id"], part)).status_code == 200
    assert (await pharmacy.complete(first["dispensation_id"], amount=2)).status_code == 200
    second = (await other_pharmacy.start(code)).json()
    assert (await other_pharmacy.cancel(second["dispensation_id"])).status_code == 200
    taken_back = {"void_reason": "DISPENSING_ERROR"}
    assert (await pharmacy.cancel(first["dispensation_id"], **taken_back)).status_code == 200
    assert (await other_pharmacy.start(code)).status_code in (200, 201)
    assert (await clinic.void(issued["prescription_id"])).status_code == 200

    lines, read = await practice.history(id), await practice.read(id)

    assert [one["status"] for one in read["dispensations"]] == ["cancelled"] * 3
    assert [one["dispensed_quantity"] for one in read["items"]] == [0, 0]
    assert_tells_the_same(lines, read)


async def test_the_history_of_an_issue_tells_what_ran_out_of_time(
    practice: Practice, clinic: Clinic, pharmacy: Pharmacy, later: Later
) -> None:
    issued = await clinic.issue()
    id = str(ids.find("rx", issued["prescription_id"]))
    assert (await pharmacy.start(issued["prescription_code"])).status_code in (200, 201)
    await later(timedelta(days=400))

    async def expired() -> bool:
        return bool((await practice.history(id))[-1]["to_status"] == "expired")

    await until(expired, 20)
    read = await practice.read(id)
    assert [one["status"] for one in read["dispensations"]] == ["expired"]
    assert_tells_the_same(await practice.history(id), read)

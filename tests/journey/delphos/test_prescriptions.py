"""Creating, reading, listing and changing prescriptions and their items (4, 5, 6)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.journey.delphos.desk import AMOXICILLIN, ASPIRIN, LOSARTAN, Desk, drug, refusal, soon, word

DETAIL = {
    *("id", "patient_id", "doctor_id", "status", "version", "consultation_id", "template_id", "origin"),
    *("prescription_type", "notes", "cancel_reason", "prescription_code", "valid_until", "submitted_at"),
    *("dispensed_at", "cancelled_at", "items", "interactions", "safety_summary", "safety_check", "can_sign"),
    *("blocking_interactions_count", "pending_acknowledgements_count", "signed_by", "signed_at", "signature"),
    *("dispensations", "created_at", "updated_at"),
}
ITEM = {
    *("id", "prescription_id", "created_at", "updated_at", "position", "medication_name", "dosage", "route"),
    *("frequency", "active_ingredient", "duration", "unit", "instructions", "clinical_notes", "quantity"),
    *("cmed_medication_id", "match_status", "match_score", "ingredients", "missing_fields", "source_text"),
    "dispensed_quantity",
}
ROW = {
    *("id", "status", "version", "patient_id", "doctor_id", "consultation_id", "origin", "prescription_type"),
    *("valid_until", "items_count", "safety_check_status", "can_sign", "blocking_interactions_count"),
    *("pending_acknowledgements_count", "prescription_code", "signed_at", "submitted_at", "dispensed_at"),
    *("cancelled_at", "created_at", "updated_at"),
}
NOTHING_FOUND = {
    "passed": False,
    **{f"{one}_count": 0 for one in ("critical", "contraindicated", "major", "moderate", "minor")},
}


async def test_a_new_prescription_is_an_empty_draft(desk: Desk) -> None:
    patient = await desk.patient()
    body = {"patient_id": patient, "doctor_id": desk.doctor, "notes": None, "consultation_id": None}
    answer = await desk.call("POST", "/prescriptions", body)
    assert (answer.status_code, set(answer.json())) == (201, {"prescription"})
    made = answer.json()["prescription"]
    assert set(made) >= DETAIL
    assert (made["status"], made["version"], made["items"], made["interactions"]) == ("draft", 1, [], [])
    assert (made["origin"], made["prescription_type"], made["notes"]) == ("manual", "standard", None)
    assert (made["safety_check"]["status"], made["safety_summary"]) == ("never_run", NOTHING_FOUND)
    assert (made["can_sign"], made["signature"], made["dispensations"]) == (False, None, [])
    assert (made["blocking_interactions_count"], made["pending_acknowledgements_count"]) == (0, 0)
    assert await desk.read(made["id"]) == made


async def test_references_of_a_create_are_refused_together(desk: Desk) -> None:
    idle = await desk.a_doctor(is_active=False)
    consultation, _ = await desk.consultation()
    gone = await desk.patient(is_active=False)
    unknown = {"patient_id": str(uuid4()), "doctor_id": str(uuid4()), "consultation_id": str(uuid4())}
    told = refusal(await desk.call("POST", "/prescriptions", unknown))["detail"]
    assert [(one["loc"], one["type"]) for one in told] == [
        (["body", name], "unknown_reference") for name in ("patient_id", "doctor_id", "consultation_id")
    ]
    inactive = {"patient_id": gone, "doctor_id": idle}
    told = refusal(await desk.call("POST", "/prescriptions", inactive))["detail"]
    assert {(one["loc"][1], one["type"]) for one in told} == {
        ("patient_id", "inactive_reference"),
        ("doctor_id", "inactive_reference"),
    }
    mixed = {"patient_id": await desk.patient(), "doctor_id": desk.doctor, "consultation_id": consultation}
    assert (
        word(await desk.call("POST", "/prescriptions", mixed)) == "422 consultation_mismatch body.patient_id"
    )


async def test_a_consultation_may_have_several_manual_prescriptions(desk: Desk) -> None:
    consultation, patient = await desk.consultation()
    made = {await desk.draft(patient_id=patient, consultation_id=consultation) for _ in range(2)}
    read = await desk.ok("GET", f"/consultations/{consultation}")
    assert set(read["prescription_ids"]) == made
    assert (await desk.ok("GET", f"/prescriptions?consultation_id={consultation}"))["total"] == 2
    free = {"patient_id": patient, "doctor_id": desk.doctor, "origin": "consultation"}
    assert (await desk.ok("POST", "/prescriptions", free))["prescription"]["origin"] == "consultation"


async def test_metadata_is_changed_while_it_may_be(desk: Desk) -> None:
    id = await desk.draft(AMOXICILLIN)
    until = soon(10)
    body = {"notes": " Alergia? ", "valid_until": until, "prescription_type": "controlled"}
    read = await desk.ok("PATCH", f"/prescriptions/{id}", body)
    assert (read["notes"], read["valid_until"], read["prescription_type"]) == (
        "Alergia?",
        until,
        "controlled",
    )
    past = await desk.call("PATCH", f"/prescriptions/{id}", {"valid_until": soon(-1)})
    assert word(past) == "422 not_in_future body.valid_until"
    assert word(await desk.call("GET", f"/prescriptions/{uuid4()}")) == "404 resource_not_found"


async def test_a_list_is_filtered_sorted_and_paged(desk: Desk) -> None:
    patient = await desk.patient()
    ids = [await desk.draft(patient_id=patient) for _ in range(3)]
    await desk.step(ids[0], "cancelled")
    listed = await desk.ok("GET", f"/prescriptions?patient_id={patient}&limit=2")
    assert [row["id"] for row in listed["items"]] == [ids[2], ids[1]]
    assert (listed["total"], listed["limit"], listed["offset"]) == (3, 2, 0)
    assert all(set(row) >= ROW for row in listed["items"])
    assert (await desk.ok("GET", f"/prescriptions?patient_id={patient}&offset=9"))["items"] == []
    for query, count in (
        (f"doctor_id={desk.doctor}&status=draft&origin=manual", 2),
        ("status=cancelled", 1),
        ("origin=imported", 0),
        (f"doctor_id={uuid4()}", 0),
        (f"consultation_id={uuid4()}", 0),
        ("date_from=2020-01-01&date_to=2020-01-02", 0),
        ("date_from=2020-01-01&date_to=2099-01-01", 3),
    ):
        found = await desk.ok("GET", f"/prescriptions?patient_id={patient}&{query}")
        assert found["total"] == len(found["items"]) == count, query
    moment = listed["items"][1]["created_at"].replace("Z", "%2B00:00")
    exact = await desk.ok("GET", f"/prescriptions?patient_id={patient}&date_from={moment}&date_to={moment}")
    assert [row["id"] for row in exact["items"]] == [ids[1]]
    day = listed["items"][1]["created_at"][:10]
    assert (await desk.ok("GET", f"/prescriptions?patient_id={patient}&date_from={day}&date_to={day}"))[
        "total"
    ] == 3


async def test_a_row_says_what_the_detail_says(desk: Desk) -> None:
    id = await desk.up_to("submitted", AMOXICILLIN, LOSARTAN)
    read = await desk.read(id)
    (row,) = (await desk.ok("GET", f"/prescriptions?patient_id={read['patient_id']}"))["items"]
    assert (row.pop("items_count"), row.pop("safety_check_status")) == (2, read["safety_check"]["status"])
    assert row == {name: read[name] for name in row}


async def test_the_sample_item_of_the_document_is_matched(desk: Desk) -> None:
    id = await desk.draft()
    answer = await desk.call("POST", f"/prescriptions/{id}/items", AMOXICILLIN)
    item = answer.json()
    assert (answer.status_code, set(item) >= ITEM) == (201, True)
    assert {name: item[name] for name in AMOXICILLIN} == AMOXICILLIN
    assert (item["position"], item["prescription_id"], item["dispensed_quantity"]) == (1, id, 0)
    assert (item["match_status"], item["match_score"]) == ("exact", None)
    assert item["ingredients"] == ["AMOXICILINA"]
    assert (item["missing_fields"], item["source_text"], item["clinical_notes"]) == ([], None, None)


@pytest.mark.parametrize(
    ("name", "more", "match", "ingredients"),
    [
        ("losartana", {}, "exact", ["LOSARTANA"]),
        ("ÁCIDO ACETILSALICÍLICO", {}, "exact", ["ACIDO ACETILSALICILICO"]),
        ("Viagra", {}, "synonym", ["SILDENAFILA"]),
        ("Aspirina", {}, "synonym", ["ACIDO ACETILSALICILICO"]),
        ("Losartanax", {}, "probable", ["LOSARTANA"]),
        ("Xyzzyq", {}, "unmatched", []),
        ("Xyzzyq", {"active_ingredient": "losartana"}, "exact", ["LOSARTANA"]),
    ],
)
async def test_a_name_is_resolved_at_once(
    desk: Desk, name: str, more: dict[str, str], match: str, ingredients: list[str]
) -> None:
    id = await desk.draft()
    item = await desk.ok("POST", f"/prescriptions/{id}/items", drug(name, **more))
    assert (item["match_status"], item["ingredients"]) == (match, ingredients)
    assert (item["match_score"] is not None) == (match == "probable")
    if match == "probable":
        assert 0.6 <= item["match_score"] < 1


async def product(desk: Desk, query: str) -> dict[str, Any]:
    found = await desk.ok("POST", "/medications/search", {"query": query})
    return dict(found["results"][0])


async def test_a_link_to_the_drug_database_wins_over_names(desk: Desk) -> None:
    id, linked = await desk.draft(), await product(desk, "sildenafila")
    body = drug("Xyzzyq", cmed_medication_id=linked["medication_id"])
    item = await desk.ok("POST", f"/prescriptions/{id}/items", body)
    assert (item["match_status"], item["ingredients"]) == ("linked", ["SILDENAFILA"])
    assert item["cmed_medication_id"] == linked["medication_id"]
    path = f"/prescriptions/{id}/items/{item['id']}"
    both = await desk.ok("PATCH", path, {"active_ingredient": "losartana"})
    assert set(both["ingredients"]) == {"SILDENAFILA", "LOSARTANA"}
    unlinked = await desk.ok("PATCH", path, {"cmed_medication_id": None})
    assert (unlinked["match_status"], unlinked["ingredients"]) == ("exact", ["LOSARTANA"])


async def test_items_keep_their_positions(desk: Desk) -> None:
    id = await desk.draft(AMOXICILLIN, LOSARTAN, ASPIRIN)
    items = (await desk.read(id))["items"]
    assert [one["position"] for one in items] == [1, 2, 3]
    path = f"/prescriptions/{id}/items"
    assert (await desk.call("DELETE", f"{path}/{items[1]['id']}")).status_code == 204
    added = await desk.ok("POST", path, LOSARTAN)
    assert added["position"] == 4
    assert [one["position"] for one in (await desk.read(id))["items"]] == [1, 3, 4]
    for method in ("PATCH", "DELETE"):
        sent = [{"dosage": "1g"}] if method == "PATCH" else []
        assert word(await desk.call(method, f"{path}/{items[1]['id']}", *sent)) == "404 resource_not_found"
    elsewhere = await desk.draft()
    path = f"/prescriptions/{elsewhere}/items/{items[0]['id']}"
    assert word(await desk.call("PATCH", path, {"dosage": "1g"})) == "404 resource_not_found"


async def test_a_change_of_an_item_changes_what_was_sent(desk: Desk) -> None:
    id = await desk.draft(AMOXICILLIN | {"clinical_notes": "x"})
    before = (await desk.read(id))["items"][0]
    after = await desk.ok(
        "PATCH", f"/prescriptions/{id}/items/{before['id']}", {"dosage": "875mg", "quantity": 14}
    )
    assert {name for name in ITEM if before[name] != after[name]} == {"dosage", "quantity", "updated_at"}


async def test_only_what_matters_for_safety_asks_for_a_new_check(desk: Desk) -> None:
    id = await desk.draft(AMOXICILLIN)
    before = await desk.settled(id)
    path = f"/prescriptions/{id}/items/{before['items'][0]['id']}"
    await desk.ok("PATCH", path, {"instructions": "Com agua.", "clinical_notes": "INR"})
    kept = await desk.read(id)
    assert (kept["safety_check"]["status"], kept["safety_check"]["checked_at"]) == (
        "current",
        before["safety_check"]["checked_at"],
    )
    await desk.ok("PATCH", path, {"frequency": "6/6h"})
    checked = await desk.settled(id)
    assert checked["safety_check"]["checked_at"] > before["safety_check"]["checked_at"]
    await desk.ok("PATCH", f"/prescriptions/{id}", {"prescription_type": "controlled"})
    again = await desk.settled(id)
    assert again["safety_check"]["checked_at"] > checked["safety_check"]["checked_at"]


async def test_a_tenant_limits_the_number_of_items(desks: Any) -> None:
    narrow = await desks("narrow")
    id = await narrow.draft(AMOXICILLIN, LOSARTAN)
    assert word(await narrow.call("POST", f"/prescriptions/{id}/items", ASPIRIN)) == "409 items_limit"


async def test_the_last_item_of_a_reviewed_prescription_stays(desk: Desk) -> None:
    id = await desk.up_to("pending_review")
    item = (await desk.read(id))["items"][0]["id"]
    path = f"/prescriptions/{id}/items"
    assert word(await desk.call("DELETE", f"{path}/{item}")) == "409 last_item"
    await desk.ok("POST", path, LOSARTAN)
    assert (await desk.call("DELETE", f"{path}/{item}")).status_code == 204


async def test_a_draft_without_its_last_item_goes_on(desk: Desk) -> None:
    id = await desk.draft(AMOXICILLIN)
    path = f"/prescriptions/{id}/items"
    assert (await desk.call("DELETE", f"{path}/{(await desk.read(id))['items'][0]['id']}")).status_code == 204
    assert (await desk.read(id))["can_sign"] is False
    assert (await desk.ok("POST", path, LOSARTAN))["position"] == 2
    assert (await desk.settled(id))["can_sign"] is True

"""Checks, acknowledgements and what a re-check keeps (7, 4.3, 4.4)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.infrastructure import until
from tests.journey.delphos.desk import (
    AMOXICILLIN,
    ASPIRIN,
    LOSARTAN,
    NITRATE,
    SILDENAFIL,
    WARFARIN,
    Desk,
    drug,
    refusal,
    word,
)

FINDING = {
    *("id", "drug_a", "drug_b", "severity", "interaction_type", "description", "source", "recommendation"),
    *("ingredient_a", "ingredient_b", "item_ids", "other_prescription_id", "blocking", "acknowledged"),
    *("acknowledged_by", "acknowledged_at", "acknowledgement_reason", "acknowledged_severity", "detected_at"),
}
SEVERITIES = ("contraindicated", "critical", "major", "moderate", "minor")


def told(findings: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(one["interaction_type"], one["severity"]) for one in findings}


async def changed_patient(desk: Desk, id: str, **changes: Any) -> None:
    patient = (await desk.read(id))["patient_id"]
    body = await desk.ok("GET", f"/patients/{patient}")
    await desk.ok("PUT", f"/patients/{patient}", body | changes)


async def test_the_published_pair_is_found(desk: Desk) -> None:
    id = await desk.draft(drug("Marevan", active_ingredient="Varfarina Sódica"), ASPIRIN, LOSARTAN)
    result = await desk.checked(id)
    (one,) = (each for each in result["interactions"] if each["severity"] == "critical")
    items = (await desk.read(id))["items"]
    assert set(one) >= FINDING
    assert (one["drug_a"], one["drug_b"]) == ("VARFARINA SODICA", "ASPIRINA")
    assert (one["ingredient_a"], one["ingredient_b"]) == ("VARFARINA", "ACIDO ACETILSALICILICO")
    assert (one["interaction_type"], one["source"]) == ("pharmacodynamic", "tier1_matrix")
    assert one["item_ids"] == [items[0]["id"], items[1]["id"]]
    assert (one["blocking"], one["acknowledged"], one["other_prescription_id"]) == (True, False, None)
    assert (one["acknowledged_by"], one["acknowledged_at"], one["acknowledged_severity"]) == (
        None,
        None,
        None,
    )
    assert result["items_checked"] == 3
    assert result["ingredients_analyzed"] == ["VARFARINA SODICA", "ASPIRINA", "LOSARTANA"]
    assert (result["prescription_id"], result["safety_summary"]["passed"]) == (id, False)
    assert isinstance(result["knowledge_base_version"], str)
    read = await desk.read(id)
    assert read["interactions"] == result["interactions"]
    assert read["safety_summary"] == result["safety_summary"]
    assert read["safety_check"]["checked_at"] == result["checked_at"]
    assert (read["blocking_interactions_count"], read["can_sign"]) == (1, False)


async def test_nothing_is_checked_without_items(desk: Desk) -> None:
    id = await desk.draft()
    result = await desk.ok("POST", f"/prescriptions/{id}/safety-check", {})
    assert (result["interactions"], result["items_checked"], result["ingredients_analyzed"]) == ([], 0, [])
    assert result["safety_summary"]["passed"] is True
    assert (await desk.read(id))["can_sign"] is False
    assert (await desk.call("POST", f"/prescriptions/{id}/safety-check", {"x": 1})).status_code == 422
    assert word(await desk.call("POST", f"/prescriptions/{uuid4()}/safety-check")) == "404 resource_not_found"


async def test_findings_are_counted_by_severity_and_sorted(desk: Desk) -> None:
    id = await desk.draft(WARFARIN, ASPIRIN, SILDENAFIL, NITRATE, drug("Xyzzyq"), WARFARIN)
    result = await desk.checked(id)
    order = [SEVERITIES.index(one["severity"]) for one in result["interactions"]]
    assert order == sorted(order)
    for severity in SEVERITIES:
        count = sum(one["severity"] == severity for one in result["interactions"])
        assert result["safety_summary"][f"{severity}_count"] == count
    assert {("contraindicated"), ("critical"), ("major")} <= {
        one["severity"] for one in result["interactions"]
    }
    blocking = sum(one["severity"] in SEVERITIES[:2] for one in result["interactions"])
    read = await desk.read(id)
    assert (read["blocking_interactions_count"], read["pending_acknowledgements_count"]) == (
        blocking,
        len(result["interactions"]),
    )


@pytest.mark.parametrize(
    ("items", "finding", "source", "with_another"),
    [
        ((LOSARTAN, LOSARTAN), ("duplicate_therapy", "major"), "duplicate_rule", True),
        ((drug("Xyzzyq"),), ("unverified_medication", "major"), "catalog", False),
        ((drug("Losartanax"),), ("unverified_medication", "moderate"), "catalog", False),
    ],
)
async def test_each_kind_of_finding_has_its_source(
    desk: Desk, items: tuple[Any, ...], finding: tuple[str, str], source: str, with_another: bool
) -> None:
    found = (await desk.checked(await desk.draft(*items)))["interactions"]
    assert finding in told(found), found
    (one,) = [each for each in found if each["interaction_type"] == finding[0]]
    assert (one["source"], one["drug_b"] is not None) == (source, with_another)


@pytest.mark.parametrize(
    ("severity", "found"),
    [("severe", "contraindicated"), ("moderate", "critical"), ("unknown", "critical"), ("mild", "major")],
)
async def test_a_registered_allergy_is_a_finding(desk: Desk, severity: str, found: str) -> None:
    allergies = [{"ingredient": "Amoxicilina", "severity": severity, "reaction": None}]
    id = await desk.draft(AMOXICILLIN, patient_id=await desk.patient(allergies=allergies))
    (one,) = (await desk.checked(id))["interactions"]
    assert (one["interaction_type"], one["severity"], one["source"]) == ("allergy", found, "allergy_registry")
    assert one["drug_b"] == "AMOXICILINA"


async def test_a_change_of_allergies_checks_open_drafts_again(desk: Desk) -> None:
    id = await desk.draft(AMOXICILLIN)
    assert (await desk.settled(id))["interactions"] == []
    await changed_patient(desk, id, allergies=[{"ingredient": "amoxicilina", "severity": "severe"}])

    async def found() -> bool:
        return told((await desk.read(id))["interactions"]) == {("allergy", "contraindicated")}

    await until(found, 20)
    assert (await desk.settled(id))["can_sign"] is False


async def test_the_other_open_prescriptions_of_the_patient_are_compared(desk: Desk) -> None:
    first = await desk.up_to("signed", WARFARIN)
    patient = (await desk.read(first))["patient_id"]
    second = await desk.draft(ASPIRIN, patient_id=patient)
    (one,) = (await desk.checked(second))["interactions"]
    assert (one["other_prescription_id"], one["severity"]) == (first, "critical")
    assert one["item_ids"] == [(await desk.read(second))["items"][0]["id"]]
    await desk.step(first, "cancelled")

    async def gone() -> bool:
        return (await desk.read(second))["interactions"] == []

    await until(gone, 20)


async def test_two_drafts_are_not_compared(desk: Desk) -> None:
    patient = await desk.patient()
    await desk.draft(WARFARIN, patient_id=patient)
    second = await desk.draft(ASPIRIN, patient_id=patient)
    assert (await desk.checked(second))["interactions"] == []


async def test_an_acknowledgement_clears_the_way_and_keeps_who_and_why(desk: Desk) -> None:
    id, colleague = await desk.draft(WARFARIN, ASPIRIN), await desk.a_doctor()
    (finding,) = (await desk.checked(id))["interactions"]
    first = await desk.acknowledge(id, finding["id"], reason=" Stent recente. ")
    assert first.status_code == 200
    read = first.json()
    (one,) = read["interactions"]
    assert (one["acknowledged"], one["acknowledged_by"]) == (True, desk.doctor)
    assert (one["acknowledgement_reason"], one["acknowledged_severity"]) == ("Stent recente.", "critical")
    assert (read["can_sign"], read["safety_summary"]["passed"]) == (True, False)
    assert (read["blocking_interactions_count"], read["pending_acknowledgements_count"]) == (0, 0)
    again = await desk.acknowledge(id, finding["id"], acknowledged_by=colleague, reason="Outra.")
    assert (again.status_code, again.json()["interactions"], again.json()["version"]) == (
        200,
        read["interactions"],
        read["version"],
    )
    every = await desk.acknowledge(id)
    assert (every.status_code, every.json()["version"]) == (200, read["version"])


async def test_who_acknowledges_is_an_active_doctor(desk: Desk) -> None:
    id = await desk.draft(WARFARIN, ASPIRIN)
    (finding,) = (await desk.checked(id))["interactions"]
    for which in (finding["id"], ""):
        idle = await desk.a_doctor(is_active=False)
        answer = await desk.acknowledge(id, which, acknowledged_by=idle)
        assert word(answer) == "422 inactive_reference body.acknowledged_by"
        answer = await desk.acknowledge(id, which, acknowledged_by=str(uuid4()))
        assert word(answer) == "422 unknown_reference body.acknowledged_by"
    missing = await desk.call("POST", f"/prescriptions/{id}/interactions/acknowledge-all", {"reason": "x"})
    assert word(missing) == "422 missing body.acknowledged_by"
    assert word(await desk.acknowledge(id, str(uuid4()))) == "404 resource_not_found"
    assert (await desk.acknowledge(id, finding["id"], reason=None)).status_code == 200


async def test_a_contraindication_is_acknowledged_with_a_reason_only(desk: Desk) -> None:
    id = await desk.draft(SILDENAFIL, NITRATE, LOSARTAN, LOSARTAN)
    found = (await desk.checked(id))["interactions"]
    grave = next(one for one in found if one["severity"] == "contraindicated")
    for which in (grave["id"], ""):
        for reason in (None, "  "):
            answer = await desk.acknowledge(id, which, reason=reason)
            assert word(answer) == "422 reason_required body.reason", answer.text
    assert not any(one["acknowledged"] for one in (await desk.read(id))["interactions"])
    assert (await desk.acknowledge(id)).json()["pending_acknowledgements_count"] == 0


async def test_a_recheck_keeps_what_continues(desk: Desk) -> None:
    id = await desk.draft(WARFARIN, ASPIRIN)
    (finding,) = (await desk.checked(id))["interactions"]
    await desk.acknowledge(id, finding["id"])
    await desk.ok("POST", f"/prescriptions/{id}/items", LOSARTAN)
    kept = [one for one in (await desk.checked(id))["interactions"] if one["id"] == finding["id"]]
    assert [one["acknowledged"] for one in kept] == [True]
    assert kept[0]["detected_at"] == finding["detected_at"]


async def test_a_changed_item_makes_a_new_finding(desk: Desk) -> None:
    id = await desk.draft(WARFARIN, ASPIRIN)
    (finding,) = (await desk.checked(id))["interactions"]
    await desk.acknowledge(id, finding["id"])
    item = (await desk.read(id))["items"][0]["id"]
    await desk.ok("PATCH", f"/prescriptions/{id}/items/{item}", {"dosage": "10mg"})
    (fresh,) = (await desk.checked(id))["interactions"]
    assert (fresh["id"] != finding["id"], fresh["acknowledged"]) == (True, False)
    assert word(await desk.acknowledge(id, finding["id"])) == "404 resource_not_found"


async def test_a_graver_finding_is_a_new_one_and_a_milder_one_is_not(desk: Desk) -> None:
    allergies = [{"ingredient": "amoxicilina", "severity": "moderate"}]
    id = await desk.draft(AMOXICILLIN, patient_id=await desk.patient(allergies=allergies))
    (critical,) = (await desk.checked(id))["interactions"]
    await desk.acknowledge(id)
    await changed_patient(desk, id, allergies=[{"ingredient": "amoxicilina", "severity": "mild"}])
    (milder,) = (await desk.checked(id))["interactions"]
    assert (milder["id"], milder["severity"], milder["acknowledged"]) == (critical["id"], "major", True)
    assert milder["acknowledged_severity"] == "critical"
    await changed_patient(desk, id, allergies=[{"ingredient": "amoxicilina", "severity": "severe"}])
    (graver,) = (await desk.checked(id))["interactions"]
    assert (graver["severity"], graver["acknowledged"]) == ("contraindicated", False)
    assert graver["id"] != critical["id"]
    assert word(await desk.acknowledge(id, critical["id"])) == "404 resource_not_found"


async def test_an_allergy_to_something_else_is_another_finding(desk: Desk) -> None:
    allergies = [{"ingredient": "penicilinas", "severity": "moderate"}]
    id = await desk.draft(AMOXICILLIN, patient_id=await desk.patient(allergies=allergies))
    (to_class,) = (await desk.checked(id))["interactions"]
    await desk.acknowledge(id)
    await changed_patient(desk, id, allergies=[{"ingredient": "amoxicilina", "severity": "moderate"}])
    (to_itself,) = (await desk.checked(id))["interactions"]
    assert to_itself["severity"] == to_class["severity"]
    assert to_itself["ingredient_b"] != to_class["ingredient_b"]
    assert (to_itself["id"] != to_class["id"], to_itself["acknowledged"]) == (True, False)


async def test_a_check_is_made_before_signing_where_none_is_current(desk: Desk) -> None:
    id = await desk.draft(WARFARIN, ASPIRIN)
    for status in ("pending_review", "validated"):
        await desk.step(id, status)
    assert refusal(await desk.step(id, "signed"))["error"] == "unacknowledged_interactions"
    assert (await desk.read(id))["safety_check"]["status"] == "current"


async def test_a_cancelled_prescription_keeps_its_findings(desk: Desk) -> None:
    id = await desk.draft(WARFARIN, ASPIRIN)
    found = (await desk.checked(id))["interactions"]
    cancelled = (await desk.step(id, "cancelled")).json()
    assert cancelled["interactions"] == found
    assert cancelled["can_sign"] is False


async def test_texts_come_in_the_language_asked_for(desk: Desk) -> None:
    id = await desk.draft(WARFARIN, ASPIRIN)
    await desk.checked(id)
    said = set()
    for language in ("pt", "es", "en"):
        read = await desk.ok("GET", f"/prescriptions/{id}", accept_language=language)
        said.add(read["interactions"][0]["description"])
    assert len(said) == 3


async def test_what_nothing_answers_is_never_said_to_be_harmless(desk: Desk) -> None:
    """No list of controlled substances and no maximum is loaded (drug-safety 7.3, 7.4, 8)."""
    id = await desk.draft(drug("Diazepam"), drug("Xyzzyq"))
    result = await desk.checked(id)
    silent = {(one["check"], one["reason"]) for one in result["not_evaluated"]}
    assert {("controlled_substance", "list_missing"), ("dose", "no_maximum")} <= silent
    assert ("interaction", "ingredient_unresolved") in silent
    assert result["coverage"]["interaction"]["not_evaluated"] == 1
    read = (await desk.read(id))["safety_check"]
    assert (read["coverage"], read["not_evaluated"]) == (result["coverage"], result["not_evaluated"])

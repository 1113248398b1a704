"""What the step-by-step dialect shows of a prescription, member by member (delphos-dialect 4)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from contracts.values import (
    ActiveIngredient,
    Coverage,
    DispensationStatus,
    FieldChange,
    HistoryEntry,
    NotEvaluated,
    Prescription,
    Severity,
    Signature,
    Status,
    Void,
)
from services.gateway.messages import by_the_clock
from services.gateway.messages.delphos import findings, history, items, prescriptions, reader, safety
from services.gateway.messages.delphos.reader import Reader
from services.gateway.messages.delphos.words import Shown, moment
from tests import delphos
from tests import prescriptions as known

PT = Reader("pt", delphos.NAMES)

# Section 4.8 of the dialect, with what rulings 3.4 adds.
EXAMPLE = json.loads(
    """
{"id": "7b1f0c9e-2d34-4a6b-8c1d-5e6f7a8b9c0d", "status": "submitted", "version": 11,
 "patient_id": "d4e5f6a7-b8c9-0123-defa-234567890123", "doctor_id": "e5f6a7b8-c9d0-1234-efab-345678901234",
 "consultation_id": null, "template_id": null, "origin": "manual", "prescription_type": "standard",
 "notes": "Patient reports difficulty swallowing tablets.", "valid_until": "2026-05-14T23:59:00Z",
 "items": [
   {"id": "11a7c6d2-9f0b-4c55-8f3e-6a1b2c3d4e01", "prescription_id": "7b1f0c9e-2d34-4a6b-8c1d-5e6f7a8b9c0d",
    "position": 1, "medication_name": "Marevan", "active_ingredient": "VARFARINA SODICA", "dosage": "5mg",
    "route": "oral", "frequency": "24/24h", "duration": "30 dias", "quantity": 30, "unit": "comprimidos",
    "instructions": "Tomar 1 comprimido a noite.", "clinical_notes": "INR em 7 dias.",
    "cmed_medication_id": "0d5b2f6e-77a1-4d0c-9d55-3f1e2a4b5c66", "match_status": "linked",
    "match_score": null, "ingredients": ["VARFARINA SODICA"], "missing_fields": [], "source_text": null,
    "suggestions": [], "dispensed_quantity": 30,
    "created_at": "2026-04-14T14:50:02Z", "updated_at": "2026-04-14T14:50:02Z"},
   {"id": "11a7c6d2-9f0b-4c55-8f3e-6a1b2c3d4e02", "prescription_id": "7b1f0c9e-2d34-4a6b-8c1d-5e6f7a8b9c0d",
    "position": 2, "medication_name": "Aspirina", "active_ingredient": null, "dosage": "100mg",
    "route": "oral", "frequency": "24/24h", "duration": "30 dias", "quantity": 30, "unit": "comprimidos",
    "instructions": null, "clinical_notes": null, "cmed_medication_id": null, "match_status": "synonym",
    "match_score": null, "ingredients": ["ACIDO ACETILSALICILICO"], "missing_fields": [],
    "source_text": null, "suggestions": [], "dispensed_quantity": 0,
    "created_at": "2026-04-14T14:50:40Z", "updated_at": "2026-04-14T14:50:40Z"}],
 "interactions": [
   {"id": "c2a4b9d8-1e5f-4d27-8b63-91f0d3a6e702", "drug_a": "VARFARINA SODICA", "drug_b": "ASPIRINA",
    "severity": "critical", "interaction_type": "pharmacodynamic",
    "description": "Risco de sangramento aumentado.", "source": "tier1_matrix",
    "rule_id": "f:acetylsalicylic-acid:warfarin",
    "recommendation": "Evitar a associacao ou monitorar o INR.", "ingredient_a": "VARFARINA SODICA",
    "ingredient_b": "ACIDO ACETILSALICILICO",
    "item_ids": ["11a7c6d2-9f0b-4c55-8f3e-6a1b2c3d4e01", "11a7c6d2-9f0b-4c55-8f3e-6a1b2c3d4e02"],
    "other_prescription_id": null, "blocking": true, "assumed": false, "assumptions": [], "suggestions": [],
    "acknowledged": true, "acknowledged_by": "e5f6a7b8-c9d0-1234-efab-345678901234",
    "acknowledged_at": "2026-04-14T14:58:30Z", "acknowledgement_reason": "Stent recente; INR semanal.",
    "acknowledged_severity": "critical", "detected_at": "2026-04-14T14:50:41Z"}],
 "safety_summary": {"passed": false, "critical_count": 1, "contraindicated_count": 0, "major_count": 0,
   "moderate_count": 0, "minor_count": 0},
 "safety_check": {"status": "current", "checked_at": "2026-04-14T14:50:41Z",
   "knowledge_base_version": "2026.03.1", "coverage": {}, "not_evaluated": []},
 "can_sign": false, "blocking_interactions_count": 0, "pending_acknowledgements_count": 0,
 "signed_by": "e5f6a7b8-c9d0-1234-efab-345678901234", "signed_at": "2026-04-14T15:02:26Z",
 "signature": {"status": "completed", "profile": "rx-sign/1", "algorithm": "ES256",
   "document_sha256": "9f2c6f1f0b8c4f0e5d7a1b3c2d4e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70",
   "certificate_sha256": "4be1c0d9a8f7e6d5c4b3a29180706f5e4d3c2b1a0f9e8d7c6b5a493827160504",
   "timestamped_at": "2026-04-14T15:02:26Z", "failure": null},
 "prescription_code": "RX-2026-9182407133560285", "submitted_at": "2026-04-14T15:03:10Z",
 "dispensed_at": null, "cancelled_at": null, "cancel_reason": null,
 "dispensations": [
   {"id": "019d8f0a-5b80-7c3e-9a55-2b6c8d4e0f11", "status": "completed", "source": "dispensing",
    "pharmacy": "Farmacia Central", "started_at": "2026-04-15T09:12:00Z", "ended_at": "2026-04-15T09:14:31Z",
    "items": [{"item_id": "11a7c6d2-9f0b-4c55-8f3e-6a1b2c3d4e01", "quantity": 30}]}],
 "created_at": "2026-04-14T14:49:00Z", "updated_at": "2026-04-15T09:14:31Z"}
"""
)


def sent(shown: Shown) -> dict[str, Any]:
    """As a client reads it."""
    body: dict[str, Any] = json.loads(shown.body())
    return body


def detail(state: Prescription, by: Reader = PT) -> dict[str, Any]:
    return sent(prescriptions.detail(state, by))


def interactions(state: Prescription, by: Reader = PT) -> list[dict[str, Any]]:
    return [sent(one) for one in findings.render(state.findings, state.items, by)]


def test_the_example_of_the_dialect_is_shown_to_the_letter():
    assert detail(delphos.submitted()) == EXAMPLE


def test_a_new_draft_leaves_out_no_member_and_has_passed_nothing():
    shown = detail(delphos.draft())

    assert shown.keys() == EXAMPLE.keys()
    assert (shown["version"], shown["safety_check"]["status"]) == (1, "never_run")
    assert shown["safety_check"]["coverage"] is None
    assert (shown["safety_summary"]["passed"], shown["can_sign"]) == (False, False)
    assert (shown["items"], shown["interactions"], shown["dispensations"]) == ([], [], [])
    assert shown["signature"] is None


def test_a_row_means_the_same_as_the_detail():
    state = delphos.submitted()
    whole, row = detail(state), sent(prescriptions.row(state))

    assert (row.pop("items_count"), row.pop("safety_check_status")) == (2, "current")
    assert row == {name: whole[name] for name in row}
    assert len(row) == 19


def test_a_moment_keeps_its_microseconds_and_drops_a_fraction_of_zero():
    at = datetime(2026, 4, 14, 14, 51, 11, 204_000, tzinfo=UTC)

    assert moment(at) == "2026-04-14T14:51:11.204000Z"
    assert moment(at.replace(microsecond=0)) == "2026-04-14T14:51:11Z"


@pytest.mark.parametrize(
    ("changes", "can"),
    [
        ({}, True),
        ({"status": Status.DRAFT}, True),
        ({"status": Status.SIGNED}, False),
        ({"status": Status.CANCELLED}, False),
        ({"items": ()}, False),
        ({"safety_check_status": "stale"}, False),
        ({"safety_check_status": "pending"}, False),
        ({"findings": (delphos.finding(),)}, False),
        ({"findings": (delphos.finding(severity=Severity.MAJOR, blocking=False),)}, True),
    ],
)
def test_it_can_be_signed_when_nothing_clinical_is_in_the_way(changes, can):
    state = delphos.submitted(status=Status.VALIDATED).model_copy(update=changes)

    assert detail(state)["can_sign"] is can


def test_acknowledging_clears_the_way_but_does_not_make_it_pass():
    open_one = delphos.submitted(status=Status.VALIDATED, findings=(delphos.finding(),))
    answered = delphos.submitted(status=Status.VALIDATED)

    before, after = (detail(one) for one in (open_one, answered))

    assert [one["blocking_interactions_count"] for one in (before, after)] == [1, 0]
    assert [one["pending_acknowledgements_count"] for one in (before, after)] == [1, 0]
    assert [one["safety_summary"]["passed"] for one in (before, after)] == [False, False]
    assert [one["safety_summary"]["critical_count"] for one in (before, after)] == [1, 1]


def test_without_findings_it_has_passed_only_while_the_check_is_current():
    clean = delphos.submitted(status=Status.DRAFT, findings=())

    assert safety.summary(clean).passed is True
    assert safety.summary(clean.model_copy(update={"safety_check_status": "stale"})).passed is False


def test_findings_come_most_severe_first_then_by_drugs_and_id():
    grave, minor = UUID(int=9), UUID(int=1)
    found = (
        delphos.finding(finding_id=minor, severity=Severity.MINOR, blocking=False),
        delphos.finding(),
        delphos.finding(finding_id=grave, severity=Severity.CONTRAINDICATED),
        delphos.finding(finding_id=UUID(int=2), item_ids=(delphos.ASPIRIN,), drug_b="X"),
    )
    shown = interactions(delphos.submitted(findings=found))

    assert [one["id"] for one in shown] == [
        str(grave),
        str(UUID(int=2)),
        str(delphos.FINDING),
        str(minor),
    ]


@pytest.mark.parametrize(
    ("changes", "drug"),
    [
        ({}, "VARFARINA SODICA"),
        ({"active_ingredient": "Varfarina sódica"}, "VARFARINA SODICA"),
        ({"active_ingredient": None}, "MAREVAN"),
        (
            {
                "active_ingredient": None,
                "product": known.PARACETAMOL.model_copy(
                    update={"active_ingredients": (ActiveIngredient(ingredient="warfarin", name="w"),)}
                ),
            },
            "VARFARINA SODICA",
        ),
        ({"active_ingredient": "Dorflex", "ingredients": ("warfarin", "caffeine")}, "VARFARINA"),
    ],
)
def test_a_drug_is_named_in_the_words_of_its_item(changes, drug):
    found = delphos.finding(drug_a="VARFARINA")
    state = delphos.submitted(items=(delphos.warfarin(**changes), delphos.aspirin()), findings=(found,))

    (shown,) = interactions(state)

    assert shown["drug_a"] == drug


def test_the_item_of_lower_position_is_named_first_whatever_the_order_of_ids():
    found = delphos.finding(item_ids=(delphos.ASPIRIN, delphos.WARFARIN))

    (shown,) = interactions(delphos.submitted(findings=(found,)))

    assert (shown["drug_a"], shown["drug_b"]) == ("VARFARINA SODICA", "ASPIRINA")


def test_a_drug_of_another_prescription_has_the_name_of_the_catalogue():
    other = UUID(int=5)
    found = delphos.finding(item_ids=(delphos.WARFARIN,), other_prescription_id=other)

    (shown,) = interactions(delphos.submitted(findings=(found,)))

    assert (shown["drug_b"], shown["other_prescription_id"]) == ("ACIDO ACETILSALICILICO", str(other))


def test_a_finding_about_one_drug_has_no_second():
    found = delphos.finding(
        interaction_type="unverified_medication",
        ingredients=(),
        drug_a="Aspirina",
        drug_b=None,
        item_ids=(delphos.ASPIRIN,),
    )
    (shown,) = interactions(delphos.submitted(findings=(found,)))

    assert (shown["drug_a"], shown["drug_b"]) == ("ASPIRINA", None)
    assert (shown["ingredient_a"], shown["ingredient_b"]) == (None, None)


def test_an_allergy_names_the_allergen():
    found = delphos.finding(interaction_type="allergy", item_ids=(delphos.ASPIRIN,), drug_b="Dipirona")

    (shown,) = interactions(delphos.submitted(findings=(found,)))

    assert (shown["drug_a"], shown["drug_b"]) == ("ASPIRINA", "DIPIRONA")


def test_texts_come_in_the_readers_language_else_in_english():
    state = delphos.submitted()

    assert [interactions(state, Reader(language))[0]["description"] for language in ("pt", "es", "en")] == [
        "Risco de sangramento aumentado.",
        "More risk of bleeding.",
        "More risk of bleeding.",
    ]


def test_a_check_that_was_asked_for_says_what_it_looked_at_and_what_it_could_not_answer():
    unknown = delphos.aspirin(
        item_id=UUID(int=3), position=3, medication_name="Fantasiol", match_status="unmatched", ingredients=()
    )
    twice = delphos.aspirin(item_id=UUID(int=4), position=4)
    gap = NotEvaluated(
        check="interaction",
        item_ids=(UUID(int=3),),
        reason="ingredient_unresolved",
        suggestions=("fentanyl",),
    )
    state = delphos.submitted(
        items=(delphos.warfarin(), delphos.aspirin(), unknown, twice),
        coverage={"interaction": Coverage(evaluated=1, not_evaluated=1)},
        not_evaluated=(gap,),
    )

    shown = sent(safety.result(state, PT))

    assert (shown["items_checked"], shown["ingredients_analyzed"]) == (4, ["VARFARINA SODICA", "ASPIRINA"])
    assert shown["coverage"] == {"interaction": {"evaluated": 1, "not_evaluated": 1, "recorded": None}}
    assert shown["not_evaluated"] == [
        {
            "check": "interaction",
            "item_ids": [str(UUID(int=3))],
            "reason": "ingredient_unresolved",
            "suggestions": ["fentanyl"],
        }
    ]
    assert shown["knowledge_base_version"] == "2026.03.1"


def test_nothing_to_check_has_passed():
    shown = sent(safety.result(delphos.draft(safety_check_status="current", checked_at=delphos.AT), PT))

    assert (shown["items_checked"], shown["interactions"], shown["ingredients_analyzed"]) == (0, [], [])
    assert shown["safety_summary"]["passed"] is True


def test_an_item_of_the_other_dialect_shows_its_sentence_as_frequency_and_the_rest_from_the_catalogue():
    product = known.PARACETAMOL.model_copy(update={"strength": "500 mg", "route": "oral"})
    state = known.prescription(items=(known.item(product=product, ingredients=("paracetamol",)),))

    shown = detail(state, Reader("es", {"paracetamol": "PARACETAMOL"}))
    (item,) = shown["items"]

    assert (item["dosage"], item["route"], item["frequency"]) == ("500 mg", "oral", "1 tablet every 8h")
    assert (item["duration"], item["missing_fields"]) == ("10 días", [])
    assert (item["ingredients"], item["created_at"]) == (["PARACETAMOL"], "2026-06-25T16:00:00Z")
    assert (shown["origin"], shown["signature"]["status"]) == ("manual", "completed")
    assert (shown["submitted_at"], shown["prescription_code"]) == ("2026-06-25T16:00:00Z", known.CODE)


def test_fields_that_an_automatic_draft_lacks_are_named():
    shown = items.render(delphos.draft(), delphos.aspirin(route=None, frequency=None), PT)

    assert shown.missing_fields == ["route", "frequency"]


def test_only_a_guess_has_a_score():
    guess = delphos.aspirin(match_status="probable", match_score=0.71)

    assert items.render(delphos.draft(), guess, PT).match_score == 0.71
    assert items.render(delphos.draft(), delphos.aspirin(match_score=1.0), PT).match_score is None


def test_a_code_is_shown_from_the_signature_on_and_not_for_a_failed_one():
    failed = Signature(
        status="failed",
        signed_by=delphos.DOCTOR,
        asked_at=delphos.at("15:02:25"),
        failure="signing_refused",
        failed_at=delphos.at("15:02:26"),
    )
    kept = delphos.submitted(
        status=Status.VALIDATED, signed_by=None, signed_at=None, seal=None, issued_at=None, signature=failed
    )
    signed = delphos.submitted(status=Status.SIGNED, issued_at=None)

    shown = detail(kept)

    assert (shown["prescription_code"], shown["signature"]["status"]) == (None, "failed")
    assert shown["signature"]["failure"]["error"] == "signing_refused"
    assert shown["signature"]["failure"]["at"] == "2026-04-14T15:02:26Z"
    assert detail(signed)["prescription_code"] == "RX-2026-9182407133560285"


def test_a_cancelled_one_keeps_all_and_its_signature_is_void():
    void = Void(reason="Wrong patient.", reason_code="PRESCRIBER_DECISION", voided_at=delphos.at("16:00:00"))
    shown = detail(known.prescription(status=Status.CANCELLED, void=void))

    assert (shown["cancelled_at"], shown["cancel_reason"]) == ("2026-04-14T16:00:00Z", "Wrong patient.")
    assert (shown["signature"]["status"], shown["prescription_code"]) == ("void", known.CODE)


def test_a_cancelled_dispensation_ended_when_it_was_cancelled():
    one = delphos.dispensation(status=DispensationStatus.CANCELLED, cancelled_at=delphos.at("10:00:00", 15))

    (shown,) = detail(delphos.submitted(dispensations=(one,)))["dispensations"]

    assert (shown["status"], shown["ended_at"]) == ("cancelled", "2026-04-15T10:00:00Z")


def test_what_is_over_is_seen_the_moment_it_is_due():
    state = by_the_clock.as_of(delphos.submitted(), datetime(2026, 5, 14, 23, 59, tzinfo=UTC))

    assert prescriptions.row(state).status is Status.EXPIRED


def test_history_names_keys_by_their_first_characters_and_pharmacies_not_at_all():
    entry = HistoryEntry(
        revision=10,
        at=delphos.at("15:02:26"),
        what="status_changed",
        actor="rcp_live_Qm7xT2a",
        request_id=known.REQUEST,
        data={
            "version": 8,
            "actor_type": "api_key",
            "doctor_id": str(delphos.DOCTOR),
            "dialect": "delphos",
            "from_status": "validated",
            "to_status": "signed",
        },
        changes=(FieldChange(field="signed_by", new=str(delphos.DOCTOR)),),
    )
    by_pharmacy = entry.model_copy(
        update={"actor": "sol", "data": {"version": 9, "actor_type": "pharmacy", "dialect": "osigu"}}
    )

    assert sent(history.line(7, entry, (), PT)) == {
        "seq": 7,
        "at": "2026-04-14T15:02:26Z",
        "action": "status_changed",
        "actor": {
            "type": "api_key",
            "key_prefix": "rcp_live_Qm7xT2a",
            "client": None,
            "doctor_id": str(delphos.DOCTOR),
        },
        "request_id": str(known.REQUEST),
        "dialect": "delphos",
        "version": 8,
        "from_status": "validated",
        "to_status": "signed",
        "changes": [{"field": "signed_by", "old": None, "new": str(delphos.DOCTOR)}],
        "findings": [],
        "coverage": None,
        "not_evaluated": None,
        "error": None,
    }
    shown = sent(history.line(8, by_pharmacy, (), PT))
    assert shown["actor"] == {"type": "pharmacy", "key_prefix": None, "client": None, "doctor_id": None}


@pytest.mark.parametrize(
    ("sent_header", "language"),
    [
        (None, "es"),
        ("", "es"),
        ("en", "en"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt"),
        ("fr, en;q=0.5, pt;q=0.7", "pt"),
        ("en;q=0", "es"),
        ("de", "es"),
        ("en;q=nonsense, *;q=0.1", "es"),
    ],
)
def test_the_language_is_the_readers_first_else_the_tenants(sent_header, language):
    assert reader.language(sent_header, "es") == language


def test_history_tells_of_items_in_the_members_of_this_dialect():
    item = delphos.warfarin(duration_days=30)
    path = f"items.{item.item_id}"
    entry = HistoryEntry(
        revision=2,
        at=delphos.AT,
        what="item_added",
        actor="rcp_live_Qm7xT2a",
        changes=(
            FieldChange(field=path, new=item.model_dump(mode="json")),
            FieldChange(field=f"{path}.ingredients", old=["warfarin"], new=[]),
            FieldChange(field=f"{path}.duration_days", old=30, new=7),
            FieldChange(field="valid_until", new="2027-05-14T23:59:00+00:00"),
        ),
    )
    whole, ingredients, valid_until = sent(history.line(1, entry, (), PT))["changes"]
    read = sent(items.render(delphos.draft(), item, PT))

    assert whole["new"] == {name: read[name] for name in whole["new"]}
    assert "duration_days" not in whole["new"]
    assert (ingredients["old"], ingredients["new"]) == (["VARFARINA SODICA"], [])
    assert valid_until["new"] == "2027-05-14T23:59:00Z"

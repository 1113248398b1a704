"""What the Osigu dialect shows of a prescription, from the state that prescription announces."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.command_outcomes import Refusal
from contracts.values import Coverage, DispensationStatus, NotEvaluated, Severity, Status
from services.gateway.messages import by_the_clock, dispensations, outcomes, prescriptions
from services.gateway.messages.requests import Asked, Request
from tests import prescriptions as known

COMPLETED = known.dispensation(
    status=DispensationStatus.COMPLETED, completed_at=datetime(2026, 6, 26, 10, 21, 40, tzinfo=UTC)
)
PARTLY = known.prescription(
    items=(known.item(dispensed_quantity=20, remaining_quantity=10),), dispensations=(COMPLETED,)
)


def request(kind: str = "recepta.prescription.issue.v1", **context: object) -> Request:
    asked = Asked(known.REQUEST, known.TENANT, "clinic-ehr", "POST", "/ehr/v1/prescriptions", b"digest")
    return Request(
        asked, kind, known.AT, known.PRESCRIPTION, {"base_url": "https://rx.example.org", **context}
    )


def test_the_answer_to_a_create_names_the_prescription_its_code_and_where_it_is():
    answer = outcomes.success(known.succeeded(), request())

    assert (answer.status, dict(answer.headers)) == (
        201,
        {"Location": "/ehr/v1/prescriptions/rx_01KVZR4X00EJKBAZVWGGX6KGXH"},
    )
    assert answer.body == {
        "prescription_id": "rx_01KVZR4X00EJKBAZVWGGX6KGXH",
        "prescription_code": "RX-2026-9182407133560285",
        "status": "PRESCRIPTION_ISSUED",
        "created_at": "2026-06-25T16:00:00Z",
        "version": "v1",
        "issued_at": "2026-06-25T16:00:00Z",
        "valid_until": "2026-07-26T05:59:59Z",
        "safety_findings": [],
        "safety_coverage": {},
        "safety_not_evaluated": [],
        "unmatched_acknowledgements": [],
    }


def test_a_finding_names_fields_of_the_request_and_speaks_the_providers_language():
    items = (known.item(), known.item(item_id=known.SECOND_ITEM, position=2, product=known.GENERIC))
    state = known.prescription(
        items=items,
        findings=(known.finding(acknowledged=True),),
        coverage={"interaction": Coverage(evaluated=1, not_evaluated=1)},
        not_evaluated=(
            NotEvaluated(check="interaction", item_ids=(known.SECOND_ITEM,), reason="ingredient_unresolved"),
        ),
        unmatched_acknowledgements=("k1:none",),
    )

    body = outcomes.success(known.succeeded(state), request()).body

    assert isinstance(body, dict)
    assert body["safety_findings"] == [
        {
            "finding_key": "k1:critical:8d2f60c1",
            "interaction_type": "pharmacodynamic",
            "severity": "critical",
            "blocking": True,
            "acknowledged": True,
            "drug_a": "VARFARINA SODICA",
            "drug_b": "ASPIRINA",
            "paths": ["medications[0]", "medications[1]"],
            "products": ["MED-042", "MED-043"],
            "description": "Riesgo de sangrado.",
            "recommendation": "Evitar.",
            "source": "tier1_matrix",
        }
    ]
    assert body["safety_coverage"] == {"interaction": {"evaluated": 1, "not_evaluated": 1}}
    assert body["safety_not_evaluated"] == [
        {
            "check": "interaction",
            "paths": ["medications[1]"],
            "reason": "ingredient_unresolved",
            "suggestions": [],
        }
    ]
    assert body["unmatched_acknowledgements"] == ["k1:none"]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (known.prescription(status=Status.DRAFT), "PRESCRIPTION_DRAFT"),
        (known.prescription(status=Status.PENDING_REVIEW), "PRESCRIPTION_PENDING"),
        (known.prescription(status=Status.VALIDATED), "PRESCRIPTION_PENDING"),
        (known.prescription(status=Status.SIGNED), "PRESCRIPTION_PENDING"),
        (known.prescription(), "PRESCRIPTION_ISSUED"),
        (PARTLY, "PRESCRIPTION_PARTIALLY_DISPENSED"),
        (known.prescription(status=Status.DISPENSED), "PRESCRIPTION_DISPENSED"),
        (known.voided(), "PRESCRIPTION_VOIDED"),
        (known.prescription(status=Status.EXPIRED), "PRESCRIPTION_EXPIRED"),
    ],
)
def test_each_state_has_its_word(state, status):
    assert prescriptions.read(state)["status"] == status


def test_a_draft_shows_no_code_and_no_seal():
    draft = known.prescription(status=Status.DRAFT, issued_at=None, seal=None, signed_document_id=None)

    shown = prescriptions.read(draft)

    assert (shown["prescription_code"], shown["code"], shown["signature"]) == (None, None, None)
    assert shown["medications"][0]["prescription_item_code"] is None


def test_the_full_read_has_the_members_of_the_public_example():
    shown = prescriptions.read(PARTLY)

    assert shown["patient"]["document_number"] == "1000000001"
    assert shown["doctor"] == {
        "doctor_id": "doc_01KVZR0000E008000000000010",
        "medical_board_registration": "MP-12345",
        "name": "Marta Ruiz Soler",
        "medical_license_number": "12345",
        "specialty_name": "Medicina general",
    }
    assert shown["diagnoses"] == [
        {
            "diagnosis_code": "R51",
            "code": "R51",
            "coding_system": "ICD-10",
            "description": "Cefalea",
            "type": None,
        }
    ]
    assert shown["signature"] == "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"
    assert shown["dispensations"] == [
        {
            "dispensation_id": shown["dispensations"][0]["dispensation_id"],
            "status": "COMPLETED",
            "pharmacy": {"provider_slug": "farmacia-sol", "branch_id": None},
            "started_at": "2026-06-26T10:15:00Z",
            "completed_at": "2026-06-26T10:21:40Z",
        }
    ]


def test_what_a_pharmacy_handed_over_is_in_the_log_of_the_item():
    medication = prescriptions.read(PARTLY)["medications"][0]

    assert (medication["dispensation_status"], medication["remaining_quantity"]) == (
        "PARTIALLY_DISPENSED",
        10,
    )
    assert medication["prescription_item_dispensation_logs"] == [
        {
            "prescription_item_code": "RX-2026-9182407133560285-01",
            "action_slug_registered": "dispensation-completed",
            "dispensation_status": "PARTIALLY_DISPENSED",
            "dispensed_quantity": 20,
            "substitution_reason": None,
            "substitution_description": None,
            "dispensation_product_id": "MED-042",
            "dispensation_product_name": "Paracetamol 500 mg tablets",
            "lock_reason": None,
            "lock_description": None,
            "void_reason": None,
            "created_at": "2026-06-26T10:21:40Z",
            "created_by": "farmacia-sol",
        }
    ]


def test_what_was_taken_back_and_what_the_void_ended_are_logged_in_their_order():
    taken_back = COMPLETED.model_copy(
        update={
            "status": DispensationStatus.CANCELLED,
            "previous_status": DispensationStatus.COMPLETED,
            "cancelled_at": datetime(2026, 6, 26, 12, 0, tzinfo=UTC),
            "void_reason": "REFUND",
        }
    )

    medication = prescriptions.read(known.voided(dispensations=(taken_back,)))["medications"][0]

    assert medication["dispensation_status"] == "SUSPENDED"
    assert [
        (one["action_slug_registered"], one["dispensation_status"], one["void_reason"], one["created_by"])
        for one in medication["prescription_item_dispensation_logs"]
    ] == [
        ("dispensation-completed", "PARTIALLY_DISPENSED", None, "farmacia-sol"),
        ("dispensation-cancelled", "DISPENSABLE", "REFUND", "farmacia-sol"),
        ("prescription-voided", "SUSPENDED", "PRESCRIBER_DECISION", "clinica-norte"),
    ]


def test_a_substitute_shows_in_status_and_log():
    line = COMPLETED.lines[0].model_copy(
        update={
            "quantity": 30,
            "substitute": known.GENERIC,
            "substitute_quantity": 30,
            "substitution_reason": "Not in the shop today",
        }
    )
    state = known.prescription(
        status=Status.DISPENSED,
        items=(known.item(dispensed_quantity=30, remaining_quantity=0, substituted=True),),
        dispensations=(COMPLETED.model_copy(update={"lines": (line,)}),),
    )

    medication = prescriptions.read(state)["medications"][0]
    entry = medication["prescription_item_dispensation_logs"][0]

    assert medication["dispensation_status"] == "SUBSTITUTED"
    assert (entry["dispensation_product_id"], entry["substitution_reason"]) == ("MED-043", "OTHER")
    assert entry["substitution_description"] == "Not in the shop today"


def test_an_item_of_the_other_dialect_without_quantity_counts_as_dispensed_once():
    ordered = known.item(
        product=None,
        quantity=None,
        remaining_quantity=None,
        posology=None,
        dosage="500 mg",
        route="oral",
        frequency="every 8 h",
        duration="10 days",
    )
    shown = prescriptions.read(known.prescription(items=(ordered,)))["medications"][0]
    after = prescriptions.read(
        known.prescription(
            status=Status.DISPENSED,
            items=(ordered.model_copy(update={"dispensed_quantity": 1, "remaining_quantity": 0}),),
        )
    )["medications"][0]

    assert (shown["product_code"], shown["posology"]) == (None, "500 mg, oral, every 8 h, 10 days")
    assert (shown["dispensation_status"], shown["remaining_quantity"]) == ("DISPENSABLE", None)
    assert (after["dispensation_status"], after["remaining_quantity"]) == ("DISPENSED", 0)


def test_what_is_over_reads_expired_before_anybody_says_so():
    over = known.AT + timedelta(days=40)

    shown = prescriptions.read(by_the_clock.as_of(known.prescription(), over))

    assert shown["status"] == "PRESCRIPTION_EXPIRED"
    assert shown["medications"][0]["dispensation_status"] == "EXPIRED"
    assert [
        (one["action_slug_registered"], one["created_at"])
        for one in shown["medications"][0]["prescription_item_dispensation_logs"]
    ] == [("prescription-expired", "2026-07-26T05:59:59Z")]


def test_a_live_claim_holds_off_expiry_until_it_times_out():
    started = datetime(2026, 7, 26, 5, 50, tzinfo=UTC)
    held = known.dispensation(started_at=started, expires_at=started + timedelta(minutes=30))
    state = known.prescription(dispensations=(held,))

    during = by_the_clock.as_of(state, started + timedelta(minutes=20))
    after = by_the_clock.as_of(state, started + timedelta(minutes=31))

    assert (during.status, prescriptions.row(during)["dispensing_in_progress"]) == (Status.SUBMITTED, True)
    assert (after.status, after.expired_at) == (Status.EXPIRED, held.expires_at)
    assert prescriptions.read(after)["dispensations"][0]["status"] == "EXPIRED"


def test_a_void_answers_with_its_reason():
    answer = outcomes.success(known.succeeded(known.voided()), request("recepta.prescription.void.v1"))

    assert (answer.status, answer.body) == (
        200,
        {
            "prescription_id": "rx_01KVZR4X00EJKBAZVWGGX6KGXH",
            "prescription_code": "RX-2026-9182407133560285",
            "status": "PRESCRIPTION_VOIDED",
            "voided_at": "2026-06-27T08:00:00Z",
            "reason": "Patient reports rash.",
            "reason_code": "PRESCRIBER_DECISION",
        },
    )


@pytest.mark.parametrize(
    ("context", "destination"),
    [({}, "a***@example.org"), ({"masked_destination": "b***@example.net"}, "b***@example.net")],
)
def test_a_resend_says_where_the_mail_goes_without_saying_whose_it_is(context, destination):
    answer = outcomes.success(known.succeeded(), request("recepta.prescription.resend.v1", **context))

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["status"]) == (200, "QUEUED")
    assert answer.body["masked_destination"] == destination


def test_a_list_row_has_no_clinical_content():
    row = prescriptions.row(known.prescription())

    assert row["patient"] == {
        "patient_id": "pat_01KVZR0000E00800000000000G",
        "first_name": "Ana",
        "last_name": "López",
    }
    assert not {"medications", "diagnoses", "notes", "safety_findings"} & set(row)


def test_a_safety_refusal_shows_all_findings_and_where_to_acknowledge():
    minor = known.finding(severity=Severity.MINOR, blocking=False, finding_key="k1:minor:00")
    outcome = known.refused(
        "safety_blocked",
        message="1 finding must be acknowledged.",
        data={
            "findings": [one.model_dump(mode="json") for one in (known.finding(), minor)],
            "coverage": {"interaction": {"evaluated": 1, "not_evaluated": 0, "recorded": None}},
            "not_evaluated": [],
        },
        refusals=(
            Refusal(
                path="medications[1]",
                code="safety_blocked",
                message="Acknowledge the finding or change the item.",
                data={"finding_key": "k1:critical:8d2f60c1"},
            ),
        ),
    )
    asked = request(language="en", lines=[[str(known.ITEM), "MED-107"], [str(known.SECOND_ITEM), "MED-311"]])

    answer = outcomes.refusal(outcomes.problem(outcome, asked), asked)

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["code"], answer.body["retryable"]) == (422, "safety_blocked", False)
    assert answer.body["errors"] == [
        {
            "path": "medications[1]",
            "code": "safety_blocked",
            "message": "Acknowledge the finding or change the item.",
            "finding_key": "k1:critical:8d2f60c1",
        }
    ]
    assert [one["severity"] for one in answer.body["findings"]] == ["critical", "minor"]
    assert answer.body["findings"][0]["paths"] == ["medications[0]", "medications[1]"]
    assert answer.body["findings"][0]["products"] == ["MED-107", "MED-311"]
    assert answer.body["findings"][0]["description"] == "Bleeding risk."
    assert answer.body["safety_coverage"] == {"interaction": {"evaluated": 1, "not_evaluated": 0}}


def test_a_refusal_that_may_pass_says_when_to_come_back():
    outcome = known.refused("rate_limited", data={"retry_after_seconds": 1200})

    answer = outcomes.refusal(outcomes.problem(outcome, request()), request())

    assert isinstance(answer.body, dict)
    assert (answer.status, dict(answer.headers), answer.body["retryable"]) == (
        429,
        {"Retry-After": "1200"},
        True,
    )
    assert "retry_after_seconds" not in answer.body


def test_a_refusal_that_the_dialect_does_not_know_is_a_fault_of_ours():
    answer = outcomes.refusal(outcomes.problem(known.refused("what_is_this"), request()), request())

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["code"], answer.body["outcome"]) == (
        500,
        "internal_error",
        "not_applied",
    )


def test_an_item_of_the_other_dialect_is_told_as_it_was_written():
    item = known.item(
        product=known.PARACETAMOL,
        medication_name="Tylenol",
        posology=None,
        dosage="500mg",
        route="oral",
        frequency="8/8h",
        duration="10 dias",
        duration_days=10,
        instructions="After meals.",
    )

    written = known.prescription(items=(item,), dialect="delphos", dispensations=(known.dispensation(),))
    (shown,) = prescriptions.read(written)["medications"]
    (behind_the_code,) = dispensations.code(written)["products"]
    (held,) = dispensations.dispensation(written, known.dispensation())["products"]

    assert (shown["product_code"], shown["product_name"]) == ("MED-042", "Tylenol")
    assert shown["duration_days"] is None
    told = {one["posology"] for one in (shown, behind_the_code, held)}
    assert told == {"500mg, oral, 8/8h, 10 dias, After meals."}

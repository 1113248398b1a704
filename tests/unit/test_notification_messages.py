"""What of a prescription comes to be printed, and what never does."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from contracts import values
from contracts.prescription_events import DeliveryRequested
from services.notification import messages
from services.notification.domain.printed import Language, Refused, Status
from tests import delphos

EXAMPLE = (
    Path(__file__).parents[2] / "contracts/examples/recepta.prescription.delivery-requested.v1/first.json"
)
ISSUED = DeliveryRequested.model_validate_json(EXAMPLE.read_bytes()).prescription
VOID = values.Void(
    reason="Patient reports rash.",
    reason_code="PRESCRIBER_DECISION",
    voided_at=datetime(2026, 7, 2, tzinfo=UTC),
)


def changed(**changes: object) -> values.Prescription:
    return ISSUED.model_copy(update=changes)


def with_item(**changes: object) -> values.Prescription:
    return changed(items=(ISSUED.items[0].model_copy(update=changes),))


def test_a_prescription_is_printed_with_its_people_its_code_and_its_medicines():
    printed = messages.printed(ISSUED, "es-GT")

    assert printed.language is Language.SPANISH
    assert (printed.patient.name, printed.patient.document) == ("Ana López", "CC 1000000001")
    assert (printed.prescriber.name, printed.prescriber.licence) == ("Marta Ruiz Soler", "12345")
    assert printed.code == "RX-2026-9182407133560285"
    assert printed.seal_digest == ISSUED.seal.document_sha256
    assert printed.diagnoses == ("R51 · Headache",)
    [item] = printed.items
    assert (item.product_name, item.translated_name) == (
        "Paracetamol 500 mg tablets",
        "Paracetamol 500 mg comprimidos",
    )
    assert (item.posology, item.quantity, item.unit, item.duration_days) == (
        "1 tablet every 8h",
        30,
        "tablet",
        10,
    )


def test_notes_findings_and_the_reason_of_a_void_are_never_printed():
    secret = "SECRET"
    item = ISSUED.items[0].model_copy(update={"clinical_notes": secret})
    void = VOID.model_copy(update={"reason": secret})
    noted = changed(
        items=(item,),
        notes=secret,
        laboratory_notes=secret,
        diagnostic_test_notes=secret,
        void=void,
        allergies=(values.Allergy(ingredient=secret),),
        status=values.Status.CANCELLED,
    )

    assert secret not in messages.to_text(messages.printed(noted, "es"))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, Status.ISSUED),
        ({"status": values.Status.SIGNED}, Status.ISSUED),
        ({"status": values.Status.DISPENSED}, Status.DISPENSED),
        ({"status": values.Status.EXPIRED}, Status.EXPIRED),
        ({"status": values.Status.CANCELLED, "void": VOID}, Status.VOIDED),
        ({"status": values.Status.DRAFT, "seal": None}, Status.DRAFT),
        ({"status": values.Status.VALIDATED, "seal": None}, Status.DRAFT),
        ({"status": values.Status.CANCELLED, "seal": None}, Status.VOIDED),
    ],
)
def test_the_document_tells_the_state_of_the_prescription(changes, status):
    assert messages.printed(changed(**changes), "es").status is status


def test_something_dispensed_and_something_left_is_partly_dispensed():
    assert messages.printed(with_item(dispensed_quantity=10), "es").status is Status.PARTIALLY_DISPENSED


def test_what_is_not_sealed_shows_no_code():
    assert messages.printed(changed(seal=None, status=values.Status.DRAFT), "es").code is None


def test_an_item_of_the_other_dialect_is_taken_as_its_parts_say():
    item = {
        "product": None,
        "posology": None,
        "dosage": "500 mg",
        "route": "oral",
        "frequency": "8/8h",
        "duration": "uma semana",
        "duration_days": None,
        "instructions": "com água",
        "unit": "caixas",
        "ingredients": (),
    }

    [printed] = messages.printed(with_item(**item), "pt-BR").items

    assert (printed.posology, printed.duration, printed.unit) == (
        "500 mg, oral, 8/8h, com água",
        "uma semana",
        "caixas",
    )


def test_an_item_of_a_draft_that_says_nothing_yet_says_so():
    nothing = {"posology": None, "dosage": None, "route": None, "frequency": None, "instructions": None}

    [printed] = messages.printed(with_item(**nothing), "es").items

    assert printed.posology == "—"


def test_a_minor_without_a_document_is_known_by_the_guardian():
    guardian = values.Guardian(
        first_name="Luz", last_name="Paz", document_type="CC", document_number="1000000002"
    )
    patient = ISSUED.patient.model_copy(
        update={"document_number": None, "document_type": None, "guardian": guardian}
    )

    printed = messages.printed(changed(patient=patient), "es").patient

    assert (printed.document, printed.guardian) == (None, "Luz Paz (CC 1000000002)")


def test_a_prescription_without_items_is_refused():
    with pytest.raises(Refused) as caught:
        messages.printed(changed(items=()), "es")

    assert caught.value.code == "items_required"


def test_what_is_kept_is_read_back_whole():
    printed = messages.printed(ISSUED, "es")

    assert messages.from_text(messages.to_text(printed)) == printed
    assert messages.digest(printed) == messages.digest(messages.from_text(messages.to_text(printed)))
    assert messages.digest(printed) != messages.digest(messages.printed(ISSUED, "pt"))


def test_the_tenant_is_never_printed():
    assert isinstance(ISSUED.tenant_id, UUID)
    assert str(ISSUED.tenant_id) not in messages.to_text(messages.printed(ISSUED, "es"))


def test_a_step_by_step_prescription_prints_the_ingredient_as_written_and_nothing_for_the_prescriber_alone():
    state = delphos.submitted()

    printed = messages.to_text(messages.printed(state, "pt"))

    assert "VARFARINA SODICA" in printed
    for hidden in ("warfarin", "INR", "Stent", "sangramento", "swallowing"):
        assert hidden not in printed


def test_the_file_of_a_signature_stays_the_same_when_it_is_released():
    signed = delphos.submitted(status=values.Status.SIGNED, issued_at=None)

    assert messages.printed(signed, "pt") == messages.printed(
        delphos.submitted(items=signed.items, dispensations=()), "pt"
    )

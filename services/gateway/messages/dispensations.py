"""A dispensation as its pharmacy sees it (osigu-dialect 6.3): no diagnoses, notes, findings, contact data."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from contracts.command_outcomes import CommandSucceeded
from contracts.prescription_commands import (
    CancelDispensation,
    CompleteDispensation,
    StartDispensation,
    UpdateDispensation,
)
from contracts.values import Dispensation, DispensationLine, Doctor, Item, Patient, Prescription
from services.gateway.messages import by_the_clock, ids, outcomes, prescriptions
from services.gateway.messages.answers import Answer
from services.gateway.messages.moments import moment, moment_or_none
from services.gateway.messages.requests import Request

SHOWN_OF_DOCUMENT: Final = 3


def dispensation(prescription: Prescription, claim: Dispensation) -> dict[str, Any]:
    """The answer to start, update, complete, cancel and get."""
    receipt = claim.receipt
    return {
        "dispensation_id": ids.spell("dsp", claim.dispensation_id),
        "status": claim.status.value,
        "code_type": "PRESCRIPTION",
        "verification_required": claim.verification_required,
        "code": prescription.prescription_code,
        "prescription_id": ids.spell("rx", prescription.prescription_id),
        "beneficiary_id": ids.spell("bnf", prescription.patient.patient_id),
        "sponsor_slug": None,
        "pharmacy": prescriptions.pharmacy(claim),
        "currency_code": claim.currency_code,
        "products": [_line(prescription, line) for line in claim.lines],
        "patient": _patient(prescription.patient),
        "doctor": _doctor(prescription.doctor),
        "started_at": moment(claim.started_at),
        "expires_at": moment(claim.expires_at),
        "completed_at": moment_or_none(claim.completed_at),
        "cancelled_at": moment_or_none(claim.cancelled_at),
        "cancelled_by": claim.cancelled_by,
        "void_reason": claim.void_reason,
        "void_description": claim.void_description,
        "amount": receipt.amount if receipt else None,
        "document_number": receipt.document_number if receipt else None,
        "document_date": moment(receipt.document_date) if receipt else None,
        "document_serial": receipt.document_serial if receipt else None,
        "document_digital_signature": receipt.document_digital_signature if receipt else None,
        "provider_transaction_id": receipt.provider_transaction_id if receipt else None,
        "prescription_status": prescriptions.status(prescription),
    }


def verification_status(claim: Dispensation, verified_at: datetime | None) -> dict[str, Any]:
    required = claim.verification_required
    needed = "PENDING" if verified_at is None else "VERIFIED"
    return {
        "dispensation_id": ids.spell("dsp", claim.dispensation_id),
        "verification_required": required,
        "verification_status": "NOT_REQUIRED" if required is None else needed,
        "verified_at": moment_or_none(verified_at),
    }


def code(prescription: Prescription) -> dict[str, Any]:
    """What `getCode` tells whoever holds the code; it claims nothing."""
    return {
        "code": prescription.prescription_code,
        "code_type": "PRESCRIPTION",
        "status": prescriptions.status(prescription),
        "valid_until": moment_or_none(prescription.valid_until),
        "prescription_id": ids.spell("rx", prescription.prescription_id),
        "beneficiary_id": ids.spell("bnf", prescription.patient.patient_id),
        "patient": _patient(prescription.patient),
        "doctor": _doctor(prescription.doctor),
        "products": [
            {**_prescribed(item), "remaining_quantity": item.remaining_quantity}
            for item in prescription.items
        ],
        "dispensing_in_progress": by_the_clock.live(prescription) is not None,
    }


def _prescribed(item: Item) -> dict[str, Any]:
    """What a pharmacy is told of an item, whatever was dispensed of it."""
    return {
        "id": ids.spell("rxi", item.item_id),
        "product_code": item.product.product_code if item.product else None,
        "product_name": item.medication_name,
        "posology": item.instruction,
        "prescribed_quantity": item.quantity,
        "substitution_allowed": item.substitution_allowed,
    }


def _line(prescription: Prescription, line: DispensationLine) -> dict[str, Any]:
    item = next(item for item in prescription.items if item.item_id == line.item_id)
    return {
        **_prescribed(item),
        "quantity": line.quantity,
        "remaining_quantity": line.remaining_quantity,
        "unit_price": line.price,
        "price": line.price,
        "taxes": line.taxes,
        "substitute_product_code": line.substitute.product_code if line.substitute else None,
        "substitute_quantity": line.substitute_quantity,
        "substitution_reason_enum": line.substitution_reason_enum,
        "substitution_reason": line.substitution_reason,
        "substitution_other_description": line.substitution_other_description,
    }


def _patient(patient: Patient) -> dict[str, Any]:
    return {
        "first_name": patient.first_name or None,
        "last_name": patient.last_name,
        "date_of_birth": patient.date_of_birth.isoformat() if patient.date_of_birth else None,
        "document_type": patient.document_type,
        "document_number": masked(patient.document_number),
    }


def masked(number: str | None) -> str | None:
    """Stars but for the last three characters."""
    if number is None:
        return None
    shown = number[-SHOWN_OF_DOCUMENT:] if len(number) > SHOWN_OF_DOCUMENT else ""
    return "*" * (len(number) - len(shown)) + shown


def _doctor(doctor: Doctor) -> dict[str, Any]:
    return {
        "name": doctor.full_name,
        "medical_board_registration": doctor.medical_board_registration,
    }


def _answer(outcome: CommandSucceeded, status: int) -> Answer:
    prescription = outcome.prescription
    claim = next(
        claim for claim in prescription.dispensations if claim.dispensation_id == outcome.dispensation_id
    )
    location = f"/dispensing/v1/dispensations/{ids.spell('dsp', claim.dispensation_id)}"
    headers = {"Location": location} if status == 201 else {}
    return Answer(status, dispensation(prescription, claim), headers)


@outcomes.answers(StartDispensation)
def started(outcome: CommandSucceeded, request: Request) -> Answer:
    """201; 200 for a claim that the same pharmacy gets back."""
    return _answer(outcome, 200 if outcome.repeated else 201)


@outcomes.answers(UpdateDispensation)
@outcomes.answers(CompleteDispensation)
@outcomes.answers(CancelDispensation)
def stands(outcome: CommandSucceeded, request: Request) -> Answer:
    return _answer(outcome, 200)

"""How patients are shown to their provider."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from contracts.values import Patient
from services.gateway.messages import ids
from services.gateway.messages.products import moment


def patient(record: Patient, *, created_at: datetime, updated_at: datetime, today: date) -> dict[str, Any]:
    """A patient with the names of both layers of the public documentation; `age` is as of today."""
    spelled = ids.spell("pat", record.patient_id)
    surnames = " ".join(filter(None, (record.last_name, record.second_last_name))) or None
    return {
        "patient_id": spelled,
        "id": spelled,
        "first_name": record.first_name,
        "last_name": record.last_name,
        "second_last_name": record.second_last_name,
        "full_name": " ".join(filter(None, (record.first_name, surnames))),
        "given_names": record.first_name,
        "surnames": surnames,
        "document_type": record.document_type,
        "document_number": record.document_number,
        "identity_document_type": record.document_type,
        "identity_document_code": record.document_number,
        "date_of_birth": record.date_of_birth and record.date_of_birth.isoformat(),
        "age": record.date_of_birth and age(record.date_of_birth, today),
        "guardian": record.guardian and record.guardian.model_dump(mode="json"),
        "sex": record.sex,
        "nationality_country_code": record.nationality_country_code,
        "passport_issuing_country": record.passport_issuing_country,
        "area_code": record.area_code,
        "phone_number": record.phone_number,
        "email_address": record.email_address,
        "allergies": [allergy.model_dump(mode="json") for allergy in record.allergies],
        "enabled": True,
        "manually_created": True,
        "identity_verified": False,
        "created_at": moment(created_at),
        "updated_at": moment(updated_at),
    }


def age(born: date, today: date) -> int:
    """Whole years; who was born on 29 February has a birthday on 1 March of other years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))

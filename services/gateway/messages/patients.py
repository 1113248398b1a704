"""How patients are kept, and shown to their provider."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import Field

from contracts.values import Patient
from services.gateway.messages import ids
from services.gateway.messages.moments import moment


class ListedPatient(Patient):
    """A patient as the directory keeps them: with what no prescription needs to know."""

    active: bool = True
    external_ids: dict[str, str] = Field(default_factory=dict)


def listed(patient: Patient) -> ListedPatient:
    """A patient who is new to the directory, as they are kept."""
    if isinstance(patient, ListedPatient):
        return patient
    return ListedPatient.model_construct(**{name: getattr(patient, name) for name in Patient.model_fields})


def facts(record: Patient) -> tuple[object, ...]:
    """What a safety check goes by."""
    return (record.date_of_birth, record.sex, record.allergies)


def same_person(one: Patient, other: Patient) -> bool:
    """Whether birth date and names agree, without regard to case; no name contradicts none."""
    if one.date_of_birth != other.date_of_birth:
        return False
    if not one.first_name or not other.first_name:
        return True
    if one.last_name is None or other.last_name is None:
        return _folded(one.full_name) == _folded(other.full_name)
    return _parts(one) == _parts(other)


def _parts(one: Patient) -> tuple[str, ...]:
    return tuple(_folded(name) for name in (one.first_name, one.last_name, one.second_last_name))


def _folded(name: str | None) -> str:
    return (name or "").casefold()


def patient(
    record: ListedPatient, *, created_at: datetime, updated_at: datetime, today: date
) -> dict[str, Any]:
    """A patient with the names of both layers of the public documentation; `age` is as of today."""
    spelled = ids.spell("pat", record.patient_id)
    surnames = " ".join(filter(None, (record.last_name, record.second_last_name))) or None
    return {
        "patient_id": spelled,
        "id": spelled,
        "first_name": record.first_name or None,
        "last_name": record.last_name,
        "second_last_name": record.second_last_name,
        "full_name": record.full_name,
        "given_names": record.first_name or None,
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
        "enabled": record.active,
        "manually_created": True,
        "identity_verified": False,
        "created_at": moment(created_at),
        "updated_at": moment(updated_at),
    }


def age(born: date, today: date) -> int:
    """Whole years; who was born on 29 February has a birthday on 1 March of other years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))

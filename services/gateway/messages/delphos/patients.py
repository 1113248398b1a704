"""Patients in this dialect, from and to what the directory keeps (delphos-dialect 12.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from hashlib import sha256
from uuid import UUID

from contracts.values import Allergy
from services.gateway.messages.delphos.words import Moment, Shown
from services.gateway.messages.patients import ListedPatient


class NationalId(Shown):
    """A document that says who somebody is."""

    type: str
    value: str


class ShownAllergy(Shown):
    """A recorded allergy; `matched_ingredient` null: it is compared by its name."""

    ingredient: str
    severity: str
    reaction: str | None
    matched_ingredient: str | None


class Patient(Shown):
    """A patient on file."""

    id: UUID
    birth_date: date | None
    gender: str
    full_name: str | None
    email: str | None
    national_id: NationalId | None
    preferred_language: str
    allergies: list[ShownAllergy]
    external_ids: dict[str, str]
    is_active: bool
    name_hash: str | None
    version: int
    created_at: Moment
    updated_at: Moment


def render(
    record: ListedPatient,
    *,
    version: int,
    created_at: datetime,
    updated_at: datetime,
    language: str,
    matched: Mapping[str, str],
) -> Patient:
    """`matched`: catalogue ingredients by the names of allergies; `language` where none is on file."""
    name = record.full_name
    return Patient(
        id=record.patient_id,
        birth_date=record.date_of_birth,
        gender=(record.sex or "UNKNOWN").lower(),
        full_name=name,
        email=record.email_address,
        national_id=national_id(record.document_type, record.document_number),
        preferred_language=record.preferred_language or language,
        allergies=[_allergy(one, matched) for one in record.allergies],
        external_ids=record.external_ids,
        is_active=record.active,
        name_hash=None if name is None else sha256(name.upper().encode()).hexdigest(),
        version=version,
        created_at=created_at,
        updated_at=updated_at,
    )


def national_id(kind: str | None, value: str | None) -> NationalId | None:
    return None if kind is None or value is None else NationalId(type=kind, value=value)


def _allergy(one: Allergy, matched: Mapping[str, str]) -> ShownAllergy:
    return ShownAllergy(
        ingredient=one.ingredient,
        severity=one.severity.lower(),
        reaction=one.reaction,
        matched_ingredient=matched.get(one.ingredient),
    )


def renamed(record: ListedPatient, name: str | None) -> ListedPatient:
    """With this whole name; parts that the other dialect knows stay as long as they say the same."""
    if name == record.full_name:
        return record
    return record.model_copy(update={"first_name": name or "", "last_name": None, "second_last_name": None})

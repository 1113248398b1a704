"""Doctors in this dialect, from what the directory keeps (delphos-dialect 12.2)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.gateway.messages.delphos.patients import NationalId, national_id
from services.gateway.messages.delphos.words import Moment, Shown
from services.gateway.messages.doctors import ListedDoctor


class Doctor(Shown):
    """A doctor on file; parts of the name that are not known are null."""

    id: UUID
    name: str
    given_names: str | None
    first_surname: str | None
    second_surname: str | None
    issuing_body: str | None
    license_number: str | None
    national_id: NationalId | None
    specialty: str | None
    email: str | None
    external_ids: dict[str, str]
    is_active: bool
    version: int
    created_at: Moment
    updated_at: Moment


def render(
    record: ListedDoctor, *, active: bool, version: int, created_at: datetime, updated_at: datetime
) -> Doctor:
    # Who has no surname on file was put there by the whole name.
    parts_known = record.first_surname is not None
    return Doctor(
        id=record.doctor_id,
        name=record.full_name,
        given_names=record.given_names if parts_known else None,
        first_surname=record.first_surname,
        second_surname=record.second_surname,
        issuing_body=record.medical_license_verification_institution_slug,
        license_number=record.medical_license_number,
        national_id=national_id(record.identity_document_type, record.identity_document_value),
        specialty=record.main_specialty_name,
        email=record.email_address,
        external_ids=record.external_ids,
        is_active=active,
        version=version,
        created_at=created_at,
        updated_at=updated_at,
    )

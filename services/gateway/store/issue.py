"""All that issues refer to, in one round trip: provider, doctors, patients, products, diagnoses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final, Self
from uuid import UUID

import asyncpg

from contracts.drug_catalog import CatalogueProduct
from contracts.values import Diagnosis, Doctor, Provider
from services.gateway.messages import provider_settings
from services.gateway.messages.doctors import standing
from services.gateway.messages.patients import ListedPatient
from services.gateway.messages.provider_settings import ProviderSettings
from services.gateway.store import directory
from services.gateway.store.catalogue import PRESENT
from services.gateway.store.reading import TENANT, reading
from services.gateway.store.together import Together
from shared.database import Pool
from shared.errors import NotFound

DOCTORS_MAX: Final = 2
REMEMBERED_MAX: Final = 2_048


@dataclass(frozen=True)
class Wanted:
    """What a body seems to refer to; what it names wrongly is not found."""

    doctor_id: UUID | None = None
    medical_license_number: str | None = None
    institution_slug: str | None = None
    patient_id: UUID | None = None
    document_type: str | None = None
    document_number: str | None = None
    product_codes: Sequence[str] = ()
    diagnosis_codes: Sequence[str] = ()


@dataclass(frozen=True)
class FoundDoctor:
    record: Doctor
    registration_status: str
    registration_valid_until: date | None

    def active(self, today: date) -> bool:
        """Whether the registration is in force on this day."""
        return standing(self.registration_status, self.registration_valid_until, today) == "ACTIVE"


@dataclass(frozen=True)
class FoundProduct:
    record: CatalogueProduct
    registered: bool


@dataclass(frozen=True)
class Found:
    """What there is of it. `doctors`: more than one where a licence number alone is ambiguous."""

    provider: Provider
    settings: ProviderSettings
    doctors: Sequence[FoundDoctor]
    patient: ListedPatient | None
    products: Mapping[str, FoundProduct]
    diagnoses: Mapping[str, Diagnosis]


class LookUps:
    """Look-ups of one instance, those that are asked for at a time in one statement."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._together = Together(self._look_up)

    async def find(self, tenant_id: UUID, wanted: Wanted) -> Found:
        """Raises NotFound for a provider that is no more."""
        return await self._together.ask(tenant_id, wanted)

    async def _look_up(self, tenant_id: UUID, wanted: Sequence[Wanted]) -> Sequence[Found]:
        async with reading(self._pool) as conn:
            row = await conn.fetchrow(_LOOK_UP, str(tenant_id), *_asked_for(tenant_id, wanted))
        if row is None:
            raise NotFound(f"provider {tenant_id} does not exist")
        known = _Known.read(tenant_id, row)
        return [known.of(one) for one in wanted]


# What all of them refer to; which of it is whose is told apart by `_Known`.
_LOOK_UP: Final = f"""
    {TENANT}
    SELECT provider.*, doctors.*, patients.*, products.*, diagnoses.*
      FROM present
     CROSS JOIN LATERAL (
           SELECT slug, name,
                  (SELECT json_object_agg(setting.name, value)
                     FROM setting
                    WHERE setting.tenant_id = present.id)::text AS settings
             FROM tenant
            WHERE tenant_id = present.id
           OFFSET 0) AS provider
     CROSS JOIN LATERAL (
           SELECT array_agg(doctor_id) AS doctor_ids,
                  array_agg(medical_license_number) AS doctor_licenses,
                  array_agg(institution_slug) AS doctor_institutions,
                  array_agg(record) AS doctor_records,
                  array_agg(registration_status) AS doctor_statuses,
                  array_agg(registration_valid_until) AS doctor_ends
             FROM doctor
            WHERE tenant_id = present.id
              AND (doctor_id = ANY ($2::uuid[]) OR medical_license_number = ANY ($3::text[]))
           OFFSET 0) AS doctors
     CROSS JOIN LATERAL (
           SELECT array_agg(patient_id) AS patient_ids,
                  array_agg(document_hash) AS patient_documents,
                  array_agg(document_type) AS patient_document_types,
                  array_agg(record) AS patient_records
             FROM patient
            WHERE tenant_id = present.id
              AND revealed
              AND (patient_id = ANY ($4::uuid[]) OR document_hash = ANY ($5::bytea[]))
           OFFSET 0) AS patients
     CROSS JOIN LATERAL (
           SELECT array_agg(product_code) AS product_codes, array_agg(record) AS product_records,
                  array_agg(registered_at IS NOT NULL) AS products_registered
             FROM catalogue_product
             LEFT JOIN (SELECT product_code, registered_at
                          FROM provider_product
                         WHERE tenant_id = present.id
                           AND product_code = ANY ($6::text[])) AS mine USING (product_code)
            WHERE release = {PRESENT}
              AND product_code = ANY ($6::text[])
           OFFSET 0) AS products
     CROSS JOIN LATERAL (
           SELECT array_agg(diagnosis_code) AS diagnosis_codes,
                  array_agg(description_en) AS diagnoses_en,
                  array_agg(description_es) AS diagnoses_es,
                  array_agg(description_pt) AS diagnoses_pt
             FROM diagnosis
            WHERE diagnosis_code = ANY ($7::text[])
           OFFSET 0) AS diagnoses
    """


def _asked_for(tenant_id: UUID, wanted: Sequence[Wanted]) -> Sequence[Sequence[object]]:
    documents = [directory.document_hash(tenant_id, one.document_number) for one in wanted]
    return (
        _each(one.doctor_id for one in wanted),
        _each(one.medical_license_number for one in wanted),
        _each(one.patient_id for one in wanted),
        _each(documents),
        _each(code for one in wanted for code in one.product_codes),
        _each(code for one in wanted for code in one.diagnosis_codes),
    )


def _each(values: Iterable[object]) -> list[object]:
    return [one for one in dict.fromkeys(values) if one is not None]


@dataclass(frozen=True)
class _KnownDoctor:
    doctor_id: UUID
    license_number: str
    institution_slug: str
    found: FoundDoctor

    def answers(self, wanted: Wanted) -> bool:
        return self.doctor_id == wanted.doctor_id or (
            self.license_number == wanted.medical_license_number
            and wanted.institution_slug in (None, self.institution_slug)
        )


@dataclass(frozen=True)
class _Known:
    """What one statement has found, for all that asked."""

    tenant_id: UUID
    provider: Provider
    settings: ProviderSettings
    doctors: Sequence[_KnownDoctor]
    patients: Mapping[UUID, bytes]
    documents: Mapping[tuple[bytes, str], UUID]
    products: Mapping[str, FoundProduct]
    diagnoses: Mapping[str, Diagnosis]

    @classmethod
    def read(cls, tenant_id: UUID, row: asyncpg.Record) -> Self:
        settings = provider_settings.of_text(row["settings"])
        names = ("patient_ids", "patient_documents", "patient_document_types", "patient_records")
        patients = list(_columns(row, *names))
        return cls(
            tenant_id=tenant_id,
            provider=settings.provider(tenant_id, row["slug"], row["name"]),
            settings=settings,
            doctors=list(_doctors(row)),
            patients={patient_id: record for patient_id, _, _, record in patients},
            documents={(document, kind): patient_id for patient_id, document, kind, _ in patients},
            products={
                code: FoundProduct(_product(record), registered)
                for code, record, registered in _columns(
                    row, "product_codes", "product_records", "products_registered"
                )
            },
            diagnoses=_diagnoses(row, settings.language),
        )

    def of(self, wanted: Wanted) -> Found:
        return Found(
            provider=self.provider,
            settings=self.settings,
            doctors=[one.found for one in self.doctors if one.answers(wanted)][:DOCTORS_MAX],
            patient=self._patient(wanted),
            products={code: self.products[code] for code in wanted.product_codes if code in self.products},
            diagnoses={
                code: self.diagnoses[code] for code in wanted.diagnosis_codes if code in self.diagnoses
            },
        )

    def _patient(self, wanted: Wanted) -> ListedPatient | None:
        found = wanted.patient_id if wanted.patient_id in self.patients else None
        if found is None and wanted.document_type is not None:
            document = directory.document_hash(self.tenant_id, wanted.document_number)
            found = None if document is None else self.documents.get((document, wanted.document_type))
        return None if found is None else directory.opened(self.patients[found], self.tenant_id, found)


def _columns(row: asyncpg.Record, *names: str) -> Iterator[tuple[Any, ...]]:
    """Columns that hold one thing each of as many rows, row by row; none where nothing was found."""
    return zip(*(row[name] or () for name in names), strict=True)


def _doctors(row: asyncpg.Record) -> Iterator[_KnownDoctor]:
    columns = _columns(
        row,
        *("doctor_ids", "doctor_licenses", "doctor_institutions"),
        *("doctor_records", "doctor_statuses", "doctor_ends"),
    )
    for doctor_id, license_number, institution_slug, record, status, ends in columns:
        found = FoundDoctor(_doctor(record), status, ends)
        yield _KnownDoctor(doctor_id, license_number, institution_slug, found)


def _diagnoses(row: asyncpg.Record, language: str) -> dict[str, Diagnosis]:
    codes, english = row["diagnosis_codes"] or (), row["diagnoses_en"] or ()
    named = row[f"diagnoses_{language}"] or english
    return {
        code: Diagnosis(diagnosis_code=code, description=name or fallback)
        for code, name, fallback in zip(codes, named, english, strict=True)
    }


# The same few products come with every issue; reading them costs more than looking them up.
@lru_cache(REMEMBERED_MAX)
def _product(record: str) -> CatalogueProduct:
    return CatalogueProduct.model_validate_json(record)


@lru_cache(REMEMBERED_MAX)
def _doctor(record: str) -> Doctor:
    return Doctor.model_validate_json(record)

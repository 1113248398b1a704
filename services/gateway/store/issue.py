"""All that an issue refers to, in one round trip: provider, doctor, patient, products, diagnoses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final
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


async def look_up(pool: Pool, tenant_id: UUID, wanted: Wanted) -> Found:
    """Raises NotFound for a provider that is no more."""
    async with reading(pool) as conn:
        row = await conn.fetchrow(
            f"""
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
                   SELECT array_agg(record) AS doctor_records,
                          array_agg(registration_status) AS doctor_statuses,
                          array_agg(registration_valid_until) AS doctor_ends
                     FROM (SELECT record, registration_status, registration_valid_until
                             FROM doctor
                            WHERE tenant_id = present.id
                              AND (doctor_id = $2
                                   OR (medical_license_number = $3
                                       AND ($4::text IS NULL OR institution_slug = $4)))
                            LIMIT {DOCTORS_MAX}) AS doctor
                   OFFSET 0) AS doctors
             CROSS JOIN LATERAL (
                   SELECT array_agg(patient_id) AS patient_ids, array_agg(record) AS patient_records
                     FROM patient
                    WHERE tenant_id = present.id
                      AND revealed
                      AND (patient_id = $5 OR (document_hash, document_type) = ($6, $7))
                   OFFSET 0) AS patients
             CROSS JOIN LATERAL (
                   SELECT array_agg(product_code) AS product_codes, array_agg(record) AS product_records,
                          array_agg(registered_at IS NOT NULL) AS products_registered
                     FROM catalogue_product
                     LEFT JOIN (SELECT product_code, registered_at
                                  FROM provider_product
                                 WHERE tenant_id = present.id
                                   AND product_code = ANY ($8)) AS mine USING (product_code)
                    WHERE release = {PRESENT}
                      AND product_code = ANY ($8)
                   OFFSET 0) AS products
             CROSS JOIN LATERAL (
                   SELECT array_agg(diagnosis_code) AS diagnosis_codes,
                          array_agg(description_en) AS diagnoses_en,
                          array_agg(description_es) AS diagnoses_es,
                          array_agg(description_pt) AS diagnoses_pt
                     FROM diagnosis
                    WHERE diagnosis_code = ANY ($9)
                   OFFSET 0) AS diagnoses
            """,
            str(tenant_id),
            wanted.doctor_id,
            wanted.medical_license_number,
            wanted.institution_slug,
            wanted.patient_id,
            directory.document_hash(tenant_id, wanted.document_number),
            wanted.document_type,
            list(wanted.product_codes),
            list(wanted.diagnosis_codes),
        )
    if row is None:
        raise NotFound(f"provider {tenant_id} does not exist")
    return _found(tenant_id, row)


def _found(tenant_id: UUID, row: asyncpg.Record) -> Found:
    settings = provider_settings.of_text(row["settings"])
    return Found(
        provider=settings.provider(tenant_id, row["slug"], row["name"]),
        settings=settings,
        doctors=[
            FoundDoctor(Doctor.model_validate_json(record), status, ends)
            for record, status, ends in zip(
                row["doctor_records"] or (),
                row["doctor_statuses"] or (),
                row["doctor_ends"] or (),
                strict=True,
            )
        ],
        patient=None
        if row["patient_records"] is None
        else directory.opened(row["patient_records"][0], tenant_id, row["patient_ids"][0]),
        products={
            code: FoundProduct(_product(record), registered)
            for code, record, registered in zip(
                row["product_codes"] or (),
                row["product_records"] or (),
                row["products_registered"] or (),
                strict=True,
            )
        },
        diagnoses=_diagnoses(row, settings.language),
    )


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

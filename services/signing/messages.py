"""Contract to domain and back: what of a prescription is sealed where, and how a seal is told."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts import values
from contracts.prescription_events import SealRequested
from contracts.signing_events import PrescriptionSealed, SealingRefused, SealKeyPublished
from services.signing.domain import b64url
from services.signing.domain.content import (
    Content,
    Diagnosis,
    DiagnosisEntry,
    Document,
    Guardian,
    Item,
    Patient,
    Prescriber,
)
from services.signing.domain.faults import Fault
from services.signing.domain.keys import SealKey
from services.signing.domain.rx_sign import TREATMENT_DAYS_MAX
from services.signing.domain.seal import Seal

FAULTS_TOLD_MAX: Final = 100
_NONE: Final = values.Product(product_code="", product_name="")


def content(event: SealRequested) -> Content:
    """Everything of the prescription that its seal covers, item by item in the prescriber's order."""
    return Content(
        document=_document(event),
        patient=_patient(event.patient),
        prescriber=_prescriber(event.doctor, event.provider),
        items=tuple(_item(item, number) for number, item in enumerate(event.items, start=1)),
        diagnosis=_diagnosis(event.diagnoses),
    )


def sealed(event: SealRequested, seal: Seal) -> PrescriptionSealed:
    return PrescriptionSealed(
        tenant_id=event.tenant_id,
        prescription_id=event.prescription_id,
        signature_version=event.signature_version,
        prescription_code=event.prescription_code,
        seal=values.Seal(
            profile=seal.profile,
            algorithm=seal.algorithm,
            key_id=seal.key_id,
            protected=seal.jws.protected,
            payload=seal.jws.payload,
            signature=seal.jws.signature,
            document_sha256=hashlib.sha256(b64url.decode(seal.jws.payload)).hexdigest(),
            certificate_sha256=b64url.decode(seal.key_id).hex(),
            sealed_at=seal.sealed_at,
        ),
    )


def profile_not_served(event: SealRequested) -> SealingRefused:
    return _refused(event, "profile_not_served", "This installation does not seal under that profile.", ())


def content_not_sealable(event: SealRequested, faults: Sequence[Fault]) -> SealingRefused:
    return _refused(
        event, "content_not_sealable", "Part of the content has no form that can be sealed.", faults
    )


def key_published(key: SealKey) -> SealKeyPublished:
    return SealKeyPublished(
        tenant_id=key.tenant_id,
        key_id=key.key_id,
        algorithm=key.algorithm,
        jwk=dict(key.jwk),
        not_before=key.not_before,
        not_after=key.not_after,
    )


def _refused(event: SealRequested, code: str, message: str, faults: Sequence[Fault]) -> SealingRefused:
    return SealingRefused(
        tenant_id=event.tenant_id,
        prescription_id=event.prescription_id,
        signature_version=event.signature_version,
        code=code,
        message=message,
        details=tuple((fault.path, fault.reason) for fault in faults[:FAULTS_TOLD_MAX]),
    )


def _document(event: SealRequested) -> Document:
    return Document(
        prescription_id=str(event.prescription_id),
        prescription_code=event.prescription_code,
        version=event.signature_version,
        issued_at=_instant(event.issued_at),
        prescription_date=event.issued_at.astimezone(_zone(event.provider.time_zone)).date().isoformat(),
        valid_until=_instant(event.valid_until),
        item_count=len(event.items),
        patient_data_consent=event.patient_data_consent,
    )


def _patient(patient: values.Patient) -> Patient:
    born = patient.date_of_birth
    return Patient(
        given_names=patient.first_name or None,
        first_surname=patient.last_name,
        second_surname=patient.second_last_name,
        birth_date=None if born is None else born.isoformat(),
        id_type=patient.document_type,
        id_number=patient.document_number,
        guardian=None if patient.guardian is None else _guardian(patient.guardian),
    )


def _guardian(guardian: values.Guardian) -> Guardian:
    return Guardian(
        given_names=guardian.first_name,
        first_surname=guardian.last_name,
        second_surname=guardian.second_last_name,
        id_type=guardian.document_type,
        id_number=guardian.document_number,
    )


def _prescriber(doctor: values.Doctor, provider: values.Provider) -> Prescriber:
    return Prescriber(
        given_names=doctor.given_names,
        first_surname=doctor.first_surname,
        second_surname=doctor.second_surname,
        id_type=doctor.identity_document_type,
        id_number=doctor.identity_document_value,
        profession=doctor.profession,
        qualification=doctor.qualification,
        license_number=doctor.medical_license_number,
        licensing_body=doctor.medical_issuing_institution
        or doctor.medical_license_verification_institution_slug,
        specialty=doctor.main_specialty_name,
        email=doctor.email_address,
        phone=_telephone(doctor.phone_area_code, doctor.phone_number),
        facility_name=provider.name,
        address_line=doctor.physical_address,
        postal_code=doctor.postal_code,
        town=doctor.city_name,
        country=doctor.country_code or provider.country,
    )


def _item(item: values.ItemOrder, number: int) -> Item:
    product = item.product or _NONE
    return Item(
        item_id=str(item.item_id),
        item_no=number,
        description=_description(item, product),
        active_ingredients=_ingredients(item, product),
        national_code=product.national_code,
        strength=product.strength,
        form=product.presentation,
        route=product.route,
        pack_format=product.pack_format,
        units=None if item.quantity is None else str(item.quantity),
        unit=item.unit or product.dosage_unit,
        posology=item.instruction,
        dose_amount=item.dose_amount,
        dose_unit=item.dose_unit,
        frequency=item.frequency if item.posology else None,
        treatment_days=_days(item),
        substitution_allowed=item.substitution_allowed,
        instructions=item.instructions if item.posology else None,
        controlled_list=product.controlled_schedule,
    )


def _in_parts(item: values.ItemOrder) -> bool:
    """Whether it comes from the dialect that has an item's instruction in parts, and its name as written."""
    return item.posology is None


def _description(item: values.ItemOrder, product: values.Product) -> str:
    return item.medication_name if _in_parts(item) else product.product_name or item.medication_name


def _ingredients(item: values.ItemOrder, product: values.Product) -> tuple[str, ...] | None:
    """Those it was checked by where its name was resolved, else the product's own; None where unmatched."""
    named = tuple(one.name for one in product.active_ingredients)
    return (item.ingredients if _in_parts(item) and item.ingredients else named or item.ingredients) or None


def _days(item: values.ItemOrder) -> int | None:
    """The length of the treatment; one that no treatment has stands in the instruction alone."""
    days = item.duration_days
    return None if _in_parts(item) and days is not None and days > TREATMENT_DAYS_MAX else days


def _diagnosis(diagnoses: Sequence[values.Diagnosis]) -> Diagnosis | None:
    entries = tuple(
        DiagnosisEntry(system="ICD-10", code=one.diagnosis_code, text=one.description) for one in diagnoses
    )
    return Diagnosis(entries=entries) if entries else None


def _telephone(area_code: int | None, number: str | None) -> str | None:
    digits = "".join(character for character in number or "" if character in "0123456789")
    if not digits:
        return None
    return digits if area_code is None else f"+{area_code}{digits}"


def _instant(moment: datetime) -> str:
    """Whole seconds, cut: a seal never says that something is valid for longer than it is."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC

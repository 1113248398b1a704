"""What an issue must be like in v1 and v1.1: all fields in document order, all failures at once (5.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from contracts.values import Acknowledgement, Allergy, Diagnosis, Doctor, ItemOrder, Patient
from services.gateway.checks import prescriber
from services.gateway.checks.fields import Checks, Form, plain
from services.gateway.checks.patient import read_allergies, read_patient
from services.gateway.messages import ids
from services.gateway.messages.patients import same_person
from services.gateway.store.issue import Found, Wanted
from shared import ids as new_ids

DIAGNOSES_MAX: Final = 20
MEDICATIONS_MAX: Final = 30
VALIDITY_MAX: Final = timedelta(days=366)
ACKNOWLEDGEMENTS_MAX: Final = 100
NOTES_MAX: Final = 2000
QUANTITY_MAX: Final = 9999
DURATION_DAYS_MAX: Final = 366
DOSE_AMOUNT: Final = r"[0-9]{1,9}(\.[0-9]{1,6})?"
NOBODY: Final = UUID(int=0)
PATIENT_CONFLICT: Final = (
    "patient_conflict",
    "The document is on file with other names or birth date.",
)
DIAGNOSIS_TYPES: Final = ("CHIEF_COMPLAINT", "DIFFERENTIAL_DIAGNOSIS", "MEDICAL_DIAGNOSIS")
# Known to the specification: some belong to v2 alone, the others have inner names that nobody published.
V2_ONLY: Final = (
    "national_repository_id",
    "prepared_id",
    "signing_method",
    "signer",
    "signing_authorization",
    "signed_hash",
)
NEVER_SUPPORTED: Final = (
    "treatments",
    "simplified_treatments",
    "master_formulas",
    "products",
    "additional_information",
)


@dataclass(frozen=True)
class Order:
    """An issue whose content has passed; `inline`: the patient came in the body, without an id of ours."""

    patient: Patient
    inline: bool
    consent: bool | None
    doctor: Doctor
    diagnoses: tuple[Diagnosis, ...]
    items: tuple[ItemOrder, ...]
    allergies: tuple[Allergy, ...]
    notes: str | None
    laboratory_notes: str | None
    diagnostic_test_notes: str | None
    confidential: bool
    valid_until: datetime
    acknowledged: tuple[Acknowledgement, ...]


def wanted(body: Mapping[str, Any], bound: UUID | None, now: datetime) -> Wanted:
    """What has to be looked up before the body can be judged; whatever is malformed is left out here.

    `bound`: the doctor that the client acts as, if it is bound to one.
    """
    named = prescriber.named(body, bound)
    inline = _inline(body, now)
    return Wanted(
        doctor_id=named.doctor_id,
        medical_license_number=named.medical_license_number,
        institution_slug=named.institution_slug,
        patient_id=ids.find("pat", body["patient_id"]) if isinstance(body.get("patient_id"), str) else None,
        document_type=inline.document_type if inline else None,
        document_number=inline.document_number if inline else None,
        product_codes=_texts(body.get("medications"), "product_code", limit=MEDICATIONS_MAX),
        diagnosis_codes=_texts(body.get("diagnoses"), "diagnosis_code", "code", limit=DIAGNOSES_MAX),
    )


def _inline(body: Mapping[str, Any], now: datetime) -> Patient | None:
    sent = body.get("patient")
    if not isinstance(sent, dict) or body.get("patient_id") is not None:
        return None
    return read_patient(Form(sent, Checks(), "patient"), NOBODY, today=now.date())


def _texts(elements: Any, *names: str, limit: int) -> list[str]:
    if not isinstance(elements, list):
        return []
    found = (element.get(name) for element in elements[:limit] if isinstance(element, dict) for name in names)
    return [text for one in found if (text := plain(one)) is not None]


def check(
    body: Mapping[str, Any], *, version: str, bound: UUID | None, found: Found, now: datetime, checks: Checks
) -> Order:
    """Raises Problem with everything that is wrong with the content, and what `checks` has noted before."""
    form = Form(body, checks)
    patient, inline = _patient(form, found, now)
    consent = _consent(form, demanded=version != "v1")
    doctor = prescriber.read(form, bound, found.doctors, found.settings.today(now))
    form.unsupported(*V2_ONLY)
    diagnoses = tuple(_diagnoses(form, found))
    items = tuple(_medications(form, found))
    allergies = read_allergies(form)
    notes = form.text("notes", limit=NOTES_MAX, alias="additional_notes")
    laboratory_notes = form.text("laboratory_notes", limit=NOTES_MAX)
    diagnostic_test_notes = form.text("diagnostic_test_notes", limit=NOTES_MAX)
    confidential = form.boolean("confidential")
    valid_until = _valid_until(form, now)
    acknowledged = tuple(_acknowledgements(form))
    form.unsupported(*NEVER_SUPPORTED)
    form.done()
    checks.settle()
    assert patient is not None
    assert doctor is not None
    return Order(
        patient=patient,
        inline=inline,
        consent=consent,
        doctor=doctor,
        diagnoses=diagnoses,
        items=items,
        allergies=allergies,
        notes=notes,
        laboratory_notes=laboratory_notes,
        diagnostic_test_notes=diagnostic_test_notes,
        confidential=confidential or False,
        valid_until=valid_until
        or found.settings.end_of_day(now, days=found.settings.prescription_validity_days),
        acknowledged=acknowledged,
    )


def _patient(form: Form, found: Found, now: datetime) -> tuple[Patient | None, bool]:
    known_id = form.id("patient_id", "pat", unknown="patient_not_found")
    sent = form.has("patient_id")
    inline = form.form("patient")
    if sent and form.has("patient"):
        form.fail("patient", "conflicting_fields", "Send patient_id or patient, not both.")
    elif inline is not None:
        return _inline_patient(form, inline, found, now), found.patient is None
    elif not sent and not form.has("patient"):
        form.fail("patient_id", "required", "Must be present, unless patient is.")
    elif known_id is not None and (found.patient is None or not found.patient.active):
        form.fail("patient_id", "patient_not_found", "No such patient for this provider.")
    return found.patient, False


def _inline_patient(form: Form, inline: Form, found: Found, now: datetime) -> Patient | None:
    """A known document must come with the names and the birth date on file."""
    sent = read_patient(inline, new_ids.new(), today=found.settings.today(now))
    if sent is None or found.patient is None:
        return sent
    if not same_person(sent, found.patient):
        form.fail("patient", *PATIENT_CONFLICT)
    return found.patient


def _consent(form: Form, *, demanded: bool) -> bool | None:
    consent = form.boolean("patient_data_consent")
    if demanded and consent is not True and not form.checks.failed("patient_data_consent"):
        form.fail("patient_data_consent", "consent_required", "Must be true.")
    return consent


def _diagnoses(form: Form, found: Found) -> Iterable[Diagnosis]:
    required = found.settings.diagnosis_required
    for one in form.forms("diagnoses", 1 if required else 0, DIAGNOSES_MAX, required=required):
        code = one.text("diagnosis_code", limit=64, required=True, alias="code")
        one.word("coding_system", ("ICD-10", "CIE-10"))
        kind = one.word("type", DIAGNOSIS_TYPES, alias="type_enum")
        known = found.diagnoses.get(code) if code is not None else None
        if code is not None and known is None:
            one.fail("diagnosis_code" if one.has("diagnosis_code") else "code", *_UNKNOWN_DIAGNOSIS)
        one.done()
        if known is not None:
            yield known.model_copy(update={"type": kind}) if kind else known


_UNKNOWN_DIAGNOSIS: Final = ("diagnosis_unknown", "Not a code of the ICD-10 catalogue.")


def _medications(form: Form, found: Found) -> Iterable[ItemOrder]:
    for one in form.forms("medications", 1, found.settings.max_medications, required=True):
        item = _medication(one, found)
        one.done()
        if item is not None:
            yield item


def _medication(one: Form, found: Found) -> ItemOrder | None:
    code = one.text("product_code", limit=64, required=True)
    if code is not None:
        _allowed(one, code, found)
    quantity = one.integer("quantity", 1, QUANTITY_MAX, required=True)
    posology = one.text("posology", limit=500, required=True)
    duration_days = one.integer("duration_days", 1, DURATION_DAYS_MAX)
    dose_amount = one.text("dose_amount", limit=32, pattern=DOSE_AMOUNT)
    dose_unit = one.text("dose_unit", limit=32)
    frequency = one.text("frequency", limit=128)
    one.unsupported("brand_reason", "brand_justification")
    substitution_allowed = one.boolean("substitution_allowed")
    known = found.products.get(code) if code is not None else None
    if known is None:
        return None
    product = known.record.product
    return ItemOrder.model_construct(
        item_id=new_ids.new(),
        product=product,
        cmed_medication_id=known.record.medication_id,
        medication_name=product.product_name,
        active_ingredient=None,
        quantity=quantity,
        unit=product.dosage_unit,
        posology=posology,
        dosage=None,
        route=product.route,
        frequency=frequency,
        duration=None,
        duration_days=duration_days,
        dose_amount=dose_amount,
        dose_unit=dose_unit,
        instructions=None,
        clinical_notes=None,
        substitution_allowed=True if substitution_allowed is None else substitution_allowed,
    )


def _allowed(one: Form, code: str, found: Found) -> None:
    """In the catalogue, registered for the provider, a medicine, and allowed without paper."""
    known = found.products.get(code)
    if known is None:
        one.fail("product_code", "product_unknown", "Not in the catalogue.")
        return
    product = known.record.product
    if not known.registered:
        one.fail("product_code", "product_not_registered", "Not registered for this provider.")
    if product.product_type != "MEDICATION":
        one.fail("product_code", "product_type_not_prescribable", "Not a medicine.")
    elif not found.settings.allows_electronically(
        electronic_allowed=known.record.electronic_allowed, controlled_schedule=product.controlled_schedule
    ):
        one.fail("product_code", "controlled_not_allowed", "Not to be prescribed electronically here.")


def _valid_until(form: Form, now: datetime) -> datetime | None:
    until = form.moment("valid_until")
    if until is not None and not now < until <= now + VALIDITY_MAX:
        form.fail("valid_until", "out_of_range", f"Must lie ahead, at most {VALIDITY_MAX.days} days.")
    return until


def _acknowledgements(form: Form) -> Iterable[Acknowledgement]:
    for one in form.forms("acknowledged_findings", 0, ACKNOWLEDGEMENTS_MAX):
        key = one.text("finding_key", limit=200, required=True)
        reason = one.text("reason", limit=500, least=3, required=True)
        one.done()
        if key is not None and reason is not None:
            yield Acknowledgement(finding_key=key, reason=reason)

"""What an issue is refused for: everything at once, in document order, whatever the order of the body."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.drug_catalog import CatalogueProduct
from contracts.values import Diagnosis
from services.gateway.checks import prescription
from services.gateway.checks.fields import Checks
from services.gateway.messages import ids, patients, provider_settings
from services.gateway.messages.errors import Problem
from services.gateway.store.issue import Found, FoundDoctor, FoundProduct
from tests import prescriptions as known

NOW = known.AT
# Whom the client is bound to.
CLINIC = None
BOUND = known.DOCTOR
PATIENT_ID = ids.spell("pat", known.PATIENT)
DOCTOR_ID = ids.spell("doc", known.DOCTOR)
STRANGER = ids.spell("doc", UUID(int=77))
ONE_MEDICINE = {"product_code": "MED-042", "quantity": 30, "posology": "1 tablet every 8h"}
BODY: dict[str, Any] = {
    "patient_id": PATIENT_ID,
    "diagnoses": [{"diagnosis_code": "R51"}],
    "medications": [ONE_MEDICINE],
}
INLINE = {
    "first_name": "Ana",
    "last_name": "López",
    "document_type": "CC",
    "document_number": "1000000001",
    "date_of_birth": "1990-04-11",
}


def listed(code: str, *, registered: bool = True, **product: Any) -> FoundProduct:
    record = CatalogueProduct(
        release="1",
        medication_id=UUID(int=1),
        catalogue="demo",
        product=known.PARACETAMOL.model_copy(update={"product_code": code, **product}),
        electronic_allowed=product.get("controlled_schedule") is None,
    )
    return FoundProduct(record, registered)


KNOWN = patients.listed(known.patient())
FOUND = Found(
    provider=known.prescription().provider,
    settings=provider_settings.read({}),
    doctors=[FoundDoctor(known.doctor(), "ACTIVE", None)],
    patient=KNOWN,
    products={
        "MED-042": listed("MED-042"),
        "MED-900": listed("MED-900", registered=False),
        "LAB-HEMO": listed("LAB-HEMO", product_type="LAB"),
        "MED-500": listed("MED-500", controlled_schedule="II"),
    },
    diagnoses={"R51": Diagnosis(diagnosis_code="R51", description="Cefalea")},
)


def refusals(
    body: dict[str, Any], *, version: str = "v1", bound: UUID | None = BOUND, found: Found = FOUND
) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as refused:
        prescription.check(body, version=version, bound=bound, found=found, now=NOW, checks=Checks())
    return [(entry.path, entry.code) for entry in refused.value.entries]


def check(body: dict[str, Any], **how: Any) -> prescription.Order:
    how = {"version": "v1", "bound": BOUND, "found": FOUND} | how
    return prescription.check(body, now=NOW, checks=Checks(), **how)


def with_medicine(**changes: Any) -> dict[str, Any]:
    return BODY | {"medications": [{**ONE_MEDICINE, **changes}]}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in BODY.items() if key != name}


def test_the_body_of_the_public_guide_is_an_order():
    order = check(BODY)

    assert (order.patient, order.doctor, order.inline) == (KNOWN, known.doctor(), False)
    assert [one.diagnosis_code for one in order.diagnoses] == ["R51"]
    (item,) = order.items
    assert (item.product, item.quantity, item.posology) == (known.PARACETAMOL, 30, "1 tablet every 8h")
    assert item.substitution_allowed is True
    # The end of the thirtieth day in Guatemala.
    assert order.valid_until.isoformat() == "2026-07-26T05:59:59+00:00"


def test_everything_that_is_wrong_is_told_at_once_in_document_order():
    body = {
        "surprise": 1,
        "medications": [
            ONE_MEDICINE | {"product_code": "MED-900"},
            ONE_MEDICINE | {"quantity": 0, "extra": True},
            7,
        ],
        "diagnoses": [{"code": "X99"}],
        "patient_id": "pat_nobody",
        "valid_until": "2026-06-25T15:00:00Z",
        "notes": "a",
        "additional_notes": "b",
    }

    assert refusals(body) == [
        ("patient_id", "patient_not_found"),
        ("diagnoses[0].code", "diagnosis_unknown"),
        ("medications[0].product_code", "product_not_registered"),
        ("medications[1].quantity", "out_of_range"),
        ("medications[1].extra", "unknown_field"),
        ("medications[2]", "wrong_type"),
        ("additional_notes", "conflicting_fields"),
        ("valid_until", "out_of_range"),
        ("surprise", "unknown_field"),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (without("patient_id"), [("patient_id", "required")]),
        (BODY | {"patient": INLINE}, [("patient", "conflicting_fields")]),
        (BODY | {"patient_id": 7}, [("patient_id", "wrong_type")]),
        (
            without("patient_id") | {"patient": INLINE | {"date_of_birth": "1990-4-11"}},
            [("patient.date_of_birth", "invalid_format")],
        ),
        (
            without("patient_id") | {"patient": INLINE | {"first_name": "Eva"}},
            [("patient", "patient_conflict")],
        ),
        (without("diagnoses"), [("diagnoses", "required")]),
        (BODY | {"diagnoses": []}, [("diagnoses", "out_of_range")]),
        (BODY | {"diagnoses": [{"diagnosis_code": "R51"}] * 21}, [("diagnoses", "too_many")]),
        (BODY | {"diagnoses": [{}]}, [("diagnoses[0].diagnosis_code", "required")]),
        (
            BODY | {"diagnoses": [{"diagnosis_code": "R51", "coding_system": "ICD-9", "type": "CHIEF"}]},
            [("diagnoses[0].coding_system", "invalid_value"), ("diagnoses[0].type", "invalid_value")],
        ),
        (without("medications"), [("medications", "required")]),
        (BODY | {"medications": []}, [("medications", "out_of_range")]),
        (BODY | {"medications": [ONE_MEDICINE] * 31}, [("medications", "too_many")]),
        (with_medicine(product_code="MED-000"), [("medications[0].product_code", "product_unknown")]),
        (
            with_medicine(product_code="LAB-HEMO"),
            [("medications[0].product_code", "product_type_not_prescribable")],
        ),
        (
            with_medicine(product_code="MED-500"),
            [("medications[0].product_code", "controlled_not_allowed")],
        ),
        (with_medicine(quantity="30"), [("medications[0].quantity", "wrong_type")]),
        (with_medicine(quantity=10_000), [("medications[0].quantity", "out_of_range")]),
        (with_medicine(posology=" "), [("medications[0].posology", "required")]),
        (with_medicine(posology="x" * 501), [("medications[0].posology", "too_long")]),
        (with_medicine(duration_days=367), [("medications[0].duration_days", "out_of_range")]),
        (with_medicine(dose_amount="half"), [("medications[0].dose_amount", "invalid_format")]),
        (with_medicine(brand_reason="CLINICAL"), [("medications[0].brand_reason", "field_not_supported")]),
        (BODY | {"signed_hash": {}}, [("signed_hash", "field_not_supported")]),
        (BODY | {"treatments": []}, [("treatments", "field_not_supported")]),
        (
            BODY | {"allergies": [{"severity": "HARSH"}]},
            [("allergies[0].ingredient", "required"), ("allergies[0].severity", "invalid_value")],
        ),
        (BODY | {"confidential": "yes"}, [("confidential", "wrong_type")]),
        (BODY | {"valid_until": "2026-08-01T00:00:00"}, [("valid_until", "invalid_format")]),
        (BODY | {"valid_until": "2027-06-27T00:00:00Z"}, [("valid_until", "out_of_range")]),
        (
            BODY | {"acknowledged_findings": [{"finding_key": "k", "reason": "no"}]},
            [("acknowledged_findings[0].reason", "out_of_range")],
        ),
    ],
)
def test_one_thing_wrong_gives_one_entry(body, expected):
    assert refusals(body) == expected


@pytest.mark.parametrize("consent", [{}, {"patient_data_consent": None}, {"patient_data_consent": False}])
def test_v1_1_demands_consent_and_v1_only_records_it(consent):
    assert refusals(BODY | consent, version="v1.1") == [("patient_data_consent", "consent_required")]
    assert check(BODY | consent).consent == consent.get("patient_data_consent")
    assert check(BODY | {"patient_data_consent": True}, version="v1.1").consent is True


@pytest.mark.parametrize(
    ("named", "bound", "expected"),
    [
        ({}, CLINIC, [("doctor_id", "doctor_required")]),
        ({"doctor_id": STRANGER}, BOUND, [("doctor_id", "doctor_mismatch")]),
        ({"doctor_id": "doc_x"}, CLINIC, [("doctor_id", "doctor_not_registered")]),
        (
            {"doctor_id": DOCTOR_ID, "doctor": {"doctor_id": DOCTOR_ID}},
            CLINIC,
            [("doctor", "conflicting_fields")],
        ),
        ({"doctor": {}}, CLINIC, [("doctor.doctor_id", "required")]),
        (
            {"doctor": {"doctor_id": DOCTOR_ID, "medical_license_number": "12345"}},
            CLINIC,
            [("doctor.medical_license_number", "conflicting_fields")],
        ),
    ],
)
def test_the_prescriber_follows_from_token_and_body(named, bound, expected):
    found = FOUND if named.get("doctor_id") != STRANGER else replace(FOUND, doctors=[])

    assert refusals(BODY | named, bound=bound, found=found) == expected


@pytest.mark.parametrize("named", [{"doctor_id": DOCTOR_ID}, {"doctor": {"medical_license_number": "12345"}}])
def test_a_clinic_names_the_doctor(named):
    assert check(BODY | named, bound=CLINIC).doctor == known.doctor()


def test_a_licence_number_of_two_doctors_names_none():
    two = replace(FOUND, doctors=[*FOUND.doctors, *FOUND.doctors])
    body = BODY | {"doctor": {"medical_license_number": "12345"}}

    assert refusals(body, bound=CLINIC, found=two) == [
        ("doctor.medical_license_number", "doctor_not_registered")
    ]


@pytest.mark.parametrize(
    ("doctor", "allowed"),
    [
        (FoundDoctor(known.doctor(), "ACTIVE", date(2026, 6, 25)), True),
        (FoundDoctor(known.doctor(), "ACTIVE", date(2026, 6, 24)), False),
        (FoundDoctor(known.doctor(), "SUSPENDED", None), False),
    ],
)
def test_only_a_doctor_in_good_standing_prescribes(doctor, allowed):
    found = replace(FOUND, doctors=[doctor])

    if allowed:
        assert check(BODY, found=found).doctor == known.doctor()
    else:
        assert refusals(BODY, found=found) == [("doctor_id", "doctor_registration_inactive")]


def test_nobody_prescribes_for_a_patient_who_is_not_enabled_or_not_there():
    for nobody in (None, KNOWN.model_copy(update={"active": False})):
        assert refusals(BODY, found=replace(FOUND, patient=nobody)) == [("patient_id", "patient_not_found")]


def test_a_whole_name_agrees_with_its_parts_and_no_name_with_any():
    body = without("patient_id") | {"patient": INLINE}
    whole = KNOWN.model_copy(update={"first_name": "ANA López", "last_name": None})
    other = whole.model_copy(update={"first_name": "Ana Souza"})

    assert check(body, found=replace(FOUND, patient=whole)).patient == whole
    assert check(body, found=replace(FOUND, patient=whole.model_copy(update={"first_name": ""})))
    assert refusals(body, found=replace(FOUND, patient=other)) == [("patient", "patient_conflict")]


def test_an_inline_patient_on_file_is_that_record_and_an_unknown_one_is_new():
    body = without("patient_id") | {
        "patient": INLINE | {"first_name": "ANA", "email_address": "x@example.org"}
    }

    on_file = check(body)
    unknown = check(body, found=replace(FOUND, patient=None))

    assert (on_file.patient, on_file.inline) == (KNOWN, False)
    assert (unknown.patient.email_address, unknown.inline) == ("x@example.org", True)


def test_settings_of_the_provider_decide():
    relaxed = replace(
        FOUND,
        settings=provider_settings.read(
            {"diagnosis_required": "false", "max_medications": "1", "electronic_controlled": "II"}
        ),
    )

    assert check(without("diagnoses"), found=relaxed).diagnoses == ()
    assert check(with_medicine(product_code="MED-500"), found=relaxed).items[0].product is not None
    assert refusals(BODY | {"medications": [ONE_MEDICINE] * 2}, found=relaxed) == [
        ("medications", "too_many")
    ]


def test_a_timestamp_with_an_offset_is_the_same_moment():
    until = check(BODY | {"valid_until": "2026-07-01T01:00:00+02:00"}).valid_until

    assert until - NOW == timedelta(days=5, hours=7)


def test_what_is_looked_up_is_what_the_body_names():
    body = {
        "patient_id": PATIENT_ID,
        "doctor": {"medical_license_number": " 12345 "},
        "medications": [ONE_MEDICINE, {"product_code": "MED-107 "}, 7, {"product_code": 3}],
        "diagnoses": [{"code": "R51"}, {"diagnosis_code": "J00"}],
    }

    wanted = prescription.wanted(body, CLINIC, NOW)

    assert (wanted.patient_id, wanted.doctor_id) == (known.PATIENT, None)
    assert wanted.medical_license_number == "12345"
    assert (wanted.product_codes, wanted.diagnosis_codes) == (["MED-042", "MED-107"], ["R51", "J00"])


@pytest.mark.parametrize(
    "body", [{}, {"medications": {}}, {"doctor": []}, {"patient": 1}, {"diagnoses": [[]]}]
)
def test_no_body_breaks_the_look_up(body):
    prescription.wanted(body, CLINIC, NOW)
    assert refusals(body)

"""Osigu's public guide "Create an electronic prescription", as written but for address, token and ids."""

from __future__ import annotations

import re

MEDICATION = {"product_code": "MED-042", "quantity": 30, "posology": "1 tablet every 8h"}


async def test_the_guide_runs_step_by_step(clinic):
    looked_up = await clinic.get("/ehr/v1/patients?document_number=1000000003")
    created = await clinic.post(
        "/ehr/v1/patients",
        {
            "first_name": "Ana",
            "last_name": "López",
            "document_type": "CC",
            "document_number": "1000000003",
            "date_of_birth": "1990-04-11",
        },
    )
    diagnoses = await clinic.get("/medical-catalogs/v1/diagnoses?query=cephalgia")
    products = await clinic.get("/arc/v1/providers/products?product_type=MEDICATION")
    patient_id = created.json()["patient_id"]
    issued = await clinic.post(
        "/ehr/v1/prescriptions",
        {
            "patient_id": patient_id,
            "diagnoses": [{"diagnosis_code": "R51"}],
            "medications": [MEDICATION | {"duration_days": 10}],
        },
    )
    read = await clinic.get(f"/ehr/v1/prescriptions/{issued.json()['prescription_id']}")

    assert looked_up.json()["data"] == []
    assert re.fullmatch(r"pat_[0-9A-HJKMNP-TV-Z]{26}", patient_id)
    assert "R51" in [one["code"] for one in diagnoses.json()["data"]]
    assert "MED-042" in [one["product_code"] for one in products.json()["data"]]
    assert issued.status_code == 201
    assert issued.json()["status"] == "PRESCRIPTION_ISSUED"
    assert issued.json().keys() >= {"prescription_id", "prescription_code", "status", "created_at"}
    assert read.json()["download_url"].startswith("http")


async def test_it_is_mailed_to_a_patient_who_has_an_address(clinic):
    issued = await clinic.issue()

    resent = await clinic.post(
        f"/ehr/v1/prescriptions/{issued['prescription_id']}/resend", {"channel": "EMAIL"}
    )

    assert (resent.status_code, resent.json()["status"]) == (200, "QUEUED")


async def test_the_patient_of_the_guide_has_no_address_and_the_answer_says_so(clinic):
    patient_id = await clinic.patient(email_address=None)
    issued = await clinic.post("/ehr/v1/prescriptions", clinic.order(patient_id))

    resent = await clinic.post(
        f"/ehr/v1/prescriptions/{issued.json()['prescription_id']}/resend", {"channel": "EMAIL"}
    )

    assert (resent.status_code, resent.json()["code"]) == (422, "no_contact_for_channel")


async def test_v1_1_takes_the_same_body_with_consent_and_refuses_it_without(clinic):
    order = {
        "patient_id": await clinic.patient(),
        "patient_data_consent": True,
        "diagnoses": [{"diagnosis_code": "R51"}],
        "medications": [MEDICATION],
    }
    without = {name: value for name, value in order.items() if name != "patient_data_consent"}

    refused = await clinic.post("/ehr/v1.1/prescriptions", without)
    issued = await clinic.post("/ehr/v1.1/prescriptions", order)

    assert refused.status_code == 422
    assert [error["path"] for error in refused.json()["errors"]] == ["patient_data_consent"]
    assert (issued.status_code, issued.json()["version"]) == (201, "v1.1")

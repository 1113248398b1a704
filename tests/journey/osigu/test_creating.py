"""Create, v1 and v1.1: every field, limit and alias, all failures at once (osigu-dialect 5.2-5.4)."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

from tests.journey.osigu.test_patients import ana
from tests.problems import entries, refusal, word

V1, V11 = "/ehr/v1/prescriptions", "/ehr/v1.1/prescriptions"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def stamp(moment):
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_the_answer_to_the_guides_body_has_every_member(whole):
    answer = await whole.post(V1, whole.order(await whole.patient()))
    told = answer.json()

    assert answer.status_code == 201
    assert answer.headers["location"] == f"{V1}/{told['prescription_id']}"
    assert set(told) == {
        *(
            "prescription_id",
            "prescription_code",
            "status",
            "created_at",
            "version",
            "issued_at",
            "valid_until",
        ),
        *("safety_findings", "safety_coverage", "safety_not_evaluated", "unmatched_acknowledgements"),
    }
    assert (told["status"], told["version"]) == ("PRESCRIPTION_ISSUED", "v1")
    assert (told["safety_findings"], told["unmatched_acknowledgements"]) == ([], [])
    assert re.fullmatch(r"RX-\d{4}-\d{16}", told["prescription_code"])
    assert re.fullmatch(r"rx_[0-7][0-9A-HJKMNP-TV-Z]{25}", told["prescription_id"])
    for name in ("created_at", "issued_at", "valid_until"):
        assert MOMENT.fullmatch(told[name]), name
    # The end of the thirtieth day in Guatemala, which is six hours behind.
    local = datetime.now(UTC) - timedelta(hours=6)
    assert told["valid_until"] == (local + timedelta(days=31)).strftime("%Y-%m-%dT05:59:59Z")


async def test_every_optional_field_is_kept_and_given_back(whole):
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=366) - timedelta(hours=1)
    medication = {
        "product_code": "MED-042",
        "quantity": 9999,
        "posology": "p" * 500,
        "duration_days": 366,
        "dose_amount": "0.5",
        "dose_unit": "u" * 32,
        "frequency": "f" * 128,
        "substitution_allowed": False,
    }
    order = whole.order(await whole.patient()) | {
        "diagnoses": [
            {"code": "R51", "coding_system": "CIE-10", "type_enum": "CHIEF_COMPLAINT"},
            {"diagnosis_code": "I10", "coding_system": "ICD-10", "type": "MEDICAL_DIAGNOSIS"},
        ],
        "medications": [medication],
        "allergies": [{"ingredient": "latex", "severity": "MILD", "reaction": "rash"}],
        "additional_notes": "n" * 2000,
        "laboratory_notes": "Línea\r\notra\tcon tabulador",
        "diagnostic_test_notes": "d" * 2000,
        "confidential": True,
        "valid_until": until.astimezone().isoformat(),
        "patient_data_consent": True,
    }
    answer = await whole.post(V11, order)
    told = await whole.read(answer.json()["prescription_id"])

    assert (answer.status_code, answer.json()["version"]) == (201, "v1.1")
    assert told["valid_until"] == stamp(until)
    assert [
        (one["diagnosis_code"], one["code"], one["coding_system"], one["type"]) for one in told["diagnoses"]
    ] == [
        ("R51", "R51", "ICD-10", "CHIEF_COMPLAINT"),
        ("I10", "I10", "ICD-10", "MEDICAL_DIAGNOSIS"),
    ]
    assert {name: told["medications"][0][name] for name in medication} == medication
    assert told["allergies"] == order["allergies"]
    assert told["notes"] == told["additional_notes"] == "n" * 2000
    assert told["laboratory_notes"] == "Línea\notra\tcon tabulador"
    assert told["diagnostic_test_notes"] == "d" * 2000
    assert (told["confidential"], told["patient_data_consent"]) == (True, True)


async def test_each_field_says_what_is_wrong_with_it(whole):
    now = datetime.now(UTC)
    line = {"product_code": "MED-042", "quantity": 30, "posology": "p"}
    cases = {
        "patient both": ({"patient": ana()}, ["patient: conflicting_fields"]),
        "patient neither": ({"patient_id": None}, ["patient_id: required"]),
        "patient unknown": ({"patient_id": "pat_" + "0" * 26}, ["patient_id: patient_not_found"]),
        "patient misspelled": ({"patient_id": "ana"}, ["patient_id: patient_not_found"]),
        "patient number": ({"patient_id": 7}, ["patient_id: wrong_type"]),
        "consent": ({"patient_data_consent": "yes"}, ["patient_data_consent: wrong_type"]),
        "doctor both": ({"doctor": {"medical_license_number": "1"}}, ["doctor: conflicting_fields"]),
        "v2 fields": (
            {
                "national_repository_id": "a",
                "prepared_id": "a",
                "signing_method": "CLIENT",
                "signer": {},
                "signing_authorization": {},
                "signed_hash": {},
            },
            [
                "national_repository_id: field_not_supported",
                "prepared_id: field_not_supported",
                "signing_method: field_not_supported",
                "signer: field_not_supported",
                "signing_authorization: field_not_supported",
                "signed_hash: field_not_supported",
            ],
        ),
        "no diagnosis": ({"diagnoses": []}, ["diagnoses: out_of_range"]),
        "diagnoses absent": ({"diagnoses": None}, ["diagnoses: required"]),
        "21 diagnoses": ({"diagnoses": [{"diagnosis_code": "R51"}] * 21}, ["diagnoses: too_many"]),
        "diagnosis": (
            {
                "diagnoses": [
                    {"diagnosis_code": "ZZZ"},
                    {"coding_system": "SNOMED"},
                    {"diagnosis_code": "R51", "type": "X"},
                    {"diagnosis_code": "R51", "code": "I10"},
                    "R51",
                    {"diagnosis_code": "R51", "status": 1},
                ]
            },
            [
                "diagnoses[0].diagnosis_code: diagnosis_unknown",
                "diagnoses[1].diagnosis_code: required",
                "diagnoses[1].coding_system: invalid_value",
                "diagnoses[2].type: invalid_value",
                "diagnoses[3].code: conflicting_fields",
                "diagnoses[4]: wrong_type",
                "diagnoses[5].status: unknown_field",
            ],
        ),
        "no medication": ({"medications": []}, ["medications: out_of_range"]),
        "31 medications": ({"medications": [line] * 31}, ["medications: too_many"]),
        "medications object": ({"medications": line}, ["medications: wrong_type"]),
        "medication empty": (
            {"medications": [{}]},
            [
                "medications[0].product_code: required",
                "medications[0].quantity: required",
                "medications[0].posology: required",
            ],
        ),
        "medication": (
            {
                "medications": [
                    {
                        "product_code": "MED-999",
                        "quantity": 0,
                        "posology": " ",
                        "duration_days": 367,
                        "dose_amount": "half",
                        "dose_unit": "u" * 33,
                        "frequency": "f" * 129,
                        "brand_reason": "CLINICAL",
                        "brand_justification": "b",
                        "substitution_allowed": 1,
                        "route": "oral",
                    }
                ]
            },
            [
                "medications[0].product_code: product_unknown",
                "medications[0].quantity: out_of_range",
                "medications[0].posology: required",
                "medications[0].duration_days: out_of_range",
                "medications[0].dose_amount: invalid_format",
                "medications[0].dose_unit: too_long",
                "medications[0].frequency: too_long",
                "medications[0].brand_reason: field_not_supported",
                "medications[0].brand_justification: field_not_supported",
                "medications[0].substitution_allowed: wrong_type",
                "medications[0].route: unknown_field",
            ],
        ),
        "quantities": (
            {"medications": [line | {"quantity": one} for one in ("30", 30.0, 10_000, -1, True, [30])]},
            [
                "medications[0].quantity: wrong_type",
                "medications[1].quantity: wrong_type",
                "medications[2].quantity: out_of_range",
                "medications[3].quantity: out_of_range",
                "medications[4].quantity: wrong_type",
                "medications[5].quantity: wrong_type",
            ],
        ),
        "dose number": (
            {"medications": [line | {"dose_amount": 0.5}]},
            ["medications[0].dose_amount: wrong_type"],
        ),
        "posology": (
            {"medications": [line | {"posology": "p" * 501}]},
            ["medications[0].posology: too_long"],
        ),
        "no medicine": (
            {"medications": [line | {"product_code": code} for code in ("LAB-HEMO", "CONS-GEN")]},
            [
                "medications[0].product_code: product_type_not_prescribable",
                "medications[1].product_code: product_type_not_prescribable",
            ],
        ),
        "notes": (
            {"notes": "n" * 2001, "laboratory_notes": 1, "diagnostic_test_notes": "\x00"},
            ["notes: too_long", "laboratory_notes: wrong_type", "diagnostic_test_notes: invalid_value"],
        ),
        "notes alias": ({"notes": "a", "additional_notes": "b"}, ["additional_notes: conflicting_fields"]),
        "confidential": ({"confidential": "no"}, ["confidential: wrong_type"]),
        "past": ({"valid_until": stamp(now - timedelta(seconds=5))}, ["valid_until: out_of_range"]),
        "too far": (
            {"valid_until": stamp(now + timedelta(days=366, hours=1))},
            ["valid_until: out_of_range"],
        ),
        "no offset": (
            {"valid_until": (now + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%S")},
            ["valid_until: invalid_format"],
        ),
        "a day": ({"valid_until": "2027-01-01"}, ["valid_until: invalid_format"]),
        "findings": (
            {"acknowledged_findings": [{"finding_key": "k" * 201, "reason": "no"}, {"reason": "r" * 501}]},
            [
                "acknowledged_findings[0].finding_key: too_long",
                "acknowledged_findings[0].reason: out_of_range",
                "acknowledged_findings[1].finding_key: required",
                "acknowledged_findings[1].reason: too_long",
            ],
        ),
        "101 findings": (
            {"acknowledged_findings": [{"finding_key": "k", "reason": "because"}] * 101},
            ["acknowledged_findings: too_many"],
        ),
        "public but not here": (
            {
                "treatments": [],
                "products": [],
                "master_formulas": [{}],
                "simplified_treatments": [1],
                "additional_information": {},
            },
            [
                "additional_information: field_not_supported",
                "master_formulas: field_not_supported",
                "products: field_not_supported",
                "simplified_treatments: field_not_supported",
                "treatments: field_not_supported",
            ],
        ),
        "NUL": (
            {"diagnoses": [{"diagnosis_code": "R\x0051"}], "medications": [line | {"product_code": "M\x00"}]},
            ["diagnoses[0].diagnosis_code: invalid_value", "medications[0].product_code: invalid_value"],
        ),
        "NUL in the doctor": (
            {
                "doctor_id": None,
                "doctor": {
                    "medical_license_number": "\x00",
                    "medical_license_verification_institution_slug": "\x00",
                },
            },
            [
                "doctor.medical_license_number: invalid_value",
                "doctor.medical_license_verification_institution_slug: invalid_value",
            ],
        ),
        "NUL in the patient": (
            {"patient_id": None, "patient": ana(document_number="\x00")},
            ["patient.document_number: invalid_value"],
        ),
        "unknown": ({"urgent": True, "Notes": "a"}, ["urgent: unknown_field", "Notes: unknown_field"]),
        "order": (
            {
                "zodiac": 1,
                "confidential": 1,
                "notes": 1,
                "medications": [{"quantity": 1, "posology": "p"}],
                "diagnoses": [],
                "patient_id": None,
            },
            [
                "patient_id: required",
                "diagnoses: out_of_range",
                "medications[0].product_code: required",
                "notes: wrong_type",
                "confidential: wrong_type",
                "zodiac: unknown_field",
            ],
        ),
    }
    order = whole.order(await whole.patient())
    answers = await asyncio.gather(*(whole.post(V1, order | changes) for changes, _ in cases.values()))

    got = {
        name: sorted(entries(answer))
        if name == "public but not here"
        else entries(answer)
        if answer.is_error
        else 201
        for name, answer in zip(cases, answers, strict=True)
    }
    assert got == {name: expected for name, (_, expected) in cases.items()}
    assert {answer.status_code for answer in answers} == {422}


async def test_one_business_code_is_the_answers_code_and_several_are_not(whole, clinic):
    patient = await whole.patient()
    unknown = whole.order(patient, "MED-998", "MED-999")
    mixed = whole.order(patient, "MED-999") | {"diagnoses": [{"diagnosis_code": "ZZZ"}]}
    entry_word = whole.order(patient) | {"zodiac": 1}
    unregistered = [
        code
        for code in await products_of(clinic, "/arc/v1/products")
        if code not in await products_of(clinic, "/arc/v1/providers/products") and code.startswith("MED")
    ]
    not_registered = await clinic.post(V1, clinic.order(await clinic.patient(), *unregistered[:2]))

    assert word(await whole.post(V1, unknown)) == "422 product_unknown"
    assert word(await whole.post(V1, mixed)) == "422 validation_failed"
    assert word(await whole.post(V1, entry_word)) == "422 validation_failed"
    assert len(unregistered) == 2
    assert word(not_registered) == "422 product_not_registered"
    assert [one["error_code"] for one in refusal(not_registered)["errors"]] == ["071-104"] * 2


async def products_of(client, path):
    return [one["product_code"] for one in (await client.get(f"{path}?limit=200")).json()["data"]]


async def test_v1_1_asks_for_consent_and_v1_records_it(whole):
    order = whole.order(await whole.patient())
    refused = await asyncio.gather(
        *(
            whole.post(V11, order | changes)
            for changes in ({}, {"patient_data_consent": None}, {"patient_data_consent": False})
        )
    )
    issued = await whole.post(V1, order | {"patient_data_consent": False})

    assert {word(one) for one in refused} == {"422 consent_required"}
    assert [entries(one) for one in refused] == [["patient_data_consent: consent_required"]] * 3
    assert entries(await whole.post(V11, order | {"patient_data_consent": 1})) == [
        "patient_data_consent: wrong_type"
    ]
    assert issued.status_code == 201
    assert (await whole.read(issued.json()["prescription_id"]))["patient_data_consent"] is False


async def test_the_signed_version_is_not_offered_yet_or_refuses_this_body(whole):
    answer = await whole.post("/ehr/v2/prescriptions", whole.order(await whole.patient()))

    assert answer.status_code in (404, 422)


async def test_all_other_operations_are_served_under_three_prefixes(whole):
    issued = await whole.issue()
    for prefix in ("/ehr/v1", "/ehr/v1.1", "/ehr/v2"):
        path = f"{prefix}/prescriptions/{issued['prescription_id']}"
        read = await whole.get(path)
        assert (read.status_code, read.json()["prescription_code"]) == (200, issued["prescription_code"]), (
            prefix
        )
        assert (await whole.get(f"{prefix}/prescriptions?limit=1")).status_code == 200
        assert entries(await whole.post(f"{path}/void", {})) == [
            "reason: required",
            "doctor_id: doctor_required",
        ]
    assert (await whole.get("/ehr/v1.1/patients?document_number=1")).status_code == 404


async def test_an_inline_patient_is_created_or_must_agree(whole):
    body = ana(allergies=[{"ingredient": "latex"}])
    order = {name: value for name, value in whole.order("").items() if name != "patient_id"}
    found = f"/ehr/v1/patients?document_number={body['document_number']}"
    refused = await whole.post(V1, order | {"patient": body, "zodiac": 1})
    hidden = (await whole.get(found)).json()["total"]
    created = await whole.post(V1, order | {"patient": body})
    again = await whole.post(V1, order | {"patient": body | {"email_address": "else@example.org"}})
    other_name = await whole.post(V1, order | {"patient": body | {"last_name": "Otra"}})
    other_birth = await whole.post(V1, order | {"patient": body | {"date_of_birth": "1990-04-12"}})
    wrong = await whole.post(V1, order | {"patient": {"first_name": "Ana", "sex": "X"}})
    on_file = (await whole.get(found)).json()

    assert (word(refused), hidden) == ("422 validation_failed", 0)
    assert (created.status_code, again.status_code) == (201, 201)
    first, second = [
        (await whole.read(one.json()["prescription_id"]))["patient"]["patient_id"] for one in (created, again)
    ]
    assert first == second == on_file["data"][0]["patient_id"]
    assert on_file["total"] == 1
    for answer in (other_name, other_birth):
        assert word(answer) == "422 patient_conflict"
        assert entries(answer) == ["patient: patient_conflict"]
    assert entries(wrong) == [
        "patient.last_name: required",
        "patient.document_type: required",
        "patient.document_number: required",
        "patient.date_of_birth: required",
        "patient.sex: invalid_value",
    ]


async def test_fifty_prescriptions_for_one_unknown_person_make_one_patient(whole):
    body = ana()
    order = {name: value for name, value in whole.order("").items() if name != "patient_id"} | {
        "patient": body
    }
    answers = await asyncio.gather(*(whole.post(V1, order) for _ in range(50)))
    on_file = (await whole.get(f"/ehr/v1/patients?document_number={body['document_number']}")).json()

    assert {word(answer) for answer in answers} <= {"201", "422 safety_blocked"}
    assert "201" in {word(answer) for answer in answers}
    assert on_file["total"] == 1


async def test_a_blocked_inline_creation_leaves_no_patient(whole):
    body = ana()
    order = {
        name: value for name, value in whole.order("", "MED-107", "MED-311").items() if name != "patient_id"
    }
    blocked = await whole.post(V1, order | {"patient": body})
    found = (await whole.get(f"/ehr/v1/patients?document_number={body['document_number']}")).json()

    if blocked.status_code == 422 and blocked.json()["code"] == "safety_blocked":
        assert found["total"] == 0


async def test_a_providers_settings_narrow_what_it_may_issue(clinics):
    clinic = await clinics("narrow")
    patient = await clinic.patient()
    consent = {"patient_data_consent": True}
    v1 = await clinic.post(V1, clinic.order(patient))
    three = await clinic.post(V11, clinic.order(patient, "MED-042", "MED-107", "MED-120") | consent)
    without_diagnosis = await clinic.post(V11, clinic.order(patient) | consent | {"diagnoses": []})

    assert word(v1) == "422 version_not_allowed"
    assert entries(three) == ["medications: too_many"]
    assert without_diagnosis.status_code == 201
    del (order := clinic.order(patient) | consent)["diagnoses"]
    assert (await clinic.post(V11, order)).status_code in (201, 422)

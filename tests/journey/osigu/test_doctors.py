"""Who prescribes: bound and provider-wide clients, doctors on file (osigu-dialect 2, rulings 2.12, 2.13)."""

from __future__ import annotations

from tests.problems import entries, word

V1 = "/ehr/v1/prescriptions"
DOCTORS = "/ehr/v1/doctors"


async def test_a_provider_wide_client_names_an_active_doctor(whole, made, clinics):
    patient = await whole.patient()
    stranger = (await clinics("advise")).doctor_id
    cases = {
        "none": ({"doctor_id": None}, "422 doctor_required", ["doctor_id: doctor_required"]),
        "unknown": (
            {"doctor_id": "doc_" + "0" * 26},
            "422 doctor_not_registered",
            ["doctor_id: doctor_not_registered"],
        ),
        "misspelled": (
            {"doctor_id": "Ruiz"},
            "422 doctor_not_registered",
            ["doctor_id: doctor_not_registered"],
        ),
        "another provider's": (
            {"doctor_id": stranger},
            "422 doctor_not_registered",
            ["doctor_id: doctor_not_registered"],
        ),
        "suspended": (
            {"doctor_id": made.doctors["full Suspended"]},
            "422 doctor_registration_inactive",
            ["doctor_id: doctor_registration_inactive"],
        ),
        "expired": (
            {"doctor_id": made.doctors["full Expired"]},
            "422 doctor_registration_inactive",
            ["doctor_id: doctor_registration_inactive"],
        ),
    }
    for name, (changes, code, expected) in cases.items():
        answer = await whole.post(V1, whole.order(patient) | changes)
        assert (word(answer), entries(answer)) == (code, expected), name


async def test_a_doctor_may_be_named_in_an_object(whole):
    patient = await whole.patient()
    order = {name: value for name, value in whole.order(patient).items() if name != "doctor_id"}
    named = {
        "id": {"doctor_id": whole.doctor_id},
        "licence": {"medical_license_number": "1"},
        "licence and board": {
            "medical_license_number": "1",
            "medical_license_verification_institution_slug": "gt-colmedegua",
        },
    }
    for name, doctor in named.items():
        answer = await whole.post(
            V1,
            order
            | {"doctor": doctor, "medications": order["medications"], "patient_id": await whole.patient()},
        )
        assert answer.status_code == 201, name
        assert (await whole.read(answer.json()["prescription_id"]))["doctor"]["doctor_id"] == whole.doctor_id
    refused = {
        "unknown licence": {"medical_license_number": "999"},
        "other board": {
            "medical_license_number": "1",
            "medical_license_verification_institution_slug": "es-omc",
        },
    }
    for name, doctor in refused.items():
        assert word(await whole.post(V1, order | {"doctor": doctor})) == "422 doctor_not_registered", name
    assert word(await whole.post(V1, order | {"doctor": {}})) in (
        "422 doctor_required",
        "422 validation_failed",
    )
    assert "doctor.name: unknown_field" in entries(await whole.post(V1, order | {"doctor": {"name": "Ruiz"}}))


async def test_a_bound_client_is_its_doctor_and_no_other(clinic, platform):
    patient = await clinic.patient()
    doctors = (await clinic.get(DOCTORS)).json()["data"]
    issued = await clinic.post(V1, clinic.order(patient))
    own = (await clinic.read(issued.json()["prescription_id"]))["doctor"]["doctor_id"]
    other = next(one["doctor_id"] for one in doctors if one["doctor_id"] != own)

    assert (await clinic.post(V1, clinic.order(await clinic.patient(), doctor_id=own))).status_code == 201
    for named in ({"doctor_id": other}, {"doctor_id": "doc_" + "0" * 26}):
        answer = await clinic.post(V1, clinic.order(patient, **named))
        assert (word(answer), entries(answer)) == ("422 doctor_mismatch", ["doctor_id: doctor_mismatch"])


async def test_a_bound_client_reads_its_doctors_prescriptions_alone(platform, clinic):
    from tests.clients import Clinic

    async with Clinic(platform.url, platform.credentials["RECEPTA_CLINIC_CLIENT"]) as wide:
        doctors = (await wide.get(DOCTORS)).json()["data"]
        other = next(one["doctor_id"] for one in doctors if one["medical_license_number"] == "12346")
        issued = (await wide.post(V1, wide.order(await wide.patient(), doctor_id=other))).json()
        own = (await clinic.issue())["prescription_id"]

        for path in ("", "/pdf"):
            answer = await clinic.get(f"{V1}/{issued['prescription_id']}{path}")
            assert word(answer) == "404 resource_not_found", path
        assert word(await clinic.void(issued["prescription_id"])) == "404 resource_not_found"
        found = await clinic.get(f"{V1}?prescription_code={issued['prescription_code']}")
        assert (found.json()["data"], found.json()["total"]) == ([], 0)
        assert (await wide.get(f"{V1}/{own}")).status_code == 200


async def test_doctors_are_listed_and_read(whole):
    listed = (await whole.get(f"{DOCTORS}?limit=200")).json()
    one = listed["data"][0]
    read = await whole.get(f"{DOCTORS}/{one['doctor_id']}")

    assert read.json() == one
    assert read.headers["etag"]
    states = {doctor["given_names"]: doctor["registration_status"] for doctor in listed["data"]}
    assert {"Active": "ACTIVE", "Suspended": "SUSPENDED", "Expired": "EXPIRED"}.items() <= states.items()
    for state in ("ACTIVE", "SUSPENDED", "EXPIRED", "PENDING_VERIFICATION"):
        found = (await whole.get(f"{DOCTORS}?registration_status={state}")).json()
        assert {doctor["registration_status"] for doctor in found["data"]} <= {state}
        assert found["total"] == list(states.values()).count(state)
    assert [
        d["given_names"] for d in (await whole.get(f"{DOCTORS}?medical_license_number=2")).json()["data"]
    ] == ["Suspended"]
    assert (await whole.get(f"{DOCTORS}?medical_license_number=none")).json()["data"] == []
    assert entries(await whole.get(f"{DOCTORS}?registration_status=DEAD")) == [
        "query.registration_status: invalid_value"
    ]
    assert word(await whole.get(f"{DOCTORS}/doc_{'0' * 26}")) == "404 resource_not_found"

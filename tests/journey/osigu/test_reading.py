"""Reads, lists, tags, void, resend and PDF (osigu-dialect 1.8, 5.7-5.9, rulings 1.5, 2.4, 2.5, 2.17)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests.clients import mails
from tests.infrastructure import until
from tests.problems import entries, word

V1 = "/ehr/v1/prescriptions"
READ = {
    *("prescription_id", "id", "prescription_code", "code", "status", "version", "created_at", "issued_at"),
    *(
        "valid_until",
        "dispensing_in_progress",
        "patient",
        "doctor",
        "diagnoses",
        "medications",
        "confidential",
    ),
    *(
        "additional_notes",
        "notes",
        "laboratory_notes",
        "diagnostic_test_notes",
        "signature",
        "signed_document_id",
    ),
    *("safety_findings", "dispensations", "void", "download_url", "download_url_expires_at"),
    *("allergies", "patient_data_consent", "safety_coverage", "safety_not_evaluated"),
}
ROW = {
    *("prescription_id", "id", "prescription_code", "code", "status", "version", "created_at", "issued_at"),
    *("valid_until", "dispensing_in_progress", "patient", "doctor"),
}
LOG = {
    *("prescription_item_code", "action_slug_registered", "dispensation_status", "dispensed_quantity"),
    *(
        "substitution_reason",
        "substitution_description",
        "dispensation_product_id",
        "dispensation_product_name",
    ),
    *("lock_reason", "lock_description", "void_reason", "created_at", "created_by"),
}


async def test_a_read_has_every_member_of_its_table(whole):
    issued = await whole.issue()
    told = await whole.read(issued["prescription_id"])
    line = told["medications"][0]

    assert set(told) >= READ
    assert told["id"] == told["prescription_id"] == issued["prescription_id"]
    assert told["code"] == told["prescription_code"] == issued["prescription_code"]
    assert (told["status"], told["dispensing_in_progress"], told["void"]) == (
        "PRESCRIPTION_ISSUED",
        False,
        None,
    )
    assert set(told["patient"]) >= {
        "patient_id",
        "first_name",
        "last_name",
        "document_type",
        "document_number",
        "date_of_birth",
    }
    assert set(told["doctor"]) == {
        "doctor_id",
        "medical_board_registration",
        "name",
        "medical_license_number",
        "specialty_name",
    }
    assert line["id"].startswith("rxi_")
    assert line["prescription_item_code"] == f"{told['code']}-01"
    assert (line["dispensation_status"], line["dispensed_quantity"], line["remaining_quantity"]) == (
        "DISPENSABLE",
        0,
        30,
    )
    assert line["prescription_item_dispensation_logs"] == []
    assert (line["product_code"], line["quantity"], line["posology"], line["duration_days"]) == (
        "MED-042",
        30,
        "1 tablet every 8h",
        10,
    )
    assert line["substitution_allowed"] is True
    assert told["diagnoses"] == [
        {
            "diagnosis_code": "R51",
            "code": "R51",
            "coding_system": "ICD-10",
            "description": told["diagnoses"][0]["description"],
            "type": None,
        }
    ]
    assert len(told["signature"].split(".")) == 3
    assert told["signed_document_id"]
    expires = datetime.fromisoformat(told["download_url_expires_at"].replace("Z", "+00:00"))
    assert timedelta(hours=23) < expires - datetime.now(UTC) < timedelta(hours=25)


async def test_an_entity_tag_covers_what_is_stored_and_nothing_else(whole, pharmacy):
    issued = await whole.issue()
    path = f"{V1}/{issued['prescription_id']}"
    first, second = await whole.get(path), await whole.get(path)
    tag = first.headers["etag"]
    unchanged = await whole.get(path, If_None_Match=tag)

    assert tag == second.headers["etag"]
    assert tag.startswith('"')
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag)
    for also in (f'"other", {tag}', f"W/{tag}", "*"):
        assert (await whole.get(path, If_None_Match=also)).status_code == 304, also
    assert (await whole.get(path, If_None_Match='"other"')).status_code == 200
    started = (await pharmacy.start(issued["prescription_code"])).json()
    changed = await whole.get(path, If_None_Match=tag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    for other in (
        f"/ehr/v1/patients/{changed.json()['patient']['patient_id']}",
        f"/ehr/v1/doctors/{whole.doctor_id}",
    ):
        kept = (await whole.get(other)).headers["etag"]
        assert (await whole.get(other, If_None_Match=kept)).status_code == 304
    own = await pharmacy.get(f"/dispensing/v1/dispensations/{started['dispensation_id']}")
    again = await pharmacy.get(
        f"/dispensing/v1/dispensations/{started['dispensation_id']}", If_None_Match=own.headers["etag"]
    )
    assert again.status_code == 304


async def test_a_write_may_ask_for_the_version_it_has_seen(whole, pharmacy):
    issued = await whole.issue()
    path = f"{V1}/{issued['prescription_id']}"
    stale = (await whole.get(path)).headers["etag"]
    started = (await pharmacy.start(issued["prescription_code"])).json()
    await pharmacy.cancel(started["dispensation_id"])
    body = {"reason": "Rash seen.", "doctor_id": whole.doctor_id}
    refused = await whole.post(f"{path}/void", body, If_Match=stale)
    fresh = (await whole.get(path)).headers["etag"]

    assert word(refused) == "412 version_mismatch"
    assert refused.json()["retryable"] is False
    assert (await whole.post(f"{path}/void", body, If_Match=fresh)).status_code == 200


async def test_lists_are_filtered_newest_first(clinics, pharmacy):
    clinic = await clinics("free")
    patient = await clinic.patient()
    issued = [
        (await clinic.post(V1, clinic.order(one))).json()
        for one in (patient, await clinic.patient(), await clinic.patient())
    ]
    await clinic.post(
        f"{V1}/{issued[1]['prescription_id']}/void", {"reason": "Rash seen.", "doctor_id": clinic.doctor_id}
    )
    ids = [one["prescription_id"] for one in issued]

    async def found(query):
        answer = await clinic.get(f"{V1}?limit=200&{query}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["total"] == len(answer.json()["data"])
        return [one["prescription_id"] for one in answer.json()["data"] if one["prescription_id"] in ids]

    everything = (await clinic.get(f"{V1}?limit=3")).json()
    assert [one["prescription_id"] for one in everything["data"]] == ids[::-1]
    assert set(everything["data"][0]) == ROW
    assert set(everything["data"][0]["patient"]) == {"patient_id", "first_name", "last_name"}
    assert await found(f"patient_id={patient}") == ids[:1]
    assert await found(f"prescription_code={issued[2]['prescription_code']}") == ids[2:]
    assert (
        await found(f"prescription_code={issued[2]['prescription_code'].replace('-', '').lower()}") == ids[2:]
    )
    assert await found(f"doctor_id={clinic.doctor_id}") == ids[::-1]
    assert await found("status=PRESCRIPTION_VOIDED") == ids[1:2]
    assert await found("status=PRESCRIPTION_VOIDED,PRESCRIPTION_ISSUED") == ids[::-1]
    assert await found("status=PRESCRIPTION_EXPIRED") == []
    for nothing in (
        "patient_id=pat_0",
        "doctor_id=doc_" + "0" * 26,
        "prescription_code=RX-2020-0000000000000000",
        "prescription_code=x",
    ):
        assert await found(nothing) == [], nothing
    moment = issued[1]["created_at"]
    assert ids[1] in await found(f"created_from={moment}&created_to={moment}")
    assert await found("created_to=2020-01-01T00:00:00Z") == []
    assert await found("created_from=2020-01-01T00:00:00%2B02:00") == ids[::-1]
    refused = {
        "status=ISSUED": "query.status: invalid_value",
        "created_from=2020-01-01": "query.created_from: invalid_format",
        "created_from=yesterday": "query.created_from: invalid_format",
        "sort=asc": "query.sort: unknown_field",
        "limit=201": "query.limit: out_of_range",
    }
    for query, expected in refused.items():
        assert entries(await clinic.get(f"{V1}?{query}")) == [expected], query


async def test_a_void_needs_its_reason_and_repeats_without_harm(whole):
    issued = await whole.issue()
    path = f"{V1}/{issued['prescription_id']}/void"
    doctor = {"doctor_id": whole.doctor_id}
    cases = {
        "nothing": ({}, ["reason: required", "doctor_id: doctor_required"]),
        "short": (doctor | {"reason": "no"}, ["reason: out_of_range"]),
        "long": (doctor | {"reason": "n" * 501}, ["reason: too_long"]),
        "code": (doctor | {"reason": "Rash seen.", "reason_code": "RASH"}, ["reason_code: invalid_value"]),
        "unknown": (doctor | {"reason": "Rash seen.", "x": 1}, ["x: unknown_field"]),
    }
    for name, (body, expected) in cases.items():
        assert entries(await whole.post(path, body)) == expected, name
    first = await whole.post(
        path, doctor | {"reason": "Patient reports rash.", "reason_code": "PATIENT_REQUEST"}
    )
    again = await whole.post(path, doctor | {"reason": "Another reason.", "reason_code": "ERROR"})
    told = await whole.read(issued["prescription_id"])

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert set(first.json()) == {
        "prescription_id",
        "prescription_code",
        "status",
        "voided_at",
        "reason",
        "reason_code",
    }
    assert (told["status"], told["medications"][0]["dispensation_status"]) == (
        "PRESCRIPTION_VOIDED",
        "SUSPENDED",
    )
    assert told["void"] == {
        "reason": "Patient reports rash.",
        "reason_code": "PATIENT_REQUEST",
        "voided_at": first.json()["voided_at"],
        "doctor_id": whole.doctor_id,
    }
    assert word(await whole.post(f"{V1}/rx_{'0' * 26}/void", {})) == "404 resource_not_found"


async def test_a_dispensed_one_cannot_be_voided_and_a_partly_dispensed_one_can(whole, pharmacy):
    whole_one, part = await whole.issue(), await whole.issue()
    started = (await pharmacy.start(whole_one["prescription_code"])).json()
    await pharmacy.complete(started["dispensation_id"])
    started = (await pharmacy.start(part["prescription_code"])).json()
    await pharmacy.update(
        started["dispensation_id"],
        {"id": started["products"][0]["id"], "price": 0, "taxes": 0, "quantity": 7},
    )
    await pharmacy.complete(started["dispensation_id"])
    body = {"reason": "Rash seen.", "doctor_id": whole.doctor_id}

    refused = await whole.post(f"{V1}/{whole_one['prescription_id']}/void", body)
    voided = await whole.post(f"{V1}/{part['prescription_id']}/void", body)
    told = await whole.read(part["prescription_id"])

    assert (word(refused), word(voided)) == ("409 prescription_dispensed", "200")
    line = told["medications"][0]
    assert (line["dispensed_quantity"], line["remaining_quantity"], line["dispensation_status"]) == (
        7,
        23,
        "SUSPENDED",
    )
    logs = line["prescription_item_dispensation_logs"]
    assert [log["action_slug_registered"] for log in logs] == [
        "dispensation-completed",
        "prescription-voided",
    ]
    assert all(set(log) == LOG for log in logs)
    assert (logs[0]["created_by"], logs[0]["dispensation_product_id"], logs[0]["dispensed_quantity"]) == (
        "farmacia-sol",
        "MED-042",
        7,
    )
    assert logs[0]["lock_reason"] is None


async def test_resending_five_times_an_hour(platform, whole):
    patient = await whole.patient(email_address="inbox@example.org")
    issued = (await whole.post(V1, whole.order(patient))).json()
    path = f"{V1}/{issued['prescription_id']}/resend"
    address = f"{issued['prescription_id'].lower()}@example.org"
    first = await whole.post(path, {"channel": "EMAIL", "email_address": address})

    assert entries(await whole.post(path, {})) == ["channel: required"]
    assert entries(await whole.post(path, {"channel": "FAX"})) == ["channel: invalid_value"]
    assert word(await whole.post(path, {"channel": "SMS"})) == "422 channel_not_configured"
    assert first.status_code == 200
    assert set(first.json()) == {"prescription_id", "channel", "status", "masked_destination", "requested_at"}
    assert (first.json()["channel"], first.json()["status"]) == ("EMAIL", "QUEUED")
    assert first.json()["masked_destination"] != address
    assert "@" in first.json()["masked_destination"]
    others = [await whole.post(path, {"channel": "EMAIL", "email_address": address}) for _ in range(5)]
    assert [word(one) for one in others] == ["200"] * 4 + ["429 rate_limited"]
    assert int(others[-1].headers["retry-after"]) > 0
    await until(lambda: len(mails(platform.mail, address)) == 5, 20)


async def test_resending_needs_an_address_and_a_living_prescription(whole):
    patient = await whole.patient(email_address=None)
    issued = (await whole.post(V1, whole.order(patient))).json()
    path = f"{V1}/{issued['prescription_id']}"
    nowhere = await whole.post(f"{path}/resend", {"channel": "EMAIL"})
    await whole.post(f"{path}/void", {"reason": "Rash seen.", "doctor_id": whole.doctor_id})
    voided = await whole.post(f"{path}/resend", {"channel": "EMAIL", "email_address": "a@example.org"})

    assert word(nowhere) == "422 no_contact_for_channel"
    assert word(voided) == "409 prescription_voided"


async def test_the_pdf_comes_by_token_and_by_link_and_not_by_a_forged_one(http, whole, clinics):
    issued = await whole.issue()
    path = f"{V1}/{issued['prescription_id']}/pdf"

    async def made():
        return (await whole.get(path, Accept="application/pdf")).status_code == 200

    await until(made, 20)
    by_token = await whole.get(path)
    link = (await whole.read(issued["prescription_id"]))["download_url"]
    by_link = await http.get(link)
    other = (await whole.issue())["prescription_id"]
    token = link.partition("?token=")[2]

    assert by_token.headers["content-type"] == by_link.headers["content-type"] == "application/pdf"
    assert by_token.content[:5] == by_link.content[:5] == b"%PDF-"
    stranger = await clinics("advise")
    assert word(await stranger.get(path)) == "404 resource_not_found"
    assert word(await http.get(path)) == "401 token_missing"
    forged = (token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), "", "x", "%00", token + "a")
    for one in forged[:1] + forged[2:]:
        assert word(await http.get(f"{path}?token={one}")) == "404 resource_not_found", one
    elsewhere = f"{V1}/{other}/pdf?token={token}"
    assert word(await http.get(elsewhere)) == "404 resource_not_found"
    assert word(await whole.get(f"{V1}/rx_{'0' * 26}/pdf")) == "404 resource_not_found"
    assert word(await whole.get(path, Accept="text/html")) == "406 not_acceptable"


async def test_a_stranger_finds_nothing(whole, clinics, pharmacy):
    issued = await whole.issue()
    stranger = await clinics("advise")
    path = f"{V1}/{issued['prescription_id']}"
    answers = await asyncio.gather(
        stranger.get(path),
        stranger.get(f"{path}/pdf"),
        stranger.post(f"{path}/void", {"reason": "Rash seen.", "doctor_id": stranger.doctor_id}),
        stranger.post(f"{path}/resend", {"channel": "EMAIL"}),
        whole.get(path.lower()),
        whole.get(path.replace("rx_", "rxi_")),
        whole.get(path + "0"),
        whole.get(path[:-1]),
    )

    assert {word(one) for one in answers} == {"404 resource_not_found"}
    by_code = await stranger.get(f"{V1}?prescription_code={issued['prescription_code']}")
    assert by_code.json()["total"] == 0

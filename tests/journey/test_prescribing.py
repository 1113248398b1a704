"""A clinic prescribes over HTTP, and what it is told is true."""

from __future__ import annotations

import asyncio

import pytest

from tests.clients import Clinic, following, mails, uuid_of
from tests.infrastructure import until


async def test_an_issued_prescription_is_sealed_readable_and_released_to_pharmacies(platform, clinic):
    async with following(platform.kafka.bootstrap, "dispense-events-v1") as events:
        issued = await clinic.issue()
        read = await clinic.read(issued["prescription_id"])
        released = await events.of(uuid_of(issued["prescription_id"]), 1)

    assert (issued["status"], issued["version"], issued["safety_findings"]) == (
        "PRESCRIPTION_ISSUED",
        "v1",
        [],
    )
    assert read["prescription_code"] == issued["prescription_code"]
    assert read["signature"].count(".") == 2
    assert [kind for kind, _ in released] == ["recepta.dispense.released.v1"]


async def test_the_seal_verifies_with_the_published_key(platform, clinic):
    from joserfc import jws
    from joserfc.jwk import KeySet

    issued = await clinic.issue()
    compact = (await clinic.read(issued["prescription_id"]))["signature"]

    keys = (await clinic.get("/.well-known/seal-jwks.json")).json()

    class Registry(jws.JWSRegistry):
        max_header_length = 16_384

    thumbprint = __import__("json").loads(
        __import__("base64").urlsafe_b64decode(compact.split(".")[0] + "==")
    )["x5t#S256"]
    key = next(key for key in keys["keys"] if key["x5t#S256"] == thumbprint)
    registry = Registry(algorithms=["ES256"], strict_check_header=False)
    sealed = jws.deserialize_compact(compact, KeySet.import_key_set({"keys": [key]}), registry=registry)

    assert __import__("json").loads(sealed.payload)["prescription_code"] == issued["prescription_code"]


async def test_warfarin_with_aspirin_is_blocked_until_the_doctor_acknowledges_it(clinic):
    patient_id = await clinic.patient()
    order = clinic.order(patient_id, "MED-107", "MED-311")

    blocked = await clinic.post("/ehr/v1/prescriptions", order)
    key = blocked.json()["errors"][0]["finding_key"]
    acknowledged = order | {"acknowledged_findings": [{"finding_key": key, "reason": "Stent; INR weekly."}]}
    issued = await clinic.post("/ehr/v1/prescriptions", acknowledged)
    read = await clinic.read(issued.json()["prescription_id"])

    assert (blocked.status_code, blocked.json()["code"]) == (422, "safety_blocked")
    assert issued.status_code == 201
    finding = next(one for one in read["safety_findings"] if one["finding_key"] == key)
    assert (finding["severity"], finding["acknowledged"]) == ("critical", True)
    assert finding["reason"] == "Stent; INR weekly."


async def test_what_another_prescription_of_the_patient_holds_is_checked_too(clinic):
    patient_id = await clinic.patient()
    first = await clinic.post("/ehr/v1/prescriptions", clinic.order(patient_id, "MED-107"))

    second = await clinic.post("/ehr/v1/prescriptions", clinic.order(patient_id, "MED-311"))

    assert first.status_code == 201
    assert (second.status_code, second.json()["code"]) == (422, "safety_blocked")


async def test_of_two_issues_at_one_moment_the_later_sees_the_earlier(clinic):
    for _ in range(5):
        patient_id = await clinic.patient()
        orders = [clinic.order(patient_id, code) for code in ("MED-107", "MED-311")]

        answers = await asyncio.gather(*(clinic.post("/ehr/v1/prescriptions", order) for order in orders))

        assert sorted(answer.status_code for answer in answers) == [201, 422]


async def test_a_product_that_is_not_registered_is_refused_with_the_vendors_code(clinic):
    listed = (await clinic.get("/arc/v1/products?product_type=MEDICATION&limit=200")).json()["data"]
    own = (await clinic.get("/arc/v1/providers/products?product_type=MEDICATION&limit=200")).json()["data"]
    registered = {product["product_code"] for product in own}
    stranger = next(one["product_code"] for one in listed if one["product_code"] not in registered)

    refused = await clinic.post(
        "/ehr/v1/prescriptions", clinic.order(await clinic.patient(), "MED-042", stranger)
    )

    body = refused.json()
    assert (refused.status_code, body["code"], body["error_code"]) == (
        422,
        "product_not_registered",
        "071-104",
    )
    assert [error["path"] for error in body["errors"]] == ["medications[1].product_code"]


async def test_fifty_times_one_key_at_once_is_one_prescription(clinic):
    order = clinic.order(await clinic.patient())

    answers = await asyncio.gather(
        *(clinic.post("/ehr/v1/prescriptions", order, idempotency_key="fifty-of-one") for _ in range(50))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1


async def test_a_client_that_does_not_wait_asks_later(clinic):
    order = clinic.order(await clinic.patient())
    accepted = await clinic.post("/ehr/v1/prescriptions", order, prefer="respond-async")

    async def finished() -> bool:
        answer = await clinic.get(accepted.headers["location"])
        return answer.json()["state"] == "SUCCEEDED"

    await until(finished, seconds=10)
    response = (await clinic.get(accepted.headers["location"])).json()["response"]

    assert accepted.status_code == 202
    assert response["status"] == 201
    assert (await clinic.read(response["body"]["prescription_id"]))["status"] == "PRESCRIPTION_ISSUED"


async def test_without_consent_the_version_that_demands_it_refuses(clinic):
    order = clinic.order(await clinic.patient())

    refused = await clinic.post("/ehr/v1.1/prescriptions", order)
    issued = await clinic.post("/ehr/v1.1/prescriptions", order | {"patient_data_consent": True})

    assert (refused.status_code, refused.json()["code"]) == (422, "consent_required")
    assert (issued.status_code, issued.json()["version"]) == (201, "v1.1")


async def test_a_voided_prescription_is_told_to_pharmacies_and_refused_by_them(platform, clinic, pharmacy):
    async with following(platform.kafka.bootstrap, "dispense-events-v1") as events:
        issued = await clinic.issue()
        voided = await clinic.void(issued["prescription_id"])
        told = await events.of(uuid_of(issued["prescription_id"]), 2)
    refused = await pharmacy.start(issued["prescription_code"])

    assert (voided.status_code, voided.json()["status"]) == (200, "PRESCRIPTION_VOIDED")
    assert [kind for kind, _ in told] == ["recepta.dispense.released.v1", "recepta.dispense.ended.v1"]
    assert (refused.status_code, refused.json()["code"]) == (409, "prescription_voided")


async def test_the_document_is_the_same_by_token_and_by_the_link_that_a_read_gives(platform, clinic):
    issued = await clinic.issue()
    read = await clinic.read(issued["prescription_id"])

    by_token = await clinic.get(
        f"/ehr/v1/prescriptions/{issued['prescription_id']}/pdf", accept="application/pdf"
    )
    by_link = await clinic._http.get(read["download_url"])

    assert by_token.status_code == by_link.status_code == 200
    assert by_token.content == by_link.content
    assert by_token.content.startswith(b"%PDF")


async def test_resending_mails_the_document_once_for_each_time(platform, clinic):
    patient_id = await clinic.patient(email_address="resent@example.org")
    issued = await clinic.post("/ehr/v1/prescriptions", clinic.order(patient_id))
    path = f"/ehr/v1/prescriptions/{issued.json()['prescription_id']}/resend"

    queued = await clinic.post(path, {"channel": "EMAIL"})
    await until(lambda: mails(str(platform.mail), "resent@example.org"), seconds=15)

    (mail,) = mails(str(platform.mail), "resent@example.org")
    (pdf,) = mail.iter_attachments()
    assert (queued.status_code, queued.json()["status"]) == (200, "QUEUED")
    assert pdf.get_content_type() == "application/pdf"


async def test_another_provider_does_not_find_it(clinic: Clinic, other_clinic: Clinic):
    issued = await clinic.issue()

    answer = await other_clinic.get(f"/ehr/v1/prescriptions/{issued['prescription_id']}")

    assert (answer.status_code, answer.json()["code"]) == (404, "resource_not_found")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/ehr/v1/prescriptions/rx_00000000000000000000000000", "resource_not_found"),
        ("/arc/v1/claims", "operation_not_offered"),
    ],
)
async def test_what_is_not_there_says_why(clinic, path, code):
    answer = await clinic.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, code)

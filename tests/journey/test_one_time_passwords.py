"""A beneficiary is verified at the counter by a code from a real mail, where the issuer asks for it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection
from itertools import count
from typing import Any

import pytest

from dev.platform import Platform
from tests.clients import RECEIPT, Clinic, Pharmacy, mails
from tests.infrastructure import until
from tests.journey.osigu.test_reports import at_the_counter, short

TOKEN = "otp_verification_token"
_numbers = count(1)


@pytest.fixture
async def careful(platform: Platform) -> AsyncIterator[Clinic]:
    """A clinic that has every beneficiary verified."""
    async with Clinic(platform.url, platform.credentials["RECEPTA_OTP_CLIENT"]) as client:
        yield client


async def issue(clinic: Clinic, *, address: str, prescriptions: int = 1) -> list[str]:
    """The codes of some prescriptions of one new patient."""
    (doctor,) = (await clinic.get("/ehr/v1/doctors")).json()["data"]
    patient_id = await clinic.patient(email_address=address)
    issued = []
    for _ in range(prescriptions):
        order = clinic.order(patient_id, doctor_id=doctor["doctor_id"])
        answer = await clinic.post("/ehr/v1/prescriptions", order)
        assert answer.status_code == 201, answer.text
        issued.append(answer.json()["prescription_code"])
    return issued


def somebody() -> str:
    return f"verified.{next(_numbers)}@example.org"


async def send(pharmacy: Pharmacy, beneficiary_id: str, **more: Any) -> dict[str, Any]:
    body = {"beneficiary_id": beneficiary_id, "channel": "EMAIL"} | more
    answer = await pharmacy.post("/v1/otp/send", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def code_in_mail(platform: Platform, address: str, *, after: Collection[str] = ()) -> str:
    """The code that this person reads in a mail; `after`: in the one that follows these."""
    found: list[str] = []

    def has_come() -> bool:
        texts = [one.get_body(("plain",)).get_content() for one in mails(str(platform.mail), address)]
        lines = (line for text in texts for line in text.splitlines())
        found[:] = [line for line in lines if re.fullmatch("[0-9]{6}", line) and line not in after]
        return bool(found)

    await until(has_come, seconds=15)
    return found[0]


async def verification(pharmacy: Pharmacy, dispensation_id: str) -> dict[str, Any]:
    path = f"/dispensing/v1/dispensations/{dispensation_id}/verification-status"
    return dict((await pharmacy.get(path)).json())


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_with_the_code_from_the_mail_the_medicines_are_handed_over(platform, careful, pharmacy):
    address = somebody()
    (code,) = await issue(careful, address=address)
    started = (await pharmacy.start(code)).json()
    held = started["dispensation_id"]

    without = await pharmacy.complete(held)
    pending = await verification(pharmacy, held)
    sent = await send(pharmacy, started["beneficiary_id"])
    otp = {"otp_id": sent["otp_id"], "code": await code_in_mail(platform, address)}
    validated = await pharmacy.post("/v1/otp/validate", otp)
    shown = await verification(pharmacy, held)
    completed = await pharmacy.complete(held, **{TOKEN: validated.json()[TOKEN]})
    again = await pharmacy.complete(held)

    assert started["verification_required"] == "OTP"
    assert code_of(without) == (422, "verification_required")
    assert (pending["verification_status"], pending["verified_at"]) == ("PENDING", None)
    assert (sent["expires_in"], sent["masked_destination"]) == (300, "v***@e***.org")
    assert (validated.status_code, validated.json()["expires_in"]) == (200, 600)
    assert shown["verification_status"] == "VERIFIED"
    assert (completed.status_code, completed.json()["status"]) == (200, "COMPLETED")
    assert (again.status_code, again.json()["status"]) == (200, "COMPLETED")
    assert (await verification(pharmacy, held))["verified_at"] == shown["verified_at"]


async def test_wrong_codes_are_counted_and_a_new_one_helps(platform, careful, pharmacy):
    address = somebody()
    (code,) = await issue(careful, address=address)
    started = (await pharmacy.start(code)).json()
    sent = await send(pharmacy, started["beneficiary_id"])
    right = await code_in_mail(platform, address)
    wrong = f"{(int(right) + 1) % 1_000_000:06}"

    guesses = [
        await pharmacy.post("/v1/otp/validate", {"otp_id": sent["otp_id"], "code": guess})
        for guess in (*[wrong] * 5, right)
    ]
    invented = await pharmacy.complete(started["dispensation_id"], **{TOKEN: "invented"})
    await send(pharmacy, started["beneficiary_id"])
    fresh = await code_in_mail(platform, address, after=[right])
    completed = await pharmacy.complete(
        started["dispensation_id"], external_verifications=[{"type": "OTP", "value": fresh}]
    )

    codes = [code_of(one) for one in guesses]
    assert codes == [(422, "otp_wrong")] * 5 + [(422, "otp_attempts_exceeded")]
    assert code_of(invented) == (422, "verification_invalid")
    assert completed.status_code == 200


async def test_a_code_verifies_one_dispensation_and_no_second(platform, careful, pharmacy):
    address = somebody()
    first, second = await issue(careful, address=address, prescriptions=2)
    seen = (await pharmacy.get(f"/dispensing/v1/codes/{first}")).json()
    await send(pharmacy, seen["beneficiary_id"])
    shown = [{"type": "OTP", "value": await code_in_mail(platform, address)}]

    started = await pharmacy.start(first, external_verifications=shown)
    reused = await pharmacy.start(second, external_verifications=shown)
    completed = await pharmacy.complete(started.json()["dispensation_id"])

    assert started.status_code == 201
    assert code_of(reused) == (422, "verification_invalid")
    assert reused.json()["errors"][0]["path"] == "external_verifications[0].value"
    assert completed.status_code == 200


async def test_where_the_policy_is_never_a_token_is_ignored(clinic, pharmacy):
    code = (await clinic.issue())["prescription_code"]
    started = (await pharmacy.start(code)).json()

    completed = await pharmacy.complete(started["dispensation_id"], **{TOKEN: "invented"})

    assert started["verification_required"] is None
    assert completed.status_code == 200
    assert (await verification(pharmacy, started["dispensation_id"]))["verification_status"] == "NOT_REQUIRED"


async def test_a_pharmacy_that_never_met_a_person_cannot_have_them_written_to(
    careful, pharmacy, other_pharmacy
):
    (code,) = await issue(careful, address=somebody())
    started = (await pharmacy.start(code)).json()

    stranger = await other_pharmacy.post(
        "/v1/otp/send", {"beneficiary_id": started["beneficiary_id"], "channel": "EMAIL"}
    )

    assert code_of(stranger) == (422, "beneficiary_mismatch")


async def test_a_report_over_kafka_proves_the_verification_with_the_same_token(platform, careful, pharmacy):
    address = somebody()
    first, second = await issue(careful, address=address, prescriptions=2)
    async with at_the_counter(platform, pharmacy) as counter:
        held, other = [
            {
                "code": code,
                "dispensation_id": (await counter.outcome("start", {"code": code}))["dispensation_id"],
            }
            for code in (first, second)
        ]
        without = await counter.outcome("complete", held | RECEIPT)
        invented = await counter.outcome("complete", held | RECEIPT | {TOKEN: "invented"})
        named = (await pharmacy.get(f"/dispensing/v1/dispensations?code={first}")).json()["data"][0]
        sent = await send(pharmacy, named["beneficiary_id"], dispensation_id=named["dispensation_id"])
        otp = {"otp_id": sent["otp_id"], "code": await code_in_mail(platform, address)}
        token = {TOKEN: (await pharmacy.post("/v1/otp/validate", otp)).json()[TOKEN]}
        completed = await counter.outcome("complete", held | RECEIPT | token)
        again = await counter.outcome("complete", held | RECEIPT | token)
        reused = await counter.outcome("complete", other | RECEIPT | token)

    assert short(without) == ("refused", 422, "verification_required")
    assert short(invented) == ("refused", 422, "verification_invalid")
    assert [short(one) for one in (completed, again)] == [("applied", 200, None)] * 2
    assert short(reused) == ("refused", 422, "verification_invalid")
    shown = (await pharmacy.get(f"/dispensing/v1/dispensations?code={first}")).json()["data"][0]
    assert shown["status"] == "COMPLETED"

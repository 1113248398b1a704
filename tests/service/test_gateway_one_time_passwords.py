"""One-time passwords at the gateway, over HTTP on a real Postgres; codes are read from the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from contracts.message import Message
from contracts.notification_commands import SendOneTimePassword
from contracts.prescription_commands import CompleteDispensation, StartDispensation
from contracts.prescription_events import PrescriptionChanged
from contracts.values import DispensationStatus, Pharmacy, Prescription
from services.gateway.messages.ids import spell
from shared import clock
from tests import prescriptions as known
from tests.gateway import NORTE, OTHER_CLIENT, PHARMACY_CLIENT, SOL, Serving, serving
from tests.service.conftest import said

SEND, VALIDATE = "/v1/otp/send", "/v1/otp/validate"
ANA = spell("bnf", known.PATIENT)
HELD = spell("dsp", known.DISPENSATION)
OTHER = UUID(int=99)
RECEIPT = {"amount": 1, "document_number": "F-1", "document_date": "2026-06-26T10:21:00Z"}
TOKEN = "otp_verification_token"


@pytest.fixture
async def gateway(database) -> AsyncIterator[Serving]:
    async with serving(await database("gateway")) as found:
        yield found
    clock.reset()


async def keep(gateway: Serving, **changes: Any) -> Prescription:
    """A prescription of the clinic, as the gateway has heard of it."""
    now = clock.now()
    owner = gateway.tenants[NORTE]
    state = known.prescription(
        tenant_id=owner, issued_at=now, valid_until=now + timedelta(days=30), **changes
    )
    await gateway.deliver(
        PrescriptionChanged(
            tenant_id=owner, prescription_id=state.prescription_id, change="issued", prescription=state
        )
    )
    return state


async def hold(gateway: Serving, *, id: UUID = known.DISPENSATION, **changes: Any) -> None:
    """The same, and the pharmacy has begun to dispense it, with a verification demanded."""
    claim = known.dispensation(
        dispensation_id=id,
        pharmacy=Pharmacy(tenant_id=gateway.tenants[SOL], provider_slug=SOL),
        started_at=clock.now(),
        expires_at=clock.now() + timedelta(minutes=30),
        verification_required="OTP",
    )
    await keep(gateway, dispensations=(claim,), revision=changes.pop("revision", 8), **changes)


async def send(gateway: Serving, **body: Any) -> Any:
    sent = {"beneficiary_id": ANA, "channel": "EMAIL"} | body
    return await gateway.post(PHARMACY_CLIENT, SEND, {name: one for name, one in sent.items() if one})


async def validate(gateway: Serving, otp_id: str, code: str, **more: Any) -> Any:
    return await gateway.post(PHARMACY_CLIENT, VALIDATE, {"otp_id": otp_id, "code": code}, **more)


async def asked(gateway: Serving, kind: type[Message]) -> list[Any]:
    return [one.message for one in await said(gateway.owner) if isinstance(one.message, kind)]


async def code_of(gateway: Serving) -> str:
    return (await asked(gateway, SendOneTimePassword))[-1].code


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def verified(gateway: Serving, **body: Any) -> str:
    """A token, by sending and validating a code."""
    otp_id = (await send(gateway, **body)).json()["otp_id"]
    return (await validate(gateway, otp_id, await code_of(gateway))).json()[TOKEN]


async def complete(gateway: Serving, id: str = HELD, **body: Any) -> tuple[Any, ...]:
    """What the prescription service is told of the verification."""
    await gateway.ask(
        PHARMACY_CLIENT,
        "POST",
        f"/dispensing/v1/dispensations/{id}/complete",
        json=RECEIPT | body,
        headers={"Prefer": "respond-async"},
    )
    shown = (await asked(gateway, CompleteDispensation))[-1].verifications
    return tuple((one.path, one.verification_id is not None) for one in shown)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_code_is_mailed_to_the_address_on_file_and_kept_by_nobody(gateway):
    await hold(gateway)

    answer = await send(gateway)

    (command,) = await asked(gateway, SendOneTimePassword)
    assert answer.status_code == 201
    assert answer.json() == {
        "otp_id": spell("otp", command.otp_id),
        "channel": "EMAIL",
        "expires_in": 300,
        "masked_destination": "a***@e***.org",
    }
    assert (command.email_address, command.language) == ("ana@example.org", "es")
    assert (command.asked_by, command.tenant_id) == (SOL.title(), gateway.tenants[NORTE])
    row = await gateway.owner.fetchrow("SELECT * FROM one_time_password")
    request = await gateway.owner.fetchrow("SELECT * FROM request")
    for kept in (row, request):
        assert command.code not in str(dict(kept))
    assert "ana@example.org" not in str(dict(row))


async def test_the_right_code_is_exchanged_for_a_token_once(gateway):
    await hold(gateway)
    otp_id = (await send(gateway)).json()["otp_id"]
    right = await code_of(gateway)

    answer = await validate(gateway, otp_id, right, key="a")
    replayed = await validate(gateway, otp_id, right, key="a")
    again = await validate(gateway, otp_id, right)

    assert answer.status_code == 200
    assert (answer.json()["otp_id"], answer.json()["expires_in"]) == (otp_id, 600)
    assert replayed.json() == answer.json()
    assert code(again) == (422, "otp_expired")


async def test_five_wrong_codes_end_it_and_the_sixth_is_told_so_even_if_right(gateway):
    await hold(gateway)
    otp_id = (await send(gateway)).json()["otp_id"]
    right = await code_of(gateway)

    answers = [await validate(gateway, otp_id, wrong(right)) for _ in range(5)]
    sixth = await validate(gateway, otp_id, right)

    assert [code(one) for one in answers] == [(422, "otp_wrong")] * 5
    assert code(sixth) == (422, "otp_attempts_exceeded")


async def test_guesses_at_one_moment_are_counted_one_by_one(gateway):
    await hold(gateway)
    otp_id = (await send(gateway)).json()["otp_id"]
    bad = wrong(await code_of(gateway))

    answers = await asyncio.gather(*(validate(gateway, otp_id, bad) for _ in range(8)))

    codes = sorted(one.json()["code"] for one in answers)
    assert codes == ["otp_attempts_exceeded"] * 3 + ["otp_wrong"] * 5


async def test_a_code_dies_after_five_minutes_or_when_a_newer_one_is_sent(gateway):
    await hold(gateway)
    first = (await send(gateway)).json()["otp_id"]
    first_code = await code_of(gateway)
    second = (await send(gateway)).json()["otp_id"]
    second_code = await code_of(gateway)

    superseded = await validate(gateway, first, first_code)
    clock.shift(timedelta(minutes=5))
    late = await validate(gateway, second, second_code)

    assert [code(one) for one in (superseded, late)] == [(422, "otp_expired")] * 2
    assert code(await validate(gateway, "otp_unknown", "123456")) == (422, "otp_expired")


async def test_a_person_is_written_to_three_times_in_ten_minutes(gateway):
    await hold(gateway)
    for _ in range(3):
        assert (await send(gateway)).status_code == 201
    clock.shift(timedelta(minutes=4))

    fourth = await send(gateway)
    clock.shift(timedelta(minutes=6))
    later = await send(gateway)

    assert code(fourth) == (429, "rate_limited")
    assert 350 <= int(fourth.headers["Retry-After"]) <= 360
    assert later.status_code == 201


async def test_a_pharmacy_knows_whom_it_dispenses_to_or_whose_code_it_looked_at(gateway):
    state = await keep(gateway)
    stranger = await send(gateway)
    await gateway.get(PHARMACY_CLIENT, f"/dispensing/v1/codes/{state.prescription_code}")

    known_now = await send(gateway)
    clock.shift(timedelta(minutes=31))
    forgotten = await send(gateway)

    assert code(stranger) == (422, "beneficiary_mismatch")
    assert known_now.status_code == 201
    assert code(forgotten) == (422, "beneficiary_mismatch")


async def test_another_provider_neither_knows_the_person_nor_has_the_code(gateway):
    await hold(gateway)
    otp_id = (await send(gateway)).json()["otp_id"]
    body = {"beneficiary_id": ANA, "channel": "EMAIL"}

    sent = await gateway.post(OTHER_CLIENT, SEND, body)
    taken = await gateway.post(OTHER_CLIENT, VALIDATE, {"otp_id": otp_id, "code": await code_of(gateway)})

    assert code(sent) == (422, "beneficiary_mismatch")
    assert code(taken) == (422, "otp_expired")


@pytest.mark.parametrize(
    ("body", "failing"),
    [
        ({"channel": "SMS"}, [("channel", "channel_not_configured")]),
        ({"channel": None}, [("channel", "required")]),
        ({"beneficiary_id": None}, [("beneficiary_id", "required")]),
        ({"beneficiary_id": None, "doctor_id": "doc_1"}, [("doctor_id", "field_not_supported")]),
        ({"beneficiary_id": "bnf_1"}, [("beneficiary_id", "beneficiary_mismatch")]),
        ({"dispensation_id": spell("dsp", OTHER)}, [("dispensation_id", "invalid_value")]),
        ({"color": "red"}, [("color", "unknown_field")]),
    ],
)
async def test_one_thing_wrong_with_a_send_is_one_entry(gateway, body, failing):
    await hold(gateway)

    answer = await send(gateway, **body)

    assert answer.status_code == 422
    assert [(one["path"], one["code"]) for one in answer.json()["errors"]] == failing
    assert await asked(gateway, SendOneTimePassword) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", SEND),
        ("POST", VALIDATE),
        ("POST", "/dispensing/v1/dispensations"),
        ("PUT", f"/dispensing/v1/dispensations/{HELD}"),
        ("GET", f"/dispensing/v1/dispensations/{HELD}"),
        ("GET", f"/dispensing/v1/dispensations/{HELD}/verification-status"),
        ("GET", f"/dispensing/v1/codes/{known.CODE}"),
    ],
)
async def test_a_pharmacys_parameter_that_nobody_knows_is_refused(gateway, method, path):
    await hold(gateway)
    body = {} if method == "GET" else {"json": {}}

    answer = await gateway.ask(PHARMACY_CLIENT, method, f"{path}?color=red", **body)

    assert answer.status_code == 422
    assert (answer.json()["errors"][0]["path"], answer.json()["errors"][0]["code"]) == (
        "query.color",
        "unknown_field",
    )


async def test_somebody_without_an_address_cannot_be_written_to(gateway):
    await hold(gateway, patient=known.patient(email_address=None))

    assert code(await send(gateway)) == (422, "no_contact_for_channel")


async def test_the_token_of_a_dispensation_verifies_it_and_no_other(gateway):
    await hold(gateway)
    token = await verified(gateway)
    await hold(gateway, id=OTHER, prescription_id=UUID(int=98), prescription_code="RX-2026-4739502188641075")

    right = await complete(gateway, **{TOKEN: token})
    other = await complete(gateway, spell("dsp", OTHER), **{TOKEN: token})
    forged = await complete(gateway, **{TOKEN: token[:-1] + ("A" if token[-1] != "A" else "B")})

    assert right == ((TOKEN, True),)
    assert other == forged == ((TOKEN, False),)


async def test_a_token_dies_after_ten_minutes(gateway):
    await hold(gateway)
    token = await verified(gateway)
    clock.shift(timedelta(minutes=10))

    assert await complete(gateway, **{TOKEN: token}) == ((TOKEN, False),)


async def test_the_code_itself_verifies_and_a_wrong_one_is_counted(gateway):
    await hold(gateway)
    await send(gateway)
    right = await code_of(gateway)
    shown = [{"type": "OTP", "value": wrong(right)}, {"type": "OTP", "value": right}]

    told = await complete(gateway, external_verifications=shown)

    assert told == (("external_verifications[0].value", False), ("external_verifications[1].value", True))
    assert await gateway.owner.fetchval("SELECT wrong FROM one_time_password") == 1


async def test_where_none_is_demanded_nothing_is_looked_at(gateway):
    await hold(gateway)
    await send(gateway)
    claim = known.dispensation(
        pharmacy=Pharmacy(tenant_id=gateway.tenants[SOL], provider_slug=SOL),
        started_at=clock.now(),
        expires_at=clock.now() + timedelta(minutes=30),
    )
    await keep(gateway, dispensations=(claim,), revision=9)

    assert await complete(gateway, external_verifications=[{"type": "OTP", "value": "000000"}]) == ()


async def test_verified_before_the_start_it_is_for_the_next_start_alone(gateway):
    state = await keep(gateway)
    await gateway.get(PHARMACY_CLIENT, f"/dispensing/v1/codes/{state.prescription_code}")
    token = await verified(gateway)
    body = {
        "code": state.prescription_code,
        "external_verifications": [{"type": "OTP", "value": token}],
    }
    path = "/dispensing/v1/dispensations"
    await gateway.ask(PHARMACY_CLIENT, "POST", path, json=body, headers={"Prefer": "respond-async"})
    (start,) = await asked(gateway, StartDispensation)

    await hold(gateway)
    clock.shift(timedelta(seconds=1))
    await hold(gateway, id=OTHER, prescription_id=UUID(int=98), prescription_code="RX-2026-4739502188641075")

    assert [one.verification_id is not None for one in start.verifications] == [True]
    assert await complete(gateway, **{TOKEN: token}) == ((TOKEN, True),)
    assert await complete(gateway, spell("dsp", OTHER), **{TOKEN: token}) == ((TOKEN, False),)


async def test_the_verification_status_tells_what_is_still_missing(gateway):
    path = f"/dispensing/v1/dispensations/{HELD}/verification-status"
    await hold(gateway)
    pending = (await gateway.get(PHARMACY_CLIENT, path)).json()
    await verified(gateway)
    done = (await gateway.get(PHARMACY_CLIENT, path)).json()
    clock.shift(timedelta(minutes=10))
    unused = (await gateway.get(PHARMACY_CLIENT, path)).json()
    claim = known.dispensation(
        status=DispensationStatus.COMPLETED,
        pharmacy=Pharmacy(tenant_id=gateway.tenants[SOL], provider_slug=SOL),
        verification_required="OTP",
        verified_at=known.AT,
    )
    await keep(gateway, dispensations=(claim,), revision=9)
    completed = (await gateway.get(PHARMACY_CLIENT, path)).json()

    assert pending == {
        "dispensation_id": HELD,
        "verification_required": "OTP",
        "verification_status": "PENDING",
        "verified_at": None,
    }
    assert done["verification_status"] == "VERIFIED"
    assert done["verified_at"] is not None
    assert (unused["verification_status"], unused["verified_at"]) == ("PENDING", None)
    assert (completed["verification_status"], completed["verified_at"]) == (
        "VERIFIED",
        "2026-06-25T16:00:00Z",
    )


async def test_the_older_paths_do_the_same(gateway):
    await hold(gateway)
    body = {"beneficiary_id": ANA, "channel": "EMAIL"}

    otp_id = (await gateway.post(PHARMACY_CLIENT, "/otp/generate", body)).json()["otp_id"]
    checked = {"otp_id": otp_id, "code": await code_of(gateway)}

    assert (await gateway.post(PHARMACY_CLIENT, "/otp/validate", checked)).status_code == 200


async def test_without_a_tenant_no_row_is_seen(gateway):
    await hold(gateway)
    await send(gateway)
    stranger = await asyncpg.connect(gateway.settings.database_url)
    try:
        assert await stranger.fetchval("SELECT count(*) FROM one_time_password") == 0
        assert await stranger.fetchval("SELECT count(*) FROM code_look") == 0
    finally:
        await stranger.close()

"""Rules that need a clock, tested by moving time in all processes: validity, windows, tokens, links."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests import clients
from tests.infrastructure import until
from tests.problems import refusal, word

DSP = "/dispensing/v1/dispensations"


async def test_a_prescription_ends_when_its_validity_does(whole, pharmacy, later):
    issued, held = await whole.issue(), await whole.issue()
    ends = datetime.fromisoformat(issued["valid_until"].replace("Z", "+00:00"))
    await later(ends - datetime.now(UTC) - timedelta(minutes=5))
    live = (await pharmacy.start(held["prescription_code"])).json()
    await later(timedelta(days=1))
    told = await whole.read(issued["prescription_id"])
    void = {"reason": "Rash seen.", "doctor_id": whole.doctor_id}

    assert (told["status"], told["medications"][0]["dispensation_status"]) == (
        "PRESCRIPTION_EXPIRED",
        "EXPIRED",
    )
    assert word(await pharmacy.start(issued["prescription_code"])) == "409 prescription_expired"
    path = f"/ehr/v1/prescriptions/{issued['prescription_id']}"
    assert word(await whole.post(f"{path}/void", void)) == "409 prescription_expired"
    assert word(await whole.post(f"{path}/resend", {"channel": "EMAIL"})) == "409 prescription_expired"
    assert (await pharmacy.get(f"/dispensing/v1/codes/{issued['prescription_code']}")).json()[
        "status"
    ] == "PRESCRIPTION_EXPIRED"
    found = (
        await whole.get(
            f"/ehr/v1/prescriptions?status=PRESCRIPTION_EXPIRED&prescription_code={issued['prescription_code']}"
        )
    ).json()
    assert found["total"] == 1
    assert word(await pharmacy.complete(live["dispensation_id"])) == "409 dispensation_expired"
    assert word(await pharmacy.cancel(live["dispensation_id"])) == "409 dispensation_expired"


async def test_a_dispensation_ends_when_its_time_is_out(platform, whole, pharmacy, other_pharmacy, later):
    issued = await whole.issue()
    started = (await pharmacy.start(issued["prescription_code"])).json()
    async with clients.following(platform.kafka.bootstrap, "dispense-events-v1") as events:
        await later(timedelta(minutes=31))
        line = {"id": started["products"][0]["id"], "price": 1, "taxes": 0, "quantity": 1}
        refused = [
            await pharmacy.complete(started["dispensation_id"]),
            await pharmacy.update(started["dispensation_id"], line),
        ]
        told = await events.of(clients.uuid_of(issued["prescription_id"]), 1, seconds=30)
    stands = (await pharmacy.get(f"{DSP}/{started['dispensation_id']}")).json()

    assert [word(one) for one in refused] == ["409 dispensation_expired"] * 2
    assert (stands["status"], stands["cancelled_by"]) == ("EXPIRED", "TIMEOUT")
    assert (told[0][0], told[0][1]["stopped_by"]) == ("recepta.dispense.stopped.v1", "timeout")
    assert (await other_pharmacy.start(issued["prescription_code"])).status_code == 201


async def test_a_completed_dispensation_is_taken_back_within_a_day(whole, pharmacy, later):
    issued, kept = await whole.issue(), await whole.issue()
    started = [
        (await pharmacy.start(one["prescription_code"])).json()["dispensation_id"] for one in (issued, kept)
    ]
    for one in started:
        await pharmacy.complete(one)
    await later(timedelta(hours=23, minutes=50))
    within = await pharmacy.cancel(started[0], void_reason="REFUND")
    await later(timedelta(minutes=20))
    after = await pharmacy.cancel(started[1], void_reason="REFUND")

    assert (word(within), word(after)) == ("200", "409 void_window_closed")


async def test_tokens_links_and_keys_grow_old(http, platform, whole, later):
    key = "k" * 40
    patient = await whole.patient()
    issued = await whole.post("/ehr/v1/prescriptions", whole.order(patient), Idempotency_Key=key)
    path = f"/ehr/v1/prescriptions/{issued.json()['prescription_id']}"

    async def made():
        return (await whole.get(f"{path}/pdf")).status_code == 200

    await until(made, 20)
    link = (await whole.read(issued.json()["prescription_id"]))["download_url"]
    old = f"Bearer {await whole.token()}"
    await later(timedelta(hours=1, minutes=-1))
    assert (await http.get(path, headers={"authorization": old})).status_code == 200
    await later(timedelta(minutes=3))
    expired = await http.get(path, headers={"authorization": old})
    assert word(expired) == "401 token_expired"
    assert refusal(expired)["retryable"] is False
    assert (await http.get(link)).status_code == 200
    await later(timedelta(hours=24))
    assert word(await http.get(link)) == "410 download_link_expired"
    await later(timedelta(days=6))
    again = await whole.post("/ehr/v1/prescriptions", whole.order(patient, "MED-120"), Idempotency_Key=key)
    assert again.status_code == 201


async def test_misses_are_forgotten_after_ten_minutes(clinics, later):
    hinter = await clinics.pharmacy("hinter")
    await asyncio.gather(*(hinter.start(f"AUTH-{number}") for number in range(20)))
    assert word(await hinter.start("AUTH-20")) == "429 code_attempts_exceeded"
    await later(timedelta(minutes=10, seconds=5))
    assert word(await hinter.start("AUTH-21")) == "404 code_not_found"

"""A pharmacy's reports on Kafka: the same rules to the letter, one outcome for each (public-topics 3, 4)."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from tests.clients import RECEIPT, Client, following, uuid_of

OUTCOME = {
    *(
        "report_id",
        "outcome",
        "http_status",
        "prescription_id",
        "dispensation_id",
        "code",
        "retryable",
        "errors",
    )
}


class Counter:
    """A pharmacy that speaks on Kafka: it says something and hears the outcome."""

    def __init__(self, platform, client, producer, outcomes):
        self.client, self.producer, self.outcomes = client, producer, outcomes

    async def say(self, kind, body, *, ce_id=None, key=None, proof=None, raw=None, headers=None):
        ce_id = ce_id or str(uuid4())
        proof = f"Bearer {await self.client.token()}" if proof is None else proof
        sent = {
            "ce_id": ce_id,
            "ce_specversion": "1.0",
            "ce_source": "/till",
            "ce_type": f"recepta.dispense-report.{kind}.v1",
            "ce_time": "2026-06-26T10:21:00Z",
            "content-type": "application/json",
            "authorization": proof,
        } | (headers or {})
        value = json.dumps(body).encode() if raw is None else raw
        key = body.get("code", "none") if key is None else key
        pairs = [(name, text.encode()) for name, text in sent.items() if text]
        await self.producer.send_and_wait("dispense-reports-v1", value, key=key.encode(), headers=pairs)
        return ce_id

    async def outcome(self, kind, body, count=1, **more):
        ce_id = await self.say(kind, body, **more)
        heard = await self.outcomes.of(ce_id, count)
        assert {one for one, _ in heard} == {"recepta.dispense-report.outcome.v1"}
        assert all(set(value) == OUTCOME for _, value in heard)
        return heard[-1][1]


@asynccontextmanager
async def at_the_counter(platform, client):
    producer = AIOKafkaProducer(bootstrap_servers=platform.kafka.bootstrap, acks="all")
    await producer.start()
    try:
        async with following(platform.kafka.bootstrap, "dispense-report-outcomes-v1") as outcomes:
            yield Counter(platform, client, producer, outcomes)
    finally:
        await producer.stop()


@pytest.fixture
async def counter(platform, pharmacy):
    async with at_the_counter(platform, pharmacy) as counter:
        yield counter


def short(outcome):
    return (outcome["outcome"], outcome["http_status"], outcome["code"])


async def test_a_whole_dispensation_by_reports_and_both_spellings_of_ids(whole, counter, pharmacy):
    issued = await whole.issue()
    code = issued["prescription_code"]
    started = await counter.outcome("start", {"code": code})
    read = (await pharmacy.get("/dispensing/v1/dispensations?code=" + code)).json()["data"][0]
    line = {"id": read["products"][0]["id"], "price": 1, "taxes": 0, "quantity": 4}
    named = {"code": code, "dispensation_id": started["dispensation_id"]}
    updated = await counter.outcome("update", named | {"products": [line]})
    completed = await counter.outcome(
        "complete", named | RECEIPT | {"amount": 4, "dispensation_id": read["dispensation_id"]}
    )
    cancelled = await counter.outcome("cancel", named | {"void_reason": "REFUND"})

    assert short(started) == ("applied", 201, None)
    assert started["prescription_id"] == uuid_of(issued["prescription_id"])
    assert started["dispensation_id"] == uuid_of(read["dispensation_id"])
    assert [short(one) for one in (updated, completed, cancelled)] == [("applied", 200, None)] * 3
    assert (await whole.read(issued["prescription_id"]))["status"] == "PRESCRIPTION_ISSUED"
    for secret in (code, "Ana", "MED-042"):
        assert secret not in json.dumps([started, updated, completed, cancelled])


async def test_a_line_named_by_its_uuid(whole, counter):
    issued = await whole.issue()
    item = (await whole.read(issued["prescription_id"]))["medications"][0]["id"]
    line = {"id": uuid_of(item), "price": 1, "taxes": 0, "quantity": 4}
    outcome = await counter.outcome("start", {"code": issued["prescription_code"], "products": [line]})

    assert short(outcome) == ("applied", 201, None)


async def test_refusals_are_those_of_http(whole, counter, other_pharmacy):
    issued = await whole.issue()
    code = issued["prescription_code"]
    taken = await whole.issue()
    await other_pharmacy.start(taken["prescription_code"])
    item = (await whole.read(issued["prescription_id"]))["medications"][0]["id"]
    wrong_check = code[:-1] + str((int(code[-1]) + 1) % 10)
    line = {"id": item, "price": 1, "taxes": 0, "quantity": 31}
    unknown = {"code": code, "dispensation_id": str(uuid4())}
    cases = {
        "held": ("start", {"code": taken["prescription_code"]}, (409, "already_being_dispensed", [])),
        "typing error": (
            "start",
            {"code": wrong_check},
            (422, "code_check_failed", ["code: code_check_failed"]),
        ),
        "over": (
            "start",
            {"code": code, "products": [line]},
            (422, "over_quantity", ["products[0].quantity: over_quantity"]),
        ),
        "unknown field": ("start", {"code": code, "x": 1}, (422, "validation_failed", ["x: unknown_field"])),
        "no lines": ("update", unknown, (404, "resource_not_found", [])),
        "no receipt": ("complete", unknown | RECEIPT, (404, "resource_not_found", [])),
        "no object": ("start", ["code", code], (422, "validation_failed", [": wrong_type"])),
    }
    for name, (kind, body, expected) in cases.items():
        more = {"key": code} if isinstance(body, list) else {}
        outcome = await counter.outcome(kind, body, **more)
        told = [f"{one['path']}: {one['code']}" for one in outcome["errors"]]
        assert (outcome["http_status"], outcome["code"], told) == expected, name
        assert outcome["outcome"] == "refused"
        assert outcome["retryable"] == (name == "held"), name


async def test_the_key_must_be_the_code(whole, counter):
    code = (await whole.issue())["prescription_code"]
    outcome = await counter.outcome("start", {"code": code}, key="RX-2026-0000000000000002")

    assert short(outcome) == ("refused", 422, "validation_failed")
    assert [one["path"] for one in outcome["errors"]] == ["code"]


async def test_whoever_proves_nothing_is_refused(whole, counter, platform):
    code = (await whole.issue())["prescription_code"]
    token = await counter.client.token()
    cases = {
        "": "token_missing",
        "Bearer nonsense": "token_invalid",
        f"Bearer {token[:-6]}AAAAAA": "token_invalid",
        f"Bearer {await whole.token()}": "insufficient_scope",
        "Basic YTpi": "token_invalid",
    }
    for proof, expected in cases.items():
        outcome = await counter.outcome("start", {"code": code}, proof=proof)
        assert (outcome["outcome"], outcome["code"]) == ("refused", expected), expected
        assert outcome["prescription_id"] is None


async def test_a_repeated_report_gets_its_first_outcome_again(whole, counter, other_pharmacy, pharmacy):
    issued, taken = await whole.issue(), await whole.issue()
    held = (await other_pharmacy.start(taken["prescription_code"])).json()
    ce_id, refused_id = str(uuid4()), str(uuid4())
    first = await counter.outcome("start", {"code": issued["prescription_code"]}, ce_id=ce_id)
    refused = await counter.outcome("start", {"code": taken["prescription_code"]}, ce_id=refused_id)
    await other_pharmacy.cancel(held["dispensation_id"])
    # The reader drops what it has seen: a repeated outcome may come under the same or under a new `ce_id`.
    await counter.say("start", {"code": issued["prescription_code"]}, ce_id=ce_id)
    await counter.say("start", {"code": taken["prescription_code"]}, ce_id=refused_id)
    fresh = await counter.outcome("start", {"code": taken["prescription_code"]})

    heard = [value for _, value in counter.outcomes.heard]
    assert all(value == first for value in heard if value["report_id"] == ce_id)
    assert all(value == refused for value in heard if value["report_id"] == refused_id)
    assert (short(refused)[2], short(fresh)) == ("already_being_dispensed", ("applied", 201, None))
    found = (await pharmacy.get(f"/v1/requests?idempotency_key={ce_id}")).json()["data"]
    assert [one["state"] for one in found] == ["SUCCEEDED"]


async def test_what_cannot_be_read_is_buried_and_the_next_is_served(platform, whole, counter):
    code = (await whole.issue())["prescription_code"]
    async with following(platform.kafka.bootstrap, "dispense-reports-v1-dead") as dead:
        buried = {
            "no JSON": {"raw": b"\xff\xfe{"},
            "cut": {"raw": b'{"code": '},
            "deep": {"raw": b"[" * 50_000},
            "no CloudEvent": {"headers": {"ce_type": "", "ce_id": "", "ce_specversion": "", "ce_source": ""}},
        }
        for more in buried.values():
            await counter.say("start", {"code": code}, **more)
        outcome = await counter.outcome("start", {"code": code})
        records = []
        async with asyncio.timeout(20):
            while len(records) < len(buried):
                record = await dead.consumer.getone()
                if record.key == code.encode():
                    records.append(dict(record.headers))

    assert short(outcome) == ("applied", 201, None)
    assert {headers["authorization"] for headers in records} == {b"removed"}
    assert all(headers["recepta-error"] for headers in records)
    assert all(headers["recepta-consumer"] for headers in records)


async def test_an_unknown_type_is_passed_over(whole, counter):
    code = (await whole.issue())["prescription_code"]
    passed = await counter.say("applaud", {"code": code})
    outcome = await counter.outcome("start", {"code": code})

    assert short(outcome) == ("applied", 201, None)
    assert passed not in [value["report_id"] for _, value in counter.outcomes.heard]


async def test_of_sixty_guesses_at_once_twenty_are_told_that_they_missed(clinics):
    third = await clinics.pharmacy("third")
    answers = await asyncio.gather(*(third.start(f"AUTH-2026-{number:06d}") for number in range(60)))

    assert sorted(answer.status_code for answer in answers) == [404] * 20 + [429] * 40


async def test_guesses_over_http_and_kafka_are_counted_together(platform, whole, clinics):
    """Twenty misses in ten minutes, `AUTH-` codes too; then only what is held already is told."""
    guesser: Client = await clinics.pharmacy("guesser")
    issued, other = await whole.issue(), await whole.issue()
    own = (await guesser.start(issued["prescription_code"])).json()
    async with at_the_counter(platform, guesser) as counter:
        misses = [
            (await guesser.get(f"/dispensing/v1/codes/AUTH-2026-{number:06d}")).status_code
            for number in range(8)
        ]
        misses += [(await guesser.start(f"AUTH-2026-{number:06d}")).status_code for number in range(6)]
        for number in range(6):
            misses.append(
                (await counter.outcome("start", {"code": f"AUTH-2026-{number:06d}"}))["http_status"]
            )
        over = await counter.outcome("start", {"code": other["prescription_code"]})
    look = await guesser.get(f"/dispensing/v1/codes/{other['prescription_code']}")
    again = await guesser.get(f"/dispensing/v1/codes/{issued['prescription_code']}")
    recovered = await guesser.start(issued["prescription_code"])

    assert misses == [404] * 20
    assert short(over) == ("refused", 429, "code_attempts_exceeded")
    assert (look.status_code, look.json()["code"]) == (429, "code_attempts_exceeded")
    assert 0 < int(look.headers["retry-after"]) <= 600
    assert (again.status_code, recovered.status_code) == (200, 200)
    assert (await guesser.get(f"/dispensing/v1/dispensations/{own['dispensation_id']}")).status_code == 200
    assert (await guesser.complete(own["dispensation_id"])).status_code == 200
    untouched = await clinics.pharmacy("hinter")
    assert (await untouched.start(other["prescription_code"])).status_code == 201

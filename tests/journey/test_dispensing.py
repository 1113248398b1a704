"""Pharmacies dispense over HTTP and over Kafka; of two that ask, one gets it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from dev import kafka as local_kafka
from tests.clients import following, uuid_of
from tests.infrastructure import until

ROOT = Path(__file__).parents[2]


def example(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_a_part_today_and_the_rest_elsewhere_tomorrow(clinic, pharmacy, other_pharmacy):
    issued = await clinic.issue()
    started = (await pharmacy.start(issued["prescription_code"])).json()
    line = {"id": started["products"][0]["id"], "price": 0.85, "taxes": 2.04, "quantity": 20}
    await pharmacy.update(started["dispensation_id"], line)

    partly = await pharmacy.complete(started["dispensation_id"], amount=19.04)
    after_part = (await clinic.read(issued["prescription_id"]))["status"]
    rest = (await other_pharmacy.start(issued["prescription_code"])).json()
    wholly = await other_pharmacy.complete(rest["dispensation_id"])

    assert (partly.status_code, partly.json()["status"]) == (200, "COMPLETED")
    assert after_part == partly.json()["prescription_status"] == "PRESCRIPTION_PARTIALLY_DISPENSED"
    assert [product["quantity"] for product in rest["products"]] == [10]
    assert wholly.json()["prescription_status"] == "PRESCRIPTION_DISPENSED"
    assert (await clinic.read(issued["prescription_id"]))["status"] == "PRESCRIPTION_DISPENSED"


async def test_two_pharmacies_racing_a_hundred_times_exactly_one_wins(clinic, pharmacy, other_pharmacy):
    for _ in range(10):
        issued = await asyncio.gather(*(clinic.issue() for _ in range(10)))
        codes = [one["prescription_code"] for one in issued]

        answers = await asyncio.gather(
            *(who.start(code) for code in codes for who in (pharmacy, other_pharmacy))
        )

        for first, second in zip(answers[::2], answers[1::2], strict=True):
            assert sorted((first.status_code, second.status_code)) == [201, 409]
            loser = first if first.status_code == 409 else second
            assert loser.json()["code"] == "already_being_dispensed"
            assert int(loser.headers["retry-after"]) > 0


async def test_the_same_pharmacy_asking_again_gets_its_own_back(clinic, pharmacy):
    code = (await clinic.issue())["prescription_code"]

    first, again = await pharmacy.start(code), await pharmacy.start(code)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["dispensation_id"] == again.json()["dispensation_id"]


async def test_a_void_racing_a_completion_leaves_one_story(clinic, pharmacy):
    for _ in range(20):
        issued = await clinic.issue()
        started = (await pharmacy.start(issued["prescription_code"])).json()

        voided, completed = await asyncio.gather(
            clinic.void(issued["prescription_id"]), pharmacy.complete(started["dispensation_id"])
        )
        status = (await clinic.read(issued["prescription_id"]))["status"]

        if completed.status_code == 200:
            assert (voided.status_code, voided.json()["code"]) == (409, "prescription_dispensed")
            assert status == "PRESCRIPTION_DISPENSED"
        else:
            assert completed.json()["code"] == "prescription_voided"
            assert (voided.status_code, status) == (200, "PRESCRIPTION_VOIDED")


async def test_a_void_ends_a_live_dispensation_and_pharmacies_are_told_in_order(platform, clinic, pharmacy):
    async with following(platform.kafka.bootstrap, "dispense-events-v1") as events:
        issued = await clinic.issue()
        started = (await pharmacy.start(issued["prescription_code"])).json()
        await clinic.void(issued["prescription_id"])
        told = await events.of(uuid_of(issued["prescription_id"]), 4)

    assert [kind.split(".")[2] for kind, _ in told] == ["released", "started", "stopped", "ended"]
    assert told[2][1]["stopped_by"] == "prescriber"
    versions = [value["version"] for _, value in told]
    assert versions == sorted(set(versions))
    stands = (await pharmacy.get(f"/dispensing/v1/dispensations/{started['dispensation_id']}")).json()
    assert (stands["status"], stands["cancelled_by"]) == ("CANCELLED", "PRESCRIBER")


async def test_a_completed_dispensation_can_be_taken_back(clinic, pharmacy):
    issued = await clinic.issue()
    started = (await pharmacy.start(issued["prescription_code"])).json()
    await pharmacy.complete(started["dispensation_id"])

    without_reason = await pharmacy.cancel(started["dispensation_id"])
    taken_back = await pharmacy.cancel(started["dispensation_id"], void_reason="DISPENSING_ERROR")

    assert [error["path"] for error in without_reason.json()["errors"]] == ["void_reason"]
    assert (taken_back.status_code, taken_back.json()["status"]) == (200, "CANCELLED")
    assert (await clinic.read(issued["prescription_id"]))["status"] == "PRESCRIPTION_ISSUED"


async def test_whoever_holds_the_code_sees_what_is_behind_it_and_no_more(clinic, pharmacy):
    code = (await clinic.issue())["prescription_code"]

    seen = (await pharmacy.get(f"/dispensing/v1/codes/{code}")).json()

    assert seen["code"] == code
    assert seen["products"][0]["product_code"] == "MED-042"
    assert not {"diagnoses", "notes", "safety_findings"} & set(seen)
    assert seen["patient"]["document_number"].startswith("***")


async def test_a_pharmacy_that_works_over_kafka_hands_everything_over(platform, clinic):
    issued = await clinic.issue()
    pos = example("pharmacy_kafka")
    credentials = platform.credentials["RECEPTA_PHARMACY_CLIENT"]

    async with pos.Pharmacy(platform.url, platform.kafka.bootstrap, credentials) as pharmacy:
        outcome = await asyncio.wait_for(pos.dispense(pharmacy, issued["prescription_code"]), 30)

    assert (outcome.outcome, outcome.http_status) == ("applied", 200)
    assert (await clinic.read(issued["prescription_id"]))["status"] == "PRESCRIPTION_DISPENSED"


async def test_a_report_said_twice_counts_once_and_is_answered_twice(platform, clinic):
    issued = await clinic.issue()
    pos = example("pharmacy_kafka")
    credentials = platform.credentials["RECEPTA_OTHER_PHARMACY_CLIENT"]
    report, report_id = pos.StartReport(code=issued["prescription_code"]), str(uuid4())

    async with (
        following(platform.kafka.bootstrap, "dispense-report-outcomes-v1") as outcomes,
        pos.Pharmacy(platform.url, platform.kafka.bootstrap, credentials) as pharmacy,
    ):
        await pharmacy.report(report, report_id=report_id)
        await outcomes.of(report_id, 1)
        await pharmacy.report(report, report_id=report_id)
        first, again = await outcomes.of(report_id, 2)

    assert first == again
    assert first[1]["http_status"] == 201


@pytest.mark.parametrize(
    ("header", "code"),
    [(None, "token_missing"), (b"Bearer forged", "token_invalid"), (b"Basic eDp5", "token_invalid")],
)
async def test_a_report_that_proves_no_sender_is_refused(platform, clinic, header, code):
    from aiokafka import AIOKafkaProducer

    issued = await clinic.issue()
    report_id = str(uuid4())
    headers = [
        ("ce_id", report_id.encode()),
        ("ce_type", b"recepta.dispense-report.start.v1"),
        ("ce_source", b"/stranger"),
        ("ce_specversion", b"1.0"),
        ("ce_time", b"2026-06-25T16:00:00Z"),
        *([("authorization", header)] if header else []),
    ]
    async with following(platform.kafka.bootstrap, "dispense-report-outcomes-v1") as outcomes:
        producer = AIOKafkaProducer(bootstrap_servers=platform.kafka.bootstrap)
        await producer.start()
        await producer.send_and_wait(
            "dispense-reports-v1",
            json.dumps({"code": issued["prescription_code"]}).encode(),
            key=issued["prescription_code"].encode(),
            headers=headers,
        )
        await producer.stop()
        ((_, outcome),) = await outcomes.of(report_id, 1)

    assert (outcome["outcome"], outcome["code"]) == ("refused", code)


async def test_a_reader_that_is_not_python_follows_what_happens(platform, clinic, tmp_path):
    """Kafka's own console consumer, in Java, with keys and headers."""
    command = local_kafka.console_consumer(
        platform.kafka.bootstrap, "--topic", "dispense-events-v1", "--from-beginning"
    )
    output = tmp_path / "heard"
    with output.open("wb") as heard:
        reader = await asyncio.create_subprocess_exec(*command, stdout=heard, stderr=subprocess.DEVNULL)
        try:
            issued = await clinic.issue()
            wanted = uuid_of(issued["prescription_id"])
            await until(lambda: wanted in output.read_text(), seconds=40)
        finally:
            reader.terminate()
            await reader.wait()

    line = next(line for line in output.read_text().splitlines() if wanted in line)
    assert json.loads(line[line.index("{") :])["status"] == "issued"

"""A whole pharmacy over Kafka: follow what happens to prescriptions, report, and match the outcomes.

    PYTHONPATH=. python examples/pharmacy_kafka.py RX-2026-9182407133560285

reads the addresses and a client's credentials from the environment, as `make run` writes them to `.run/env`:
RECEPTA_URL, RECEPTA_KAFKA, RECEPTA_PHARMACY_CLIENT. It claims the code, hands everything over, and prints
what it was told. Stop it at any point and start it again: it reads on where it had got to, and each report
counts once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts.dispense_report_outcomes import DispenseReportOutcome
from contracts.dispense_reports import CompleteReport, DispenseReport, StartReport
from contracts.message import Envelope

PATIENCE_SECONDS = 60


class Pharmacy:
    """One pharmacy system: its token, what it has said, and what it has heard."""

    def __init__(self, url: str, kafka: str, credentials: str) -> None:
        self.url, self.kafka, self.credentials = url, kafka, credentials
        self.name = credentials.partition(":")[0]
        self.heard: set[str] = set()  # Delivery is at least once: a `ce_id` seen before says nothing new.

    async def __aenter__(self) -> Pharmacy:
        client_id, _, secret = self.credentials.partition(":")
        async with httpx.AsyncClient(base_url=self.url) as http:
            form = {"grant_type": "client_credentials"}
            answer = await http.post("/v1/oauth/token", data=form, auth=(client_id, secret))
            answer.raise_for_status()
        self.token = answer.json()["access_token"]
        self.producer = AIOKafkaProducer(bootstrap_servers=self.kafka, acks="all", enable_idempotence=True)
        self.consumer = AIOKafkaConsumer(
            "dispense-events-v1",
            "dispense-report-outcomes-v1",
            bootstrap_servers=self.kafka,
            group_id=f"{self.name}-pos",
            auto_offset_reset="earliest",
            enable_auto_commit=False,  # Committed below, after what was read has been dealt with.
        )
        await self.producer.start()
        await self.consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.consumer.stop()
        await self.producer.stop()

    async def report(self, report: DispenseReport, *, report_id: str) -> None:
        """Say it; `report_id` is the idempotency key: said twice under one id, it counts once."""
        envelope = Envelope(
            id=report_id,
            type=report.ce_type,
            source=f"/{self.name}",
            time=datetime.now(UTC),
            subject=report.code,
        )
        proof = ("authorization", f"Bearer {self.token}".encode())
        body = report.model_dump_json(exclude_none=True).encode()
        await self.producer.send_and_wait(
            report.topic, body, key=report.key.encode(), headers=[*envelope.headers(), proof]
        )

    async def outcome_of(self, report_id: str) -> DispenseReportOutcome:
        """Read on until this report is answered, telling of every event on the way."""
        async for record in self.consumer:
            headers = dict(record.headers)
            if headers["ce_id"].decode() not in self.heard:
                self.heard.add(headers["ce_id"].decode())
                body: dict[str, Any] = json.loads(record.value)
                print(
                    headers["ce_type"].decode(),
                    body["prescription_id"],
                    body.get("status", body.get("outcome")),
                )
                if body.get("report_id") == report_id:
                    await self.consumer.commit()
                    return DispenseReportOutcome.model_validate(body)
            await self.consumer.commit()
        raise RuntimeError("the consumer was stopped")


def report_id(*parts: str) -> str:
    """The same intention has the same id, whenever it is said again."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(parts)))


async def dispense(pharmacy: Pharmacy, code: str) -> DispenseReportOutcome:
    """Claim a prescription and hand over everything on it."""
    start_id = report_id(pharmacy.name, "start", code)
    await pharmacy.report(StartReport(code=code), report_id=start_id)
    started = await pharmacy.outcome_of(start_id)
    if started.outcome == "refused" or started.dispensation_id is None:
        return started
    complete_id = report_id(pharmacy.name, "complete", str(started.dispensation_id))
    receipt = CompleteReport(
        code=code,
        dispensation_id=str(started.dispensation_id),
        amount=0,
        document_number=f"F-{started.dispensation_id}",
        document_date=datetime.now(UTC),
    )
    await pharmacy.report(receipt, report_id=complete_id)
    return await pharmacy.outcome_of(complete_id)


async def main(code: str) -> int:
    env = os.environ
    async with Pharmacy(env["RECEPTA_URL"], env["RECEPTA_KAFKA"], env["RECEPTA_PHARMACY_CLIENT"]) as pharmacy:
        outcome = await asyncio.wait_for(dispense(pharmacy, code), PATIENCE_SECONDS)
    print(outcome.outcome, outcome.code or "")
    return 0 if outcome.outcome == "applied" else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))

"""Two prescriptions, one in each dialect, from a clinic to their hand-over at a pharmacy, told step by step.

Everything goes over the public interfaces, HTTP and Kafka: of `make run`, or of `docker compose up`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, Final

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.catalog import TOPICS
from dev.demo_step_by_step import StepByStep
from dev.telling import Caller, Failed, Teller, bold

OUTPUT: Final = Path(".run") / "demo"
WAIT_SECONDS_MAX: Final = 30.0
EVENTS: Final = "dispense-events-v1"
NEEDED: Final = (
    *("RECEPTA_URL", "RECEPTA_KAFKA", "RECEPTA_DOCTOR_CLIENT", "RECEPTA_PHARMACY_CLIENT"),
    "RECEPTA_API_KEY",
)


@dataclass
class Journey:
    """The journey, and what it has found so far."""

    teller: Teller
    clinic: Caller
    pharmacy: Caller
    events: AIOKafkaConsumer
    mail: Path | None

    async def run(self) -> None:
        step = self.teller.step
        await step("The clinic's and the pharmacy's systems log in", self.log_in)
        patient_id = await step("The clinic looks its patient up, and creates her", self.patient)
        await step("The doctor picks a diagnosis and a medicine", self.catalogues)
        blocked = await step(
            "A dangerous pair is blocked by the safety check", lambda: self.blocked(patient_id)
        )
        self.teller.say("!", blocked)
        issued = await step(
            "The prescription is issued: checked, sealed, released", lambda: self.issue(patient_id)
        )
        await step("Every pharmacy system hears of it over Kafka", lambda: self.heard(1))
        await step("The patient's PDF", lambda: self.document(issued["prescription_id"]))
        await step("The patient gets it by mail", lambda: self.deliver(issued["prescription_id"]))
        started = await step("The pharmacy claims the code", lambda: self.start(issued["prescription_code"]))
        await step("It hands over 20 of 30", lambda: self.part(started))
        rest = await step("Later it claims the rest", lambda: self.start(issued["prescription_code"]))
        await step("It hands over the rest", lambda: self.complete(rest["dispensation_id"], 0, "F-2"))
        await step("Kafka has told every pharmacy system", lambda: self.heard(5))
        await step("The clinic reads what happened", lambda: self.read(issued["prescription_id"]))

    async def log_in(self) -> None:
        await self.clinic.log_in()
        await self.pharmacy.log_in()

    async def patient(self) -> str:
        number = f"9{time.time_ns() // 1_000_000}"
        found = await self.clinic.call("GET", f"/ehr/v1/patients?document_number={number}")
        self.teller.say("←", f"{found['total']} found")
        body = {
            "first_name": "Ana",
            "last_name": "López",
            "document_type": "CC",
            "document_number": number,
            "date_of_birth": "1990-04-11",
            "email_address": f"ana.{number}@example.org",
        }
        created = await self.clinic.call("POST", "/ehr/v1/patients", body, expect=201)
        self.teller.say("←", f"201, {created['patient_id']}")
        return str(created["patient_id"])

    async def catalogues(self) -> None:
        diagnoses = await self.clinic.call("GET", "/medical-catalogs/v1/diagnoses?query=cefalea")
        for found in diagnoses["data"][:3]:
            self.teller.say("←", f"{found['diagnosis_code']} {found['description']}")
        products = await self.clinic.call("GET", "/arc/v1/providers/products?query=paracetamol")
        for found in products["data"][:3]:
            self.teller.say("←", f"{found['product_code']} {found['product_name']}")

    @staticmethod
    def order(patient_id: str, *codes: str) -> dict[str, Any]:
        medications = [
            {"product_code": code, "quantity": 30, "posology": "1 tablet every 8h", "duration_days": 10}
            for code in codes
        ]
        return {
            "patient_id": patient_id,
            "diagnoses": [{"diagnosis_code": "R51"}],
            "medications": medications,
        }

    async def blocked(self, patient_id: str) -> str:
        body = self.order(patient_id, "MED-107", "MED-311")
        refused = await self.clinic.call("POST", "/ehr/v1/prescriptions", body, expect=422)
        if refused["code"] != "safety_blocked":
            raise Failed(f"refused for another reason: {refused['code']}")
        worst = refused["findings"][0]
        return f"{worst['severity']}: {worst['drug_a']} with {worst['drug_b']}. {worst['description']}"

    async def issue(self, patient_id: str) -> dict[str, Any]:
        body = self.order(patient_id, "MED-042")
        issued = await self.clinic.call("POST", "/ehr/v1/prescriptions", body, expect=201)
        self.teller.say("←", f"201, {issued['status']}, code {issued['prescription_code']}")
        return dict(issued)

    async def heard(self, count: int) -> None:
        """The next public events; nothing else happens on the demo's partitions but this journey."""
        for _ in range(count):
            record = await asyncio.wait_for(self.events.getone(), WAIT_SECONDS_MAX)
            kind = dict(record.headers)["ce_type"].decode()
            value = json.loads(record.value)
            self.teller.say("⇠", f"{kind} version {value['version']}, {value['status']}")

    async def document(self, prescription_id: str) -> None:
        read = await self.clinic.call("GET", f"/ehr/v1/prescriptions/{prescription_id}")
        answer = await self.clinic.http.get(read["download_url"])
        if answer.status_code != 200:
            raise Failed(f"the link answered {answer.status_code}: {answer.text[:500]}")
        OUTPUT.mkdir(parents=True, exist_ok=True)
        path = OUTPUT / "prescription.pdf"
        path.write_bytes(answer.content)
        self.teller.say("←", f"{len(answer.content):,} bytes, saved as {path}")

    async def deliver(self, prescription_id: str) -> None:
        path = f"/ehr/v1/prescriptions/{prescription_id}/resend"
        queued = await self.clinic.call("POST", path, {"channel": "EMAIL"})
        self.teller.say("←", f"{queued['status']} to {queued['masked_destination']}")
        if self.mail is None:
            self.teller.say(" ", "the mail is in the mail catcher of docker compose")
            return
        give_up = time.monotonic() + WAIT_SECONDS_MAX
        while not (found := self._mail()):
            if time.monotonic() > give_up:
                raise Failed(f"no mail in {self.mail} after {WAIT_SECONDS_MAX:.0f} s")
            await asyncio.sleep(0.05)
        OUTPUT.mkdir(parents=True, exist_ok=True)
        saved = OUTPUT / "mail.eml"
        saved.write_bytes(found.read_bytes())
        self.teller.say(
            "←", f"“{message_from_bytes(saved.read_bytes(), policy=policy.default)['Subject']}”, {saved}"
        )

    def _mail(self) -> Path | None:
        began = time.time() - (time.monotonic() - self.teller.began)
        fresh = [path for path in (self.mail or OUTPUT).glob("*.eml") if path.stat().st_mtime >= began]
        return max(fresh, key=lambda path: path.stat().st_mtime, default=None)

    async def start(self, code: str) -> dict[str, Any]:
        body = {"code": code}
        started = await self.pharmacy.call("POST", "/dispensing/v1/dispensations", body, expect=201)
        for product in started["products"]:
            self.teller.say("←", f"{started['status']}: {product['quantity']} × {product['product_name']}")
        return dict(started)

    async def part(self, started: dict[str, Any]) -> None:
        dispensation_id = started["dispensation_id"]
        line = {"id": started["products"][0]["id"], "price": 0.85, "taxes": 2.04, "quantity": 20}
        body = {"currency_code": started["currency_code"], "products": [line]}
        await self.pharmacy.call("PUT", f"/dispensing/v1/dispensations/{dispensation_id}", body)
        await self.complete(dispensation_id, 19.04, "F-1")

    async def complete(self, dispensation_id: str, amount: float, number: str) -> None:
        body = {"amount": amount, "document_number": number, "document_date": "2026-06-26T10:21:00Z"}
        path = f"/dispensing/v1/dispensations/{dispensation_id}/complete"
        done = await self.pharmacy.call("POST", path, body)
        self.teller.say("←", f"{done['status']}, the prescription is {done['prescription_status']}")

    async def read(self, prescription_id: str) -> None:
        read = await self.clinic.call("GET", f"/ehr/v1/prescriptions/{prescription_id}")
        self.teller.say("←", read["status"])
        for log in read["medications"][0]["prescription_item_dispensation_logs"]:
            what = f"{log['action_slug_registered']}: {log['dispensed_quantity']} by {log['created_by']}"
            self.teller.say("←", f"{log['created_at']} {what}")
        if read["status"] != "PRESCRIPTION_DISPENSED":
            raise Failed(f"the prescription ended as {read['status']}")


async def drive(env: dict[str, str]) -> None:
    """Run the journey against the platform that the environment names. Raises Failed, or what broke."""
    missing = [name for name in NEEDED if not env.get(name)]
    if missing:
        raise Failed(f"the environment lacks {', '.join(missing)}: start `make run`, or use `make demo`")
    teller = Teller()
    events = AIOKafkaConsumer(bootstrap_servers=env["RECEPTA_KAFKA"], auto_offset_reset="latest")
    await events.start()
    try:
        await _from_now_on(events)
        async with httpx.AsyncClient(base_url=env["RECEPTA_URL"], timeout=60.0) as http:
            clinic = Caller(teller, http, env["RECEPTA_DOCTOR_CLIENT"])
            pharmacy = Caller(teller, http, env["RECEPTA_PHARMACY_CLIENT"])
            mail = env.get("RECEPTA_MAIL_DIR")
            await Journey(teller, clinic, pharmacy, events, Path(mail) if mail else None).run()
            await StepByStep(teller, Caller(teller, http, env["RECEPTA_API_KEY"]), pharmacy).run()
    finally:
        await events.stop()
    print(f"\n{bold(f'Done in {time.monotonic() - teller.began:.1f} s.')} Where to look next:")
    print(f"  {OUTPUT}/prescription.pdf and {OUTPUT}/mail.eml, what the patient got")
    print("  README.md, how to do the same by hand with `make run`")
    print("  ARCHITECTURE.md, what flowed between the services meanwhile")


async def _from_now_on(events: AIOKafkaConsumer) -> None:
    events.assign([TopicPartition(EVENTS, number) for number in range(TOPICS[EVENTS].partitions)])
    await events.seek_to_end()
    for partition in events.assignment():
        await events.position(partition)


def main() -> int:
    try:
        asyncio.run(drive(dict(os.environ)))
    except (Failed, httpx.HTTPError, OSError, TimeoutError) as failed:
        print(f"\ndemo failed: {type(failed).__name__}: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

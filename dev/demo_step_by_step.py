"""The second part of the demo: a prescription in the step-by-step dialect, from draft to dispensed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dev.telling import Caller, Failed, Teller

DOCTOR_ID: Final = "3f0f6d5e-8c1b-4b7e-9a47-52f1c0d9e001"
DOCTOR: Final = {
    "name": "Rui Prado",
    "issuing_body": "CRM-SP",
    "license_number": "330915",
    "national_id": {"type": "CPF", "value": "529.982.247-25"},
}
ONCE_A_DAY: Final = {"route": "oral", "frequency": "24/24h", "quantity": 30}
WARFARIN: Final = {"medication_name": "Varfarina", "dosage": "5mg", **ONCE_A_DAY}
ASPIRIN: Final = {"medication_name": "Aspirina", "dosage": "100mg", **ONCE_A_DAY}
PATH: Final = "/v1/prescriptions"


@dataclass
class StepByStep:
    """A clinic with an API key, and the pharmacy of the first part."""

    teller: Teller
    clinic: Caller
    pharmacy: Caller

    async def run(self) -> None:
        step = self.teller.step
        patient_id = await step("Another clinic system, with an API key, brings its own ids", self.people)
        id = await step("Step by step: a draft, and two medicines", lambda: self.draft(patient_id))
        finding = await step("The check finds that they interact", lambda: self.check(id))
        await step("The doctor takes it upon themselves", lambda: self.acknowledge(id, finding))
        code = await step("Reviewed, validated, signed, submitted", lambda: self.release(id))
        await step("The same pharmacy dispenses it by its code", lambda: self.dispense(code))
        await step("The clinic reads what happened", lambda: self.read(id))

    async def people(self) -> str:
        patient_id = str(uuid.uuid4())
        record = {"birth_date": "1956-09-02", "full_name": "Rosa Meireles"}
        await self.clinic.call("PUT", f"/v1/patients/{patient_id}", record, expect=201)
        doctor = await self.clinic.call("PUT", f"/v1/doctors/{DOCTOR_ID}", DOCTOR, expect=(200, 201))
        self.teller.say("←", f"{record['full_name']}, and {doctor['name']} of {doctor['issuing_body']}")
        return patient_id

    async def draft(self, patient_id: str) -> str:
        body = {"patient_id": patient_id, "doctor_id": DOCTOR_ID}
        made = (await self.clinic.call("POST", PATH, body, expect=201))["prescription"]
        self.teller.say("←", f"201, {made['status']}")
        for item in (WARFARIN, ASPIRIN):
            added = await self.clinic.call("POST", f"{PATH}/{made['id']}/items", item, expect=201)
            self.teller.say("←", f"201, {added['match_status']}: {', '.join(added['ingredients'])}")
        return str(made["id"])

    async def check(self, id: str) -> str:
        (finding,) = (await self.clinic.call("POST", f"{PATH}/{id}/safety-check"))["interactions"]
        self.teller.say("!", f"{finding['severity']}: {finding['drug_a']} with {finding['drug_b']}")
        return str(finding["id"])

    async def acknowledge(self, id: str, finding_id: str) -> None:
        body = {"acknowledged_by": DOCTOR_ID, "reason": "Recent stent; INR every week."}
        path = f"{PATH}/{id}/interactions/{finding_id}/acknowledge"
        read = await self.clinic.call("POST", path, body)
        self.teller.say("←", f"{read['blocking_interactions_count']} in the way, can_sign {read['can_sign']}")

    async def release(self, id: str) -> str:
        until = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds")
        read: dict[str, Any] = {}
        for body in (
            {"status": "pending_review"},
            {"status": "validated", "valid_until": until},
            {"status": "signed", "signed_by": DOCTOR_ID},
            {"status": "submitted"},
        ):
            read = await self.clinic.call("PATCH", f"{PATH}/{id}/status", body)
        self.teller.say("←", f"{read['status']}, sealed with {read['signature']['algorithm']}")
        self.teller.say("←", f"code {read['prescription_code']}")
        return str(read["prescription_code"])

    async def dispense(self, code: str) -> None:
        path = "/dispensing/v1/dispensations"
        started = await self.pharmacy.call("POST", path, {"code": code}, expect=201)
        receipt = {"amount": 0, "document_number": "F-3", "document_date": "2026-06-26T10:21:00Z"}
        done = await self.pharmacy.call("POST", f"{path}/{started['dispensation_id']}/complete", receipt)
        self.teller.say("←", f"{done['status']}, the prescription is {done['prescription_status']}")

    async def read(self, id: str) -> None:
        read = await self.clinic.call("GET", f"{PATH}/{id}")
        history = (await self.clinic.call("GET", f"{PATH}/{id}/history"))["history"]
        self.teller.say("←", " → ".join(one["to_status"] for one in history if one["to_status"]))
        if read["status"] != "dispensed":
            raise Failed(f"the prescription ended as {read['status']}")

"""A short records system that prescribes step by step: draft, items, check, answer for it, sign, submit.

    python examples/ehr_step_by_step.py

reads the address and an API key from the environment, as `make run` writes them to `.run/env`: RECEPTA_URL,
RECEPTA_API_KEY. The last line it prints is the code that a pharmacy needs.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

# The ids are the records system's own: it puts its people on file under them, as often as it likes.
PATIENT_ID = "5c1e0a52-6d0f-4f4e-9d64-3c9a1f0b7a11"
DOCTOR_ID = "8a7d3b10-2f4c-4e7a-b1c9-0e5d6f7a8b22"
PATIENT = {"birth_date": "1956-09-02", "gender": "female", "full_name": "Rosa Meireles"}
DOCTOR = {
    "name": "Rui Prado",
    "issuing_body": "CRM-SP",
    "license_number": "204417",
    "national_id": {"type": "CPF", "value": "111.444.777-35"},
}
WARFARIN = {"medication_name": "Varfarina", "dosage": "5mg", "route": "oral", "frequency": "24/24h"}
ASPIRIN = {"medication_name": "Aspirina", "dosage": "100mg", "route": "oral", "frequency": "24/24h"}
PATIENCE_SECONDS = 60


class Records:
    """A records system's access to Recepta with one API key."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.Client(
            base_url=url, timeout=90, headers={"x-api-key": key, "accept-language": "pt"}
        )

    def put(self, path: str, record: Mapping[str, Any]) -> None:
        """The whole record, new or not."""
        self._body(self._sent("PUT", path, record))

    def draft(self, patient_id: str, doctor_id: str, *items: Mapping[str, Any]) -> str:
        order = {"patient_id": patient_id, "doctor_id": doctor_id}
        prescription_id = str(self.write("POST", "", order)["prescription"]["id"])
        for item in items:
            self.write("POST", f"/{prescription_id}/items", item)
        return prescription_id

    def check(self, prescription_id: str) -> list[dict[str, Any]]:
        """What the safety check objects to."""
        return list(self.write("POST", f"/{prescription_id}/safety-check")["interactions"])

    def answer_for(self, prescription_id: str, finding_id: str, doctor_id: str, reason: str) -> None:
        body = {"acknowledged_by": doctor_id, "reason": reason}
        self.write("POST", f"/{prescription_id}/interactions/{finding_id}/acknowledge", body)

    def step(self, prescription_id: str, status: str, **needed: str) -> dict[str, Any]:
        """The prescription with its next status."""
        return self.write("PATCH", f"/{prescription_id}/status", {"status": status, **needed})

    def write(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._body(self._sent(method, f"/v1/prescriptions{path}", body))

    def _sent(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """Said again with one key, whatever breaks on the way, it counts once."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = self.http.request(method, path, json=body, headers=headers)
                if answer.status_code not in (202, 503):  # Accepted and still under way; try later.
                    return answer
            except httpx.TransportError:
                pass
            if time.monotonic() > give_up:
                raise TimeoutError(f"{path} has no answer after {PATIENCE_SECONDS} s")
            time.sleep(1)

    @staticmethod
    def _body(answer: httpx.Response) -> dict[str, Any]:
        if answer.is_error:
            raise SystemExit(f"{answer.request.url.path} answered {answer.status_code}: {answer.text}")
        return dict(answer.json())


def main(url: str, key: str) -> str:
    """One prescription from its draft to its release, over a finding; returns its code."""
    records = Records(url, key)
    records.put(f"/v1/patients/{PATIENT_ID}", PATIENT)
    records.put(f"/v1/doctors/{DOCTOR_ID}", DOCTOR)
    quantity = {"quantity": 30, "unit": "comprimidos"}
    prescription_id = records.draft(PATIENT_ID, DOCTOR_ID, WARFARIN | quantity, ASPIRIN | quantity)
    for finding in records.check(prescription_id):
        print(f"{finding['severity']}: {finding['drug_a']}, {finding['drug_b']}")
        records.answer_for(prescription_id, finding["id"], DOCTOR_ID, "Stent recente; INR semanal.")
    until = datetime.now(UTC) + timedelta(days=30)
    records.step(prescription_id, "pending_review")
    records.step(prescription_id, "validated", valid_until=until.isoformat(timespec="seconds"))
    records.step(prescription_id, "signed", signed_by=DOCTOR_ID)
    released = records.step(prescription_id, "submitted")
    print(prescription_id, released["status"])
    print(released["prescription_code"])
    return str(released["prescription_code"])


if __name__ == "__main__":
    main(os.environ["RECEPTA_URL"], os.environ["RECEPTA_API_KEY"])

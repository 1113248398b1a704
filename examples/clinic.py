"""A short clinic system: find or create a patient, prescribe, read, and have it mailed.

    python examples/clinic.py [ana@example.org]

reads the address and a client's credentials from the environment, as `make run` writes them to `.run/env`:
RECEPTA_URL, RECEPTA_DOCTOR_CLIENT. The last line it prints is the code that a pharmacy needs.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from typing import Any

import httpx

PATIENT = {
    "first_name": "Ana",
    "last_name": "López",
    "document_type": "CC",
    "document_number": "1000000002",
    "date_of_birth": "1990-04-11",
}
PATIENCE_SECONDS = 60


class Clinic:
    """A clinic's access to Recepta; a token lasts an hour."""

    def __init__(self, url: str, credentials: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)
        client_id, _, secret = credentials.partition(":")
        form = {"grant_type": "client_credentials"}
        token = self._body(self.http.post("/v1/oauth/token", data=form, auth=(client_id, secret)))
        self.http.headers["authorization"] = f"Bearer {token['access_token']}"

    def patient(self, patient: dict[str, str]) -> str:
        """The id of a patient of this clinic, who is put on file when she is new."""
        found = self._get("/ehr/v1/patients", document_number=patient["document_number"])["data"]
        return str((found or [self._post("/ehr/v1/patients", patient)])[0]["patient_id"])

    def diagnosis(self, words: str) -> str:
        return str(self._get("/medical-catalogs/v1/diagnoses", query=words)["data"][0]["code"])

    def medicine(self, words: str) -> str:
        """The code of a medicine that this clinic has registered."""
        found = self._get("/arc/v1/providers/products", product_type="MEDICATION", query=words)
        return str(found["data"][0]["product_code"])

    def prescribe(self, patient_id: str, diagnosis: str, *medications: dict[str, Any]) -> dict[str, Any]:
        """An issued prescription: checked, sealed, and known to every pharmacy."""
        order = {
            "patient_id": patient_id,
            "diagnoses": [{"diagnosis_code": diagnosis}],
            "medications": list(medications),
        }
        return self._post("/ehr/v1/prescriptions", order)

    def read(self, prescription_id: str) -> dict[str, Any]:
        return self._get(f"/ehr/v1/prescriptions/{prescription_id}")

    def mail(self, prescription_id: str, address: str) -> dict[str, Any]:
        order = {"channel": "EMAIL", "email_address": address}
        return self._post(f"/ehr/v1/prescriptions/{prescription_id}/resend", order)

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        return self._body(self.http.get(path, params=query))

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Said again with one key, whatever breaks on the way, it counts once."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = self.http.post(path, json=body, headers=headers)
                settled = answer.status_code not in (202, 503)  # Accepted and still under way; try later.
            except httpx.TransportError:
                settled = False
            if settled:
                return self._body(answer)
            if time.monotonic() > give_up:
                raise TimeoutError(f"{path} has no answer after {PATIENCE_SECONDS} s")
            time.sleep(1)

    @staticmethod
    def _body(answer: httpx.Response) -> dict[str, Any]:
        if answer.is_error:
            raise SystemExit(f"{answer.request.url.path} answered {answer.status_code}: {answer.text}")
        return dict(answer.json())


def main(url: str, credentials: str, address: str) -> str:
    """One prescription from the patient's file to her mailbox; returns its code."""
    clinic = Clinic(url, credentials)
    patient_id = clinic.patient(PATIENT)
    line = {"quantity": 30, "posology": "1 tablet every 8h", "duration_days": 10}
    issued = clinic.prescribe(
        patient_id,
        clinic.diagnosis("cephalgia"),
        {"product_code": clinic.medicine("paracetamol")} | line,
    )
    print(issued["prescription_id"], issued["status"])
    print("PDF", clinic.read(issued["prescription_id"])["download_url"])
    print("mail", clinic.mail(issued["prescription_id"], address)["status"])
    print(issued["prescription_code"])
    return str(issued["prescription_code"])


if __name__ == "__main__":
    main(
        os.environ["RECEPTA_URL"],
        os.environ["RECEPTA_DOCTOR_CLIENT"],
        sys.argv[1] if len(sys.argv) > 1 else "ana@example.org",
    )

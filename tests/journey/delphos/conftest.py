"""A practice that prescribes step by step with an API key, as the public guide has it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from dev.platform import Platform
from tests.clients import TIMEOUT_SECONDS, Clinic, uuid_of

AMOXICILLIN = {
    "medication_name": "Amoxicilina",
    "active_ingredient": "AMOXICILINA TRIIDRATADA",
    "dosage": "500mg",
    "route": "oral",
    "frequency": "8/8h",
    "duration": "7 dias",
    "quantity": 21,
    "unit": "capsulas",
    "instructions": "Tomar 1 capsula de 500mg via oral a cada 8 horas.",
}
WARFARIN = {
    "medication_name": "Varfarina",
    "dosage": "5mg",
    "route": "oral",
    "frequency": "24/24h",
    "quantity": 30,
}
ASPIRIN = {
    "medication_name": "Aspirina",
    "dosage": "100mg",
    "route": "oral",
    "frequency": "24/24h",
    "quantity": 30,
}


@dataclass
class Practice:
    """A client of the second dialect, a patient and a doctor of its tenant."""

    http: httpx.AsyncClient
    patient_id: str
    doctor_id: str

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, f"/v1/prescriptions{path}", json=body, headers=sent)

    async def ok(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        answer = await self.call(method, path, body, **headers)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    async def draft(self, *items: dict[str, Any]) -> str:
        made = await self.ok("POST", "", {"patient_id": self.patient_id, "doctor_id": self.doctor_id})
        id: str = made["prescription"]["id"]
        for item in items:
            await self.ok("POST", f"/{id}/items", item)
        return id

    async def read(self, id: str) -> dict[str, Any]:
        return await self.ok("GET", f"/{id}")

    async def step(self, id: str, status: str, **more: Any) -> httpx.Response:
        return await self.call("PATCH", f"/{id}/status", {"status": status} | more)

    async def released(self, *items: dict[str, Any]) -> dict[str, Any]:
        """A prescription that pharmacies may dispense, all steps taken."""
        id = await self.draft(*items)
        until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
        for status, more in (
            ("pending_review", {}),
            ("validated", {"valid_until": until}),
            ("signed", {"signed_by": self.doctor_id}),
            ("submitted", {}),
        ):
            answer = await self.step(id, status, **more)
            assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def history(self, id: str) -> list[dict[str, Any]]:
        return list((await self.ok("GET", f"/{id}/history?limit=100"))["history"])


@pytest.fixture
async def other_dialect(platform: Platform) -> AsyncIterator[Clinic]:
    """The same tenant's client of the first dialect, bound to no doctor."""
    async with Clinic(platform.url, platform.credentials["RECEPTA_CLINIC_CLIENT"]) as client:
        yield client


@pytest.fixture
async def practice(platform: Platform, other_dialect: Clinic) -> AsyncIterator[Practice]:
    """With a patient of its own, whom no other test gives anything."""
    doctors = (await other_dialect.get("/ehr/v1/doctors")).json()["data"]
    async with httpx.AsyncClient(
        base_url=platform.url,
        headers={"x-api-key": platform.credentials["RECEPTA_API_KEY"], "accept-language": "pt"},
        timeout=TIMEOUT_SECONDS,
    ) as http:
        yield Practice(http, uuid_of(await other_dialect.patient()), uuid_of(doctors[0]["doctor_id"]))

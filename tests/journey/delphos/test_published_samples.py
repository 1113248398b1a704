"""The samples of the public guide, line for line, run as they stand but for address, key and ids."""

from __future__ import annotations

import asyncio
import contextlib
import io
import subprocess
from typing import Any

import pytest

from dev.platform import Platform
from tests.journey.delphos.desk import Desk, entity

ADDRESS, KEY = "https://your-instance.delphos.app", "YOUR_API_KEY"
IDS = {
    "c3d4e5f6-a7b8-9012-cdef-123456789012": "consultation",
    "d4e5f6a7-b8c9-0123-defa-234567890123": "patient",
    "e5f6a7b8-c9d0-1234-efab-345678901234": "doctor",
    "PRESCRIPTION_ID": "prescription",
}
CURL = {
    "create": """
curl -X POST "https://your-instance.delphos.app/v1/prescriptions" \\
  -H "x-api-key: YOUR_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "patient_id": "d4e5f6a7-b8c9-0123-defa-234567890123",
    "doctor_id": "e5f6a7b8-c9d0-1234-efab-345678901234",
    "prescription_type": "standard",
    "notes": "Patient reports difficulty swallowing tablets."
  }'
""",
    "auto-create": """
curl -X POST "https://your-instance.delphos.app/v1/prescriptions/auto-create" \\
  -H "x-api-key: YOUR_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "consultation_id": "c3d4e5f6-a7b8-9012-cdef-123456789012",
    "patient_id": "d4e5f6a7-b8c9-0123-defa-234567890123",
    "doctor_id": "e5f6a7b8-c9d0-1234-efab-345678901234"
  }'
""",
    "item": """
curl -X POST "https://your-instance.delphos.app/v1/prescriptions/PRESCRIPTION_ID/items" \\
  -H "x-api-key: YOUR_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "medication_name": "Amoxicilina",
    "active_ingredient": "AMOXICILINA TRIIDRATADA",
    "dosage": "500mg",
    "route": "oral",
    "frequency": "8/8h",
    "duration": "7 dias",
    "quantity": 21,
    "unit": "capsulas",
    "instructions": "Tomar 1 capsula de 500mg via oral a cada 8 horas."
  }'
""",
    "sign": """
curl -X PATCH "https://your-instance.delphos.app/v1/prescriptions/PRESCRIPTION_ID/status" \\
  -H "x-api-key: YOUR_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"status": "signed", "signed_by": "e5f6a7b8-c9d0-1234-efab-345678901234"}'
""",
}
CREATE = """
import httpx
response = httpx.post(
    "https://your-instance.delphos.app/v1/prescriptions",
    headers={"x-api-key": "YOUR_API_KEY"},
    json={
        "patient_id": "d4e5f6a7-b8c9-0123-defa-234567890123",
        "doctor_id": "e5f6a7b8-c9d0-1234-efab-345678901234",
        "prescription_type": "standard",
        "notes": "Patient reports difficulty swallowing tablets.",
    },
)
data = response.json()
prescription_id = data["prescription"]["id"]
"""
AUTO_CREATE = """
import httpx
response = httpx.post(
    "https://your-instance.delphos.app/v1/prescriptions/auto-create",
    headers={"x-api-key": "YOUR_API_KEY"},
    json={
        "consultation_id": "c3d4e5f6-a7b8-9012-cdef-123456789012",
        "patient_id": "d4e5f6a7-b8c9-0123-defa-234567890123",
        "doctor_id": "e5f6a7b8-c9d0-1234-efab-345678901234",
    },
)
data = response.json()
prescription = data["prescription"]
print(f"Created {prescription['id']} with {len(prescription['items'])} items")
"""
ITEM = """
import httpx
response = httpx.post(
    f"https://your-instance.delphos.app/v1/prescriptions/{prescription_id}/items",
    headers={"x-api-key": "YOUR_API_KEY"},
    json={
        "medication_name": "Amoxicilina",
        "active_ingredient": "AMOXICILINA TRIIDRATADA",
        "dosage": "500mg",
        "route": "oral",
        "frequency": "8/8h",
        "duration": "7 dias",
        "quantity": 21,
        "unit": "capsulas",
        "instructions": "Tomar 1 capsula de 500mg via oral a cada 8 horas.",
    },
)
item = response.json()
"""
SIGN = """
import httpx
response = httpx.patch(
    f"https://your-instance.delphos.app/v1/prescriptions/{prescription_id}/status",
    headers={"x-api-key": "YOUR_API_KEY"},
    json={
        "status": "signed",
        "signed_by": "e5f6a7b8-c9d0-1234-efab-345678901234",
    },
)
updated = response.json()
"""


class Reader:
    """Somebody who copies from the guide and puts in what is theirs."""

    def __init__(self, platform: Platform, desk: Desk) -> None:
        self.url, self.key = platform.url, desk.http.headers["x-api-key"]
        self.ids = {"doctor": desk.doctor}

    def own(self, sample: str) -> str:
        for published, name in IDS.items():
            sample = sample.replace(published, self.ids.get(name, published))
        return sample.replace(ADDRESS, self.url).replace(KEY, self.key)

    async def shell(self, sample: str) -> tuple[int, str]:
        """The sample by a shell; the status is asked for by curl's own settings file."""
        told = await asyncio.to_thread(
            subprocess.run,
            ("sh", "-c", self.own(sample).strip() + " -s -w '\\n%{http_code}'"),
            capture_output=True,
            text=True,
            check=True,
        )
        body, _, status = told.stdout.rpartition("\n")
        return int(status), body

    async def python(self, sample: str, **names: Any) -> tuple[dict[str, Any], str]:
        """What the sample's names are after it has run, and what it printed."""
        printed = io.StringIO()

        def run() -> None:
            with contextlib.redirect_stdout(printed):
                exec(compile(self.own(sample), "guide", "exec"), names)

        await asyncio.to_thread(run)
        return names, printed.getvalue()


@pytest.fixture
def reader(platform: Platform, desk: Desk) -> Reader:
    return Reader(platform, desk)


async def test_the_samples_for_curl_do_what_the_guide_says(desk: Desk, reader: Reader) -> None:
    reader.ids["consultation"], reader.ids["patient"] = await desk.consultation(entity("amoxicilina"))
    status, body = await reader.shell(CURL["auto-create"])
    assert (status, '"items"' in body) == (201, True)
    assert (await reader.shell(CURL["auto-create"]))[0] == 409
    status, body = await reader.shell(CURL["create"])
    assert (status, '"status":"draft"' in body.replace(" ", "")) == (201, True)
    listed = await desk.ok("GET", f"/prescriptions?patient_id={reader.ids['patient']}&origin=manual")
    reader.ids["prescription"] = listed["items"][0]["id"]
    assert (await reader.shell(CURL["item"]))[0] == 201
    assert (await reader.shell(CURL["sign"]))[0] == 409
    for step in ("pending_review", "validated"):
        assert (await desk.step(reader.ids["prescription"], step)).status_code == 200
    status, body = await reader.shell(CURL["sign"])
    assert (status, '"status":"signed"' in body.replace(" ", "")) == (200, True)


async def test_the_samples_for_python_do_what_the_guide_says(desk: Desk, reader: Reader) -> None:
    reader.ids["consultation"], reader.ids["patient"] = await desk.consultation(entity("amoxicilina"))
    names, printed = await reader.python(AUTO_CREATE)
    assert printed == f"Created {names['prescription']['id']} with 1 items\n"
    names, _ = await reader.python(CREATE)
    id = names["prescription_id"]
    names, _ = await reader.python(ITEM, prescription_id=id)
    assert names["item"]["medication_name"] == "Amoxicilina"
    for step in ("pending_review", "validated"):
        assert (await desk.step(id, step)).status_code == 200
    names, _ = await reader.python(SIGN, prescription_id=id)
    assert names["updated"]["status"] == "signed"

"""The step-by-step dialect beside all that is stored: each kind of call flat out, and one at a time."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from dev.platform import Platform
from tests.benchmarks import wire
from tests.clients import TIMEOUT_SECONDS

DRAFTS: Final = 500
ALONE: Final = 40
READS: Final = 3_000
READS_ALONE: Final = 300
LISTS: Final = 300
LISTED: Final = 20
PAGES: Final = 20
PAGE_MAX: Final = 100
CONNECTIONS: Final = 32
LIST_CONNECTIONS: Final = 8
# Until the checks that follow edits by themselves have come to rest.
REST_SECONDS: Final = 2.0
PATH: Final = "/v1/prescriptions"
DOCTOR_ID: Final = str(uuid.uuid4())
DOCTOR: Final = {
    "name": "Rui Prado",
    "issuing_body": "CRM-SP",
    "license_number": "909090",
    "national_id": {"type": "CPF", "value": "390.533.447-05"},
}
ITEM: Final = {
    "medication_name": "Amoxicilina",
    "active_ingredient": "AMOXICILINA TRIIDRATADA",
    "dosage": "500mg",
    "route": "oral",
    "frequency": "8/8h",
    "duration": "7 dias",
    "quantity": 21,
    "unit": "capsulas",
}

Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Bench:
    """Where calls go, and with which key."""

    url: str
    key: str

    def request(self, method: str, path: str, body: Any = None) -> bytes:
        sent = b"" if body is None else json.dumps(body).encode()
        return wire.request_with_key(method, path, self.key, sent)

    async def run(
        self, requests: Sequence[bytes], *, expect: int = 200, connections: int = CONNECTIONS
    ) -> wire.Measured:
        return await wire.flat_out(self.url, requests, expect=expect, connections=connections)

    async def both(
        self,
        name: str,
        requests: Sequence[bytes],
        *,
        alone: int = ALONE,
        expect: int = 200,
        connections: int = CONNECTIONS,
    ) -> Rows:
        """The first of them one at a time, which is what no load at all would give; then the rest."""
        quiet = await self.run(requests[:alone], expect=expect, connections=1)
        busy = await self.run(requests[alone:], expect=expect, connections=connections)
        return {f"{name}, one at a time (baseline)": quiet.row(), f"{name}, flat out": busy.row()}


async def measure(platform: Platform, stored: int) -> Rows:
    bench = Bench(platform.url, platform.credentials["RECEPTA_API_KEY"])
    patients = await _people(bench)
    orders = [{"patient_id": one, "doctor_id": DOCTOR_ID} for one in patients]
    drafting = [bench.request("POST", PATH, order) for order in orders]
    rows = await bench.both("draft created", drafting, expect=201)
    paths = await _drafts(bench, len(patients))
    adding = [bench.request("POST", f"{path}/items", ITEM) for path in paths]
    rows |= await bench.both("item added", adding, expect=201)
    await asyncio.sleep(REST_SECONDS)
    checking = [bench.request("POST", f"{path}/safety-check") for path in paths]
    rows |= await bench.both("safety check by request", checking)
    moving = [bench.request("PATCH", f"{path}/status", {"status": "pending_review"}) for path in paths]
    rows |= await bench.both("status changed", moving)
    return rows | await _reading(bench, paths, stored)


async def _reading(bench: Bench, paths: Sequence[str], stored: int) -> Rows:
    reads = [bench.request("GET", paths[number % len(paths)]) for number in range(READS + READS_ALONE)]
    rows = await bench.both("detail", reads, alone=READS_ALONE)

    def pages(count: int) -> list[bytes]:
        offsets = (number % PAGES * LISTED for number in range(count))
        return [bench.request("GET", f"{PATH}?limit={LISTED}&offset={offset}") for offset in offsets]

    await bench.run(pages(PAGES), connections=LIST_CONNECTIONS)
    listed = f"list of {LISTED} out of {stored:,}"
    return rows | await bench.both(listed, pages(LISTS + ALONE), connections=LIST_CONNECTIONS)


async def _people(bench: Bench) -> list[str]:
    """A patient for each draft: what one patient has is not what is measured."""
    patients = [str(uuid.uuid4()) for _ in range(DRAFTS + ALONE)]
    born = {"birth_date": "1956-09-02", "full_name": "Rosa Meireles"}
    putting = [bench.request("PUT", f"/v1/patients/{one}", born) for one in patients]
    put = await bench.run(
        [bench.request("PUT", f"/v1/doctors/{DOCTOR_ID}", DOCTOR), *putting], expect=201, connections=8
    )
    assert put.failed == 0, "somebody could not be put on file"
    return patients


async def _drafts(bench: Bench, count: int) -> list[str]:
    found: list[str] = []
    headers = {"x-api-key": bench.key}
    async with httpx.AsyncClient(base_url=bench.url, headers=headers, timeout=TIMEOUT_SECONDS) as http:
        for offset in range(0, count, PAGE_MAX):
            wanted: dict[str, str | int] = {"doctor_id": DOCTOR_ID, "limit": PAGE_MAX, "offset": offset}
            page = (await http.get(PATH, params=wanted)).json()
            found += [f"{PATH}/{one['id']}" for one in page["items"]]
    return found

"""The whole platform under load: creating at 20 a second and flat out, reading, dispensing, idle memory."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Final

from dev.platform import Platform
from tests.benchmarks import wire
from tests.clients import Clinic, Pharmacy

PATIENTS: Final = 400
QUIET_RATE: Final = 20.0
QUIET_COUNT: Final = 400
WARM_UP: Final = 600
CREATE_RATE: Final = 250.0
CREATE_COUNT: Final = 5_000
FLAT_OUT_CONNECTIONS: Final = 96
READS: Final = 15_000
READ_CONNECTIONS: Final = 24
DISPENSED: Final = 1_000
RECEIPT: Final = json.dumps(
    {"amount": 0, "document_number": "F-1", "document_date": "2026-06-26T10:21:00Z"}
).encode()

Rows = dict[str, dict[str, Any]]


async def measure(platform: Platform) -> Rows:
    rows: Rows = {"memory of five services, idle (MB)": {"value": memory_mb(platform), "bar": "≤ 450"}}
    async with (
        Clinic(platform.url, platform.credentials["RECEPTA_DOCTOR_CLIENT"]) as clinic,
        Pharmacy(platform.url, platform.credentials["RECEPTA_PHARMACY_CLIENT"]) as pharmacy,
    ):
        rows |= await creating(platform, clinic)
        rows |= await reading(platform, clinic)
        rows |= await dispensing(platform, clinic, pharmacy)
    return rows


async def creating(platform: Platform, clinic: Clinic) -> Rows:
    """Latency at a rate, against the same requests one at a time as the baseline."""
    token = await clinic.token()
    patients = [await clinic.patient() for _ in range(PATIENTS)]

    def orders(count: int) -> list[bytes]:
        bodies = (json.dumps(clinic.order(patients[n % PATIENTS])).encode() for n in range(count))
        return [wire.request("POST", "/ehr/v1/prescriptions", token, body) for body in bodies]

    await wire.flat_out(platform.url, orders(WARM_UP), expect=201, connections=32)
    alone = await wire.flat_out(platform.url, orders(100), expect=201, connections=1)
    quiet = await wire.at_rate(platform.url, orders(QUIET_COUNT), QUIET_RATE, expect=201, connections=40)
    busy = await wire.at_rate(platform.url, orders(CREATE_COUNT), CREATE_RATE, expect=201, connections=400)
    full = await wire.flat_out(
        platform.url, orders(CREATE_COUNT), expect=201, connections=FLAT_OUT_CONNECTIONS
    )
    return {
        "create, one at a time (baseline)": alone.row(),
        "create at 20/s": quiet.row() | {"bar": "p50 ≤ 60, p99 ≤ 200"},
        f"create at {CREATE_RATE:.0f}/s": busy.row() | {"bar": "≥ 250/s, p99 ≤ 620"},
        "create flat out": full.row(),
    }


async def reading(platform: Platform, clinic: Clinic) -> Rows:
    issued = await asyncio.gather(*(clinic.issue() for _ in range(50)))
    token = await clinic.token()
    paths = [f"/ehr/v1/prescriptions/{one['prescription_id']}" for one in issued]
    requests = [wire.request("GET", paths[n % len(paths)], token) for n in range(READS)]
    nothing = [wire.request("GET", "/health/live", token) for _ in range(READS // 3)]
    await wire.flat_out(platform.url, requests[: READS // 5], expect=200, connections=READ_CONNECTIONS)
    base = await wire.flat_out(platform.url, nothing, expect=200, connections=READ_CONNECTIONS)
    read = await wire.flat_out(platform.url, requests, expect=200, connections=READ_CONNECTIONS)
    return {
        "an endpoint that does nothing (baseline)": base.row(),
        "read one prescription": read.row() | {"bar": "≥ 1,500/s, p99 ≤ 50"},
    }


async def dispensing(platform: Platform, clinic: Clinic, pharmacy: Pharmacy) -> Rows:
    issued: list[dict[str, Any]] = []
    for _ in range(DISPENSED // 50):
        issued += await asyncio.gather(*(clinic.issue() for _ in range(50)))
    token = await pharmacy.token()
    path = "/dispensing/v1/dispensations"
    starts = [
        wire.request("POST", path, token, json.dumps({"code": one["prescription_code"]}).encode())
        for one in issued
    ]
    started = await wire.flat_out(platform.url, starts, expect=201, connections=32)
    listed: list[str] = []
    for page in range(1, DISPENSED // 200 + 1):
        rows = (await pharmacy.get(f"{path}?status=STARTED&limit=200&page={page}")).json()["data"]
        listed += [row["dispensation_id"] for row in rows]
    completes = [wire.request("POST", f"{path}/{one}/complete", token, RECEIPT) for one in listed]
    completed = await wire.flat_out(platform.url, completes, expect=200, connections=32)
    return {"start a dispensation, flat out": started.row(), "complete it, flat out": completed.row()}


def memory_mb(platform: Platform) -> float:
    """Proportional set size of the five services' processes."""
    total = 0
    for instance in platform.instances:
        lines = Path(f"/proc/{platform.supervisor.pid(instance.name)}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return round(total / 1024, 1)


def machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "system": " ".join(os.uname()[:3:2])}

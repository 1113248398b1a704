"""The whole platform: memory at rest, then all that is asked of it, few and many prescriptions stored."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import asyncpg

from dev.platform import Platform
from tests.benchmarks import creating, dispensing, reading, recovery, step_by_step, stored
from tests.benchmarks.orders import Orders
from tests.clients import Clinic, Pharmacy

Rows = dict[str, dict[str, Any]]

_SLEEPER: Final = "import sys; print(flush=True); sys.stdin.read()"


async def measure(platform: Platform) -> Rows:
    rows = memory(platform)
    async with (
        Clinic(platform.url, platform.credentials["RECEPTA_DOCTOR_CLIENT"]) as clinic,
        Pharmacy(platform.url, platform.credentials["RECEPTA_PHARMACY_CLIENT"]) as pharmacy,
    ):
        orders = await Orders.of(clinic)
        rows |= await creating.measure(platform, orders)
        rows |= await reading.measure(platform, clinic)
        rows |= await dispensing.measure(platform, clinic, pharmacy)
        few, little = await stored.cost(platform, orders), await _stored(platform)
        seconds = await stored.fill(platform)
        much = await _stored(platform)
        rows[f"filling in {stored.MANY:,} by SQL (s)"] = {"value": round(seconds, 1)}
        await stored.cost(platform, orders)  # What was filled in is read for the first time.
        rows |= stored.rows(few, await stored.cost(platform, orders), (little, much))
        rows |= await reading.listing(platform, clinic, much)
        rows |= await step_by_step.measure(platform, much)
        rows |= await recovery.measure(platform, orders)
    return rows


async def _stored(platform: Platform) -> int:
    conn = await asyncpg.connect(platform.postgres.url("gateway"))
    try:
        count: int = await conn.fetchval("SELECT count(*) FROM prescription_view")
        return count
    finally:
        await conn.close()


def memory(platform: Platform) -> Rows:
    services = sum(_megabytes(platform.supervisor.pid(one.name)) for one in platform.instances)
    with subprocess.Popen(
        (sys.executable, "-c", _SLEEPER), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as bare:
        assert bare.stdout is not None
        bare.stdout.readline()
        empty = _megabytes(bare.pid) * len(platform.instances)
        bare.communicate()
    return {
        "memory of five empty interpreters (MB, baseline)": {"value": round(empty, 1)},
        "memory of five services, idle (MB)": {"value": round(services, 1), "bar": "≤ 450"},
    }


def _megabytes(pid: int) -> float:
    """Proportional set size: what several processes share is counted once."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def machine() -> dict[str, Any]:
    load = [round(one, 2) for one in os.getloadavg()]
    return {"cores": os.cpu_count(), "system": " ".join(os.uname()[:3:2]), "load": load}

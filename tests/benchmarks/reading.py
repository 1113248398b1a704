"""Reading: one prescription, and a list out of many, beside an endpoint that does nothing."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from dev.platform import Platform
from tests.benchmarks import wire
from tests.clients import Clinic

READS: Final = 9_000
READ: Final = 50
LISTS: Final = 400
LISTED: Final = 50
PAGES: Final = 20
CONNECTIONS: Final = 24
LIST_CONNECTIONS: Final = 8

Rows = dict[str, dict[str, Any]]


async def measure(platform: Platform, clinic: Clinic) -> Rows:
    issued = await asyncio.gather(*(clinic.issue() for _ in range(READ)))
    token = await clinic.token()
    paths = [f"/ehr/v1/prescriptions/{one['prescription_id']}" for one in issued]
    reads = [wire.request("GET", paths[n % READ], token) for n in range(READS)]
    nothing = [wire.request("GET", "/health/live", token) for _ in range(READS // 3)]
    await wire.flat_out(platform.url, reads[: READS // 5], expect=200, connections=CONNECTIONS)
    base = await wire.flat_out(platform.url, nothing, expect=200, connections=CONNECTIONS)
    read = await wire.flat_out(platform.url, reads, expect=200, connections=CONNECTIONS)
    return {
        "an endpoint that does nothing (baseline)": base.row(),
        "read one prescription": read.row() | {"bar": "≥ 1,500/s, p99 ≤ 50"},
    }


async def listing(platform: Platform, clinic: Clinic, stored: int) -> Rows:
    """Pages of fifty out of all that is stored, and the first page alone as the baseline."""
    token = await clinic.token()

    def pages(count: int, different: int) -> list[bytes]:
        numbers = (number % different + 1 for number in range(count))
        path = f"/ehr/v1/prescriptions?limit={LISTED}&page="
        return [wire.request("GET", f"{path}{number}", token) for number in numbers]

    await wire.flat_out(platform.url, pages(PAGES, PAGES), expect=200, connections=LIST_CONNECTIONS)
    alone = await wire.flat_out(platform.url, pages(PAGES, 1), expect=200, connections=1)
    found = await wire.flat_out(platform.url, pages(LISTS, PAGES), expect=200, connections=LIST_CONNECTIONS)
    return {
        f"list of {LISTED} out of {stored:,}, one at a time (baseline)": alone.row(),
        f"list of {LISTED} out of {stored:,}": found.row(),
    }

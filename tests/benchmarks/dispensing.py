"""Dispensing: starting and completing, flat out beside one at a time."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from dev.platform import Platform
from tests.benchmarks import wire
from tests.clients import RECEIPT, Clinic, Pharmacy

DISPENSED: Final = 600
ALONE: Final = 40
AT_ONCE: Final = 50
PAGE: Final = 200
CONNECTIONS: Final = 32
PATH: Final = "/dispensing/v1/dispensations"

Rows = dict[str, dict[str, Any]]


async def measure(platform: Platform, clinic: Clinic, pharmacy: Pharmacy) -> Rows:
    token = await pharmacy.token()
    starts = [
        wire.request("POST", PATH, token, json.dumps({"code": code}).encode())
        for code in await _codes(clinic, DISPENSED + ALONE)
    ]
    alone = await wire.flat_out(platform.url, starts[:ALONE], expect=201, connections=1)
    started = await wire.flat_out(platform.url, starts[ALONE:], expect=201, connections=CONNECTIONS)
    receipt = json.dumps(RECEIPT).encode()
    completes = [
        wire.request("POST", f"{PATH}/{one}/complete", token, receipt)
        for one in await _started(pharmacy, DISPENSED + ALONE)
    ]
    alone_too = await wire.flat_out(platform.url, completes[:ALONE], expect=200, connections=1)
    completed = await wire.flat_out(platform.url, completes[ALONE:], expect=200, connections=CONNECTIONS)
    return {
        "start a dispensation, one at a time (baseline)": alone.row(),
        "start a dispensation, flat out": started.row(),
        "complete it, one at a time (baseline)": alone_too.row(),
        "complete it, flat out": completed.row(),
    }


async def _codes(clinic: Clinic, count: int) -> list[str]:
    issued: list[dict[str, Any]] = []
    while len(issued) < count:
        issued += await asyncio.gather(*(clinic.issue() for _ in range(min(AT_ONCE, count - len(issued)))))
    return [one["prescription_code"] for one in issued]


async def _started(pharmacy: Pharmacy, count: int) -> list[str]:
    found: list[str] = []
    for page in range(1, count // PAGE + 2):
        answer = await pharmacy.get(f"{PATH}?status=STARTED&limit={PAGE}&page={page}")
        found += [row["dispensation_id"] for row in answer.json()["data"]]
    return found

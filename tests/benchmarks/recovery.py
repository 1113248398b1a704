"""How soon prescriptions flow again after a part was killed under load."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any, Final

from dev.platform import Platform
from tests.benchmarks import wire
from tests.benchmarks.orders import Orders

WORKERS: Final = 8
RATE: Final = 25.0
BEFORE_SECONDS: Final = 2.0
GIVE_UP_SECONDS: Final = 40.0
ATTEMPT_SECONDS: Final = 15.0
BROKEN: Final = (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError)

Rows = dict[str, dict[str, Any]]


@dataclass
class Flow:
    """A steady trickle of creates; each that is answered 201 is written down with when it was sent."""

    platform: Platform
    orders: list[bytes]
    issued: list[tuple[float, float]] = field(default_factory=list)
    stopping: bool = False

    async def run(self) -> None:
        await asyncio.gather(*(self._work() for _ in range(WORKERS)))

    async def _work(self) -> None:
        while not self.stopping:
            with contextlib.suppress(*BROKEN):
                one = await wire.Wire.open(self.platform.url)
                try:
                    await self._issue(one)
                finally:
                    one.close()
            await asyncio.sleep(WORKERS / RATE / 4)

    async def _issue(self, one: wire.Wire) -> None:
        while not self.stopping:
            sent = time.monotonic()
            status, _ = await asyncio.wait_for(one.send(self.orders[0]), ATTEMPT_SECONDS)
            if status == 201:
                self.issued.append((sent, time.monotonic()))
            await asyncio.sleep(WORKERS / RATE)

    async def first_after(self, moment: float) -> float:
        """Seconds from a moment to the first success of a create that was sent after it."""
        while time.monotonic() - moment < GIVE_UP_SECONDS:
            if found := [done for sent, done in self.issued if sent > moment]:
                return min(found) - moment
            await asyncio.sleep(0.02)
        return float("inf")


async def measure(platform: Platform, orders: Orders) -> Rows:
    """One part after the other; beside them how long a create takes when nothing is killed."""
    rows: Rows = {}
    flow = Flow(platform, orders.make(1))
    running = asyncio.create_task(flow.run())
    try:
        await asyncio.sleep(BEFORE_SECONDS)
        undisturbed = await flow.first_after(time.monotonic())
        rows["flowing again when nothing is killed (s, baseline)"] = {"value": round(undisturbed, 2)}
        for name in (*(one.name for one in platform.instances), "kafka", "postgres"):
            killed = time.monotonic()
            await asyncio.to_thread(platform.kill, name)
            seconds = await flow.first_after(killed)
            rows[f"flowing again after kill -9 of {name} (s)"] = {"value": round(seconds, 2), "bar": "≤ 10"}
            await asyncio.to_thread(platform.until_ready, name)
            await asyncio.sleep(BEFORE_SECONDS)
    finally:
        flow.stopping = True
        await running
    return rows

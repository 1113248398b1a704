"""Creating prescriptions: at 20 a second, hop by hop, at the bar and flat out, and what each costs."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from dev.platform import Platform
from tests.benchmarks import hops, processor, wire
from tests.benchmarks.orders import Orders

WARM_UP: Final = 1_500
ALONE: Final = 100
QUIET_RATE: Final = 20.0
QUIET_COUNT: Final = 300
BUSY_RATE: Final = 250.0
BUSY_COUNT: Final = 4_000
FULL_COUNT: Final = 4_000
FULL_CONNECTIONS: Final = 96
# Until relays and offsets have come to rest.
REST_SECONDS: Final = 1.0

Rows = dict[str, dict[str, Any]]


async def measure(platform: Platform, orders: Orders) -> Rows:
    """Latency counts from when a request was due; one at a time is what no load at all would give."""
    url = platform.url
    await wire.flat_out(url, orders.make(WARM_UP), expect=201, connections=32)
    alone = await wire.flat_out(url, orders.make(ALONE), expect=201, connections=1)
    quiet = await wire.at_rate(url, orders.make(QUIET_COUNT), QUIET_RATE, expect=201, connections=40)
    hop_by_hop = await hops.measure(platform, orders)
    before = processor.spent(platform)
    busy = await wire.at_rate(url, orders.make(BUSY_COUNT), BUSY_RATE, expect=201, connections=400)
    await asyncio.sleep(REST_SECONDS)
    cost = processor.per_piece(before, processor.spent(platform), BUSY_COUNT)
    full = await wire.flat_out(url, orders.make(FULL_COUNT), expect=201, connections=FULL_CONNECTIONS)
    return {
        "create, one at a time (baseline)": alone.row(),
        f"create at {QUIET_RATE:.0f}/s": quiet.row() | {"bar": "p50 ≤ 60, p99 ≤ 200"},
        **hop_by_hop,
        f"create at {BUSY_RATE:.0f}/s": busy.row() | {"bar": "≥ 250/s, p99 ≤ 620"},
        f"create flat out, {FULL_CONNECTIONS} connections": full.row(),
        "processor of one create at that rate (ms)": {"value": round(sum(cost.values()), 2)},
        **{f"  of which {name}": {"value": spent} for name, spent in sorted(cost.items())},
    }

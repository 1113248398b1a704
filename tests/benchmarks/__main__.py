"""The numbers of DESIGN 6 beside their baselines: a table here, and JSON in `.run/bench.json`."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from dev.platform import Platform
from tests import infrastructure
from tests.benchmarks import platform as whole
from tests.benchmarks import relay, safety_check, searching, signing

OUTPUT: Final = Path(".run") / "bench.json"
COLUMNS: Final = ("p50", "p99", "rate", "value", "failed")
NAME_WIDTH: Final = 56

Rows = dict[str, dict[str, Any]]


def table(rows: Rows) -> str:
    """One line a row; times in milliseconds where the name says nothing else."""
    head = f"{'ms, or as said':<{NAME_WIDTH}}" + "".join(f"{name:>10}" for name in COLUMNS) + "  bar"
    lines = [
        f"{name:<{NAME_WIDTH}}"
        + "".join(f"{row.get(column, ''):>10}" for column in COLUMNS)
        + f"  {row.get('bar', '')}"
        for name, row in rows.items()
    ]
    return "\n".join((head, *lines))


def checking() -> Rows:
    found = safety_check.measure()
    return {
        f"{found['name']} (baseline: {found['baseline']})": {
            "p50": found["baseline_p50_ms"],
            "p99": found["baseline_p99_ms"],
        },
        found["name"]: {"p50": found["p50_ms"], "p99": found["p99_ms"], "bar": "p99 ≤ 1"},
        "  the same, of the processor": {"p99": found["p99_cpu_ms"]},
        "  reading the knowledge base (s)": {"value": found["start_up_s"], "bar": "≤ 2"},
    }


def sealing() -> Rows:
    bars = {"digests and payload of 5 items": {"bar": "≤ 1"}}
    return {
        name: {"p50": one["p50_ms"], "p99": one["p99_ms"]} | bars.get(name, {})
        for name, one in signing.measure().items()
    }


def relaying() -> Rows:
    with infrastructure.running_kafka() as kafka, infrastructure.running_postgres() as postgres:
        found = asyncio.run(relay.measure(kafka, postgres))
    return {
        "relay, row by row (messages a second, baseline)": {"rate": found["row_by_row_per_second"]},
        "relay (messages a second)": {"rate": found["messages_per_second"], "bar": "≥ 5,000"},
        "  times the baseline": {"value": found["times"], "bar": "≥ 10"},
    }


def looking_up() -> Rows:
    with infrastructure.running_postgres() as postgres:
        return asyncio.run(searching.measured_on(postgres))


def working() -> Rows:
    with tempfile.TemporaryDirectory() as home:
        # PostgreSQL runs as another user when we are root.
        Path(home).chmod(0o755)
        platform = Platform(Path(home))
        try:
            platform.start()
            return asyncio.run(whole.measure(platform))
        finally:
            platform.stop()


def main() -> int:
    began = time.monotonic()
    rows: Rows = {}
    for part in (checking, sealing, relaying, looking_up, working):
        print(f"bench: {part.__name__}", flush=True)
        rows |= part()
    print(table(rows))
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps({"machine": whole.machine(), "rows": rows}, indent=2) + "\n")
    print(f"\nin {time.monotonic() - began:.0f} s, kept as {OUTPUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The numbers of DESIGN 6 beside their baselines: a table here, and JSON in `.run/bench.json`."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from dev.platform import Platform
from tests import infrastructure
from tests.benchmarks import platform as whole
from tests.benchmarks import relay, safety_check, signing

OUTPUT: Final = Path(".run") / "bench.json"
COLUMNS: Final = ("p50", "p99", "rate", "value", "failed", "bar")


def show(rows: dict[str, dict[str, Any]]) -> None:
    print(f"\n{'ms, or as said':<52}" + "".join(f"{name:>12}" for name in COLUMNS))
    for name, row in rows.items():
        cells = (str(row.get(column, "")) for column in COLUMNS)
        print(f"{name:<52}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


async def _pure(module: Any, *parts: Any) -> dict[str, dict[str, Any]]:
    found = module.measure(*parts)
    return dict(await found if inspect.isawaitable(found) else found)


def main() -> int:
    rows: dict[str, dict[str, Any]] = {}
    rows |= asyncio.run(_pure(safety_check)) | asyncio.run(_pure(signing))
    with infrastructure.running_kafka() as kafka, infrastructure.running_postgres() as postgres:
        rows |= asyncio.run(_pure(relay, kafka, postgres))
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        platform = Platform(Path(home))
        try:
            platform.start()
            rows |= asyncio.run(whole.measure(platform))
        finally:
            platform.stop()
    show(rows)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps({"machine": whole.machine(), "rows": rows}, indent=2) + "\n")
    print(f"\nkept as {OUTPUT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

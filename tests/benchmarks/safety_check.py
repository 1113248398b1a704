"""How long a check of ten items takes, beside one that loops over the rules."""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from collections.abc import Callable
from itertools import combinations
from typing import Any

from contracts import drug_names
from services.safety_check.domain import Item, Knowledge, Order, Tables, check

ITEMS = 10
ORDERS = 400
ROUNDS = 5
NAIVE_ORDERS = 10
# One item in twenty is a misspelling: the dearest thing that can be asked of the names table.
MISSPELLED = 0.05


def measure() -> dict[str, Any]:
    """p50 and p99 of a check in milliseconds, start-up in seconds, and the same of the baseline."""
    start = time.perf_counter()
    tables = Tables.read()
    knowledge = Knowledge(tables)
    started = time.perf_counter() - start
    orders = _orders(tables)
    for order in orders[:50]:
        check(order, knowledge)
    gc.collect()
    gc.freeze()  # As the service does once it is ready: the tables are no garbage to look for.
    ours = [_milliseconds(check, order, knowledge) for _ in range(ROUNDS) for order in orders]
    gc.unfreeze()
    naive = [_milliseconds(_looping, order, tables) for order in orders[:NAIVE_ORDERS]]
    return {
        "name": "safety check of a 10-item prescription",
        "p50_ms": _share(ours, 0.50),
        "p99_ms": _share(ours, 0.99),
        "bar_p99_ms": 1.0,
        # Where other processes share the cores, only the processor's time says what a check costs.
        "p99_cpu_ms": _share(ours, 0.99, of="cpu"),
        "baseline": "the same rules in a loop, names compared one by one",
        "baseline_p50_ms": _share(naive, 0.50),
        "baseline_p99_ms": _share(naive, 0.99),
        "start_up_s": round(started, 3),
        "bar_start_up_s": 2.0,
        "memory_mib": _memory(),
        "rules": len(tables.facts) + len(tables.rules),
        "ingredients": len(tables.ingredients),
    }


def _orders(tables: Tables) -> list[Order]:
    chance = random.Random(20261124)
    written: list[Callable[[str], str]] = [
        str.upper,
        lambda name: f"{name} 500 mg comprimidos",
        lambda name: f"{name} sódico 10 mg/ml solución oral",
    ]

    def item(number: int) -> Item:
        ingredient = chance.choice(tables.ingredients)
        name = chance.choice((ingredient.name_en, ingredient.name_es, ingredient.name_pt))
        if chance.random() < MISSPELLED:
            name = name[:3] + "x" + name[4:]
        return Item(f"item-{number}", number, chance.choice(written)(name))

    return [Order("ES", tuple(item(n) for n in range(1, ITEMS + 1))) for _ in range(ORDERS)]


def _looping(order: Order, tables: Tables) -> int:
    """What one writes first: every name against every row, every pair against every rule."""
    codes: list[tuple[str, ...]] = []
    for item in order.items:
        wanted = drug_names.key((item.medication_name or "").lower().split(" ")[0])
        rows = (name.ingredient for name in tables.names if drug_names.key(name.name) == wanted)
        found = next(rows, None)
        codes.append(next((i.atc for i in tables.ingredients if i.id == found), ()))
    return sum(
        any(x.startswith(rule.a) and y.startswith(rule.b) for x in one for y in other)
        or any(x.startswith(rule.b) and y.startswith(rule.a) for x in one for y in other)
        for one, other in combinations(codes, 2)
        for rule in tables.facts
    )


def _memory() -> float:
    gc.collect()
    tracemalloc.start()
    held = Knowledge(Tables.read())
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return round(size / 2**20, 1) if held.version else 0.0


def _milliseconds(act: Callable[..., object], *arguments: object) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.thread_time()
    act(*arguments)
    return {
        "wall": (time.perf_counter() - wall) * 1_000,
        "cpu": (time.thread_time() - cpu) * 1_000,
    }


def _share(values: list[dict[str, float]], share: float, *, of: str = "wall") -> float:
    ordered = sorted(value[of] for value in values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)

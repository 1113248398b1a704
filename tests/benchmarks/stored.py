"""What a create costs beside many stored prescriptions, against the same beside few in the same run."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from dev.platform import Platform
from tests.benchmarks import processor, wire
from tests.benchmarks.creating import REST_SECONDS
from tests.benchmarks.orders import Orders

# `BENCH_STORED=1000000 make bench` for the bar itself; filling so many in takes minutes.
MANY: Final = int(os.environ.get("BENCH_STORED", "200000"))
ROWS_AT_ONCE: Final = 20_000
COUNT: Final = 1_500
RATE: Final = 60.0

Rows = dict[str, dict[str, Any]]

# In the order of time, as the services make them, and older than all that they have made.
_ID: Final = "uuidv7(make_interval(secs => n - 90000 - $2))"
_LONG_AGO: Final = "now() - make_interval(secs => 90000 + $2 - n)"
# A patient with ten prescriptions: what one patient has is not what grows.
_PATIENT: Final = "md5('patient' || n / 10)::uuid"


@dataclass(frozen=True)
class Table:
    """A table that is filled with copies of one row, but for these columns; so many for each prescription."""

    database: str
    name: str
    own: Mapping[str, str]
    each: float = 1.0


TABLES: Final = (
    Table(
        "gateway",
        "prescription_view",
        {
            "prescription_id": _ID,
            "patient_id": _PATIENT,
            "prescription_code": "'B' || n",
            "created_at": _LONG_AGO,
        },
    ),
    Table("gateway", "prescription_history", {"prescription_id": _ID}),
    Table(
        "gateway",
        "request",
        {"request_id": _ID, "idempotency_key": "NULL", "accepted_at": _LONG_AGO, "finished_at": _LONG_AGO},
    ),
    Table("gateway", "inbox", {"id": f"{_ID}::text", "received_at": _LONG_AGO}, each=2),
    Table("prescription", "patient", {"id": "md5('patient' || n)::uuid"}, each=0.1),
    Table("prescription", "prescription", {"id": _ID, "patient_id": _PATIENT, "code": "'B' || n"}),
    Table("prescription", "history", {"prescription_id": _ID}),
    Table("prescription", "work", {"key": f"{_ID}::text", "due_at": "now() + interval '20 days'"}),
    Table("prescription", "inbox", {"id": f"{_ID}::text", "received_at": _LONG_AGO}, each=3),
    Table("safety_check", "check_result", {"prescription_id": _ID}),
    Table("safety_check", "inbox", {"id": f"{_ID}::text", "received_at": _LONG_AGO}),
    Table("signing", "seal", {"prescription_id": _ID}),
    Table("signing", "inbox", {"id": f"{_ID}::text", "received_at": _LONG_AGO}),
)


async def cost(platform: Platform, orders: Orders) -> tuple[wire.Measured, float]:
    """Latencies at a steady rate, and the processor's milliseconds of one create."""
    before = processor.spent(platform)
    run = await wire.at_rate(platform.url, orders.make(COUNT), RATE, expect=201, connections=200)
    await asyncio.sleep(REST_SECONDS)
    spent = processor.per_piece(before, processor.spent(platform), COUNT)
    return run, sum(spent.values())


async def fill(platform: Platform, count: int = MANY) -> float:
    """Store so many more in every service; gives the seconds that took."""
    began = time.monotonic()
    for database in dict.fromkeys(table.database for table in TABLES):
        conn = await asyncpg.connect(platform.postgres.url(database))
        try:
            for table in TABLES:
                if table.database == database:
                    await _copy(conn, table, count)
            await conn.execute("VACUUM ANALYZE")
            # Else the pages that were filled in are written while something else is measured.
            await conn.execute("CHECKPOINT")
        finally:
            await conn.close()
    return time.monotonic() - began


async def _copy(conn: asyncpg.Connection[asyncpg.Record], table: Table, count: int) -> None:
    columns: str = await conn.fetchval(
        """
        SELECT string_agg(attname, ',')
          FROM pg_attribute
         WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = ''
        """,
        table.name,
    )
    names = columns.split(",")
    chosen = ", ".join(table.own.get(name, f"one.{name}") for name in names)
    await conn.execute(f"CREATE TEMP TABLE one AS SELECT * FROM {table.name} LIMIT 1")
    rows = int(count * table.each)
    for first in range(0, rows, ROWS_AT_ONCE):
        await conn.execute(
            f"""
            INSERT INTO {table.name} ({columns})
            SELECT {chosen}
              FROM generate_series($1::int, least($2::int, $1::int + {ROWS_AT_ONCE}) - 1) AS n
             CROSS JOIN one
                ON CONFLICT DO NOTHING
            """,
            first,
            rows,
        )
    await conn.execute("DROP TABLE one")


def rows(
    few: tuple[wire.Measured, float], many: tuple[wire.Measured, float], stored: tuple[int, int]
) -> Rows:
    (quick, little), (slow, much) = few, many
    return {
        f"create at {RATE:.0f}/s beside {stored[0]:,} stored (baseline)": quick.row()
        | {"value": round(little, 2)},
        f"create at {RATE:.0f}/s beside {stored[1]:,} stored": slow.row() | {"value": round(much, 2)},
        "  processor of one create, many to few": {"value": round(much / little, 2), "bar": "≤ 1.2"},
    }

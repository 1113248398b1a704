"""Lists and histories of the step-by-step dialect, on a real Postgres, fed as prescription announces."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.prescription_events import PrescriptionChanged
from contracts.values import DispensationStatus, FieldChange, HistoryEntry, Prescription, Status
from services.gateway.store import history, ingredient_names, prescription_lists
from services.gateway.store.prescription_lists import Filter
from shared import clock
from tests import delphos
from tests.gateway import NAMED, NORTE, PRODUCTS, SUL, Serving, released, serving
from tests.infrastructure import Database

CONSULTATION = UUID("c0ffee00-0000-0000-0000-000000000001")
ACTIONS = ("created", "metadata_changed")


@pytest.fixture
async def on(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway")) as made:
        yield made
    clock.reset()


def numbered(on: Serving, number: int, **changes: Any) -> Prescription:
    """The prescription of this number, made so many minutes after the example's."""
    return delphos.draft(
        tenant_id=on.tenants[NORTE],
        prescription_id=UUID(int=number),
        created_at=delphos.AT + timedelta(minutes=number),
        **changes,
    )


def changed(one: Prescription, *entries: HistoryEntry) -> PrescriptionChanged:
    return PrescriptionChanged(
        tenant_id=one.tenant_id,
        prescription_id=one.prescription_id,
        change="changed",
        prescription=one,
        history=entries,
    )


def entry(revision: int, what: str = "metadata_changed", **changes: Any) -> HistoryEntry:
    made = HistoryEntry(
        revision=revision, at=delphos.AT, what=what, actor="rcp_live_Qm7xT2a", data={"version": revision}
    )
    return made.model_copy(update=changes)


async def numbers(on: Serving, limit: int = 20, offset: int = 0, **wanted: Any) -> tuple[list[int], int]:
    found, total = await prescription_lists.page(
        on.pool,
        tenant_id=on.tenants[NORTE],
        now=clock.now(),
        wanted=Filter(**wanted),
        limit=limit,
        offset=offset,
    )
    return [one.prescription_id.int for one in found], total


async def test_a_list_is_newest_first_and_counts_all_of_its_tenant(on: Serving) -> None:
    await on.deliver(*(changed(numbered(on, number)) for number in range(1, 8)))
    await on.deliver(changed(numbered(on, 99).model_copy(update={"tenant_id": on.tenants[SUL]})))

    assert await numbers(on, limit=3, offset=2) == ([5, 4, 3], 7)
    assert await numbers(on, offset=50) == ([], 7)


async def test_filters_are_combined(on: Serving) -> None:
    await on.deliver(
        changed(numbered(on, 1)),
        changed(numbered(on, 2, origin="imported")),
        changed(numbered(on, 3, origin="consultation", consultation_id=CONSULTATION)),
        changed(numbered(on, 4, status=Status.VALIDATED, consultation_id=CONSULTATION)),
    )

    assert await numbers(on, origin="imported") == ([2], 1)
    assert await numbers(on, consultation_id=CONSULTATION) == ([4, 3], 2)
    assert await numbers(on, consultation_id=CONSULTATION, status=Status.VALIDATED) == ([4], 1)
    assert await numbers(on, patient_id=delphos.PATIENT, status=Status.DRAFT) == ([3, 2, 1], 3)
    assert await numbers(on, doctor_id=UUID(int=1)) == ([], 0)


async def test_days_and_moments_are_inclusive(on: Serving) -> None:
    await on.deliver(*(changed(numbered(on, number)) for number in (1, 2, 3)))
    second = delphos.AT + timedelta(minutes=2)

    assert await numbers(on, created_from=second) == ([3, 2], 2)
    assert await numbers(on, created_to=second) == ([2, 1], 2)
    assert await numbers(on, created_before=second) == ([1], 1)


async def test_what_the_clock_has_expired_is_listed_as_expired_and_no_longer_as_submitted(
    on: Serving,
) -> None:
    soon = clock.now() + timedelta(minutes=5)
    held = delphos.dispensation(
        status=DispensationStatus.STARTED, completed_at=None, expires_at=soon + timedelta(hours=1)
    )
    await on.deliver(
        changed(numbered(on, 1, status=Status.SUBMITTED, valid_until=soon)),
        changed(numbered(on, 2, status=Status.SUBMITTED, valid_until=soon + timedelta(days=1))),
        changed(numbered(on, 3, status=Status.EXPIRED, valid_until=soon - timedelta(days=1))),
        # While a pharmacy holds it, expiry waits.
        changed(
            numbered(
                on,
                4,
                status=Status.SUBMITTED,
                valid_until=soon,
                prescription_code="RX-2026-0000000000000004",
                dispensations=(held,),
            )
        ),
    )
    before = await numbers(on, status=Status.SUBMITTED), await numbers(on, status=Status.EXPIRED)

    clock.shift(timedelta(minutes=6))
    after = await numbers(on, status=Status.SUBMITTED), await numbers(on, status=Status.EXPIRED)

    assert before == (([4, 2, 1], 3), ([3], 1))
    assert after == (([4, 2], 2), ([3, 1], 2))


MANY = 20_000
RARE = UUID("c0ffee00-0000-0000-0000-000000000002")


async def fill(on: Serving) -> None:
    """Many copies of one row, wide as a sealed state: of all statuses, of few doctors, of rare origins."""
    await on.deliver(changed(numbered(on, 1)))
    any_status = ", ".join(f"'{one.value}'" for one in Status)
    own = {
        "prescription_id": "md5('p' || n)::uuid",
        "doctor_id": f"CASE WHEN n % 500 = 0 THEN '{RARE}' ELSE one.doctor_id END",
        "created_at": "one.created_at + make_interval(secs => n)",
        "valid_until": "now() + make_interval(secs => CASE WHEN n % 700 = 0 THEN -1 ELSE 86400 END)",
        "status": f"CASE WHEN n % 20 < 9 THEN 'submitted' ELSE (ARRAY[{any_status}])[1 + n % 8] END",
        "origin": "CASE n % 7000 WHEN 1 THEN 'imported' WHEN 2 THEN 'consultation' ELSE 'manual' END",
        "state": "decode(repeat(md5(n::text), 90), 'hex')",
    }
    async with on.owner.acquire() as conn:
        columns = await conn.fetchval(
            """
            SELECT string_agg(attname, ',')
              FROM pg_attribute
             WHERE attrelid = 'prescription_view'::regclass AND attnum > 0 AND NOT attisdropped
            """
        )
        values = ", ".join(own.get(name, f"one.{name}") for name in columns.split(","))
        await conn.execute(
            f"""
            INSERT INTO prescription_view ({columns})
            SELECT {values}
              FROM generate_series(1, {MANY}) AS n
             CROSS JOIN (SELECT * FROM prescription_view LIMIT 1) AS one
            """
        )
        await conn.execute("VACUUM ANALYZE prescription_view")


async def blocks_read(on: Serving, **wanted: Any) -> int:
    """Of indexes and tables, by the list of what is wanted."""
    sql, values = prescription_lists.statement(Filter(**wanted), clock.now())
    async with on.pool.acquire() as conn:
        told = await conn.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", str(on.tenants[NORTE]), 20, 0, *values
        )
    plan = json.loads(told)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def test_no_filter_of_a_long_list_reads_the_rows_that_it_does_not_show(on: Serving) -> None:
    await fill(on)
    async with on.owner.acquire() as conn:
        table = await conn.fetchval("SELECT pg_relation_size('prescription_view') / 8192")
    days = {"created_from": delphos.AT, "created_to": delphos.AT + timedelta(days=1)}

    read = {
        (status, origin, doctor, bool(dates)): await blocks_read(
            on, status=status, origin=origin, doctor_id=doctor, **dates
        )
        for status in (None, *Status)
        for origin in (None, "manual", "imported")
        for doctor in (None, delphos.draft().doctor.doctor_id, RARE)
        for dates in ({}, days)
    }

    assert {asked: blocks for asked, blocks in read.items() if blocks > table / 4} == {}


async def told(on: Serving, number: int = 1, **asked: int) -> history.Page:
    found = await history.page(
        on.pool,
        tenant_id=on.tenants[NORTE],
        prescription_id=UUID(int=number),
        actions=ACTIONS,
        **({"limit": 20, "offset": 0} | asked),
    )
    assert found is not None
    return found


async def test_history_is_kept_oldest_first_and_told_once_however_often_it_comes(on: Serving) -> None:
    state = numbered(on, 1, revision=3)
    entries = entry(1, "created"), entry(2), entry(3, changes=(FieldChange(field="notes", new="x"),))
    await on.deliver(changed(state, *entries[:2]))
    await on.deliver(changed(state, *entries))

    page = await told(on)

    assert page == history.Page(entries, 3, True)
    assert (await told(on, limit=1, offset=1)).entries == entries[1:2]


async def test_history_once_told_is_never_edited(on: Serving) -> None:
    state = numbered(on, 1)
    await on.deliver(changed(state, entry(1, "created")))
    await on.deliver(changed(state, entry(1, "created", actor="somebody else")))

    assert (await told(on)).entries == (entry(1, "created"),)


async def test_what_is_still_on_its_way_is_known_to_be(on: Serving) -> None:
    await on.deliver(changed(numbered(on, 1, revision=2), entry(1, "created")))

    assert (await told(on)).complete is False
    await on.deliver(changed(numbered(on, 1, revision=2), entry(2, "check_requested")))
    assert await told(on) == history.Page((entry(1, "created"),), 1, True)


async def test_another_tenant_finds_neither_prescription_nor_history(on: Serving) -> None:
    await on.deliver(changed(numbered(on, 1), entry(1, "created")))

    found = await history.page(
        on.pool,
        tenant_id=on.tenants[SUL],
        prescription_id=UUID(int=1),
        actions=ACTIONS,
        limit=20,
        offset=0,
    )

    assert found is None


async def test_ingredients_are_named_as_the_present_release_shows_them(on: Serving) -> None:
    names = ingredient_names.IngredientNames()
    assert await names.read_from(on.pool) == {}

    await on.deliver(*PRODUCTS, *NAMED, released())

    shown = await names.read_from(on.pool)
    assert shown == {one.ingredient: one.display_name for one in NAMED}

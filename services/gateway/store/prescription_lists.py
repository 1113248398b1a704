"""The prescription list of the step-by-step dialect: pages and totals from an index alone (5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.values import Prescription, Status
from services.gateway.store import views
from services.gateway.store.reading import TENANT, reading
from shared.database import Pool

# Over by the clock, though its event has not come yet (ruling 3.10): seen at once as what it will be. These
# are few and have an index of their own; by their ids, without a look at its row, each other is told apart.
_DUE: Final = f""",
            due AS MATERIALIZED (
                SELECT view.*
                  FROM present
                 CROSS JOIN LATERAL (
                       SELECT tenant_id, prescription_id, created_at, origin, consultation_id, patient_id,
                              doctor_id
                         FROM prescription_view
                        WHERE tenant_id = present.id
                          AND status = 'submitted'
                          AND {views.OVER}) AS view)"""


@dataclass(frozen=True)
class Filter:
    """What a list shows; `created_before` is past its end, `created_to` is its end."""

    status: Status | None = None
    origin: str | None = None
    consultation_id: UUID | None = None
    patient_id: UUID | None = None
    doctor_id: UUID | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True)
class _Asked:
    """A filter as SQL: the sources that a page is made of, and the `due` that they speak of, if they do."""

    condition: str
    sources: tuple[str, ...]
    due: str
    values: tuple[object, ...]


async def page(
    pool: Pool, *, tenant_id: UUID, now: datetime, wanted: Filter, limit: int, offset: int
) -> tuple[list[Prescription], int]:
    """One page, newest first, and how many in all. Ids come first, so that pages far back read no states."""
    sql, values = statement(wanted, now)
    async with reading(pool) as conn:
        rows = await conn.fetch(sql, str(tenant_id), limit, offset, *values)
    shown = [
        views.opened(row["state"], tenant_id, row["prescription_id"])
        for row in rows
        if row["state"] is not None
    ]
    return shown, rows[0]["total"]


def statement(wanted: Filter, now: datetime) -> tuple[str, tuple[object, ...]]:
    """What a list is read with, and its values after tenant, limit and offset."""
    asked = _asked(wanted, now, first=4)
    sql = f"""
            {TENANT}{asked.due},
            page AS (
                SELECT one.*
                  FROM present
                 CROSS JOIN LATERAL (
                       SELECT prescription_id, created_at
                         FROM ({_branches(asked)}) AS branch
                        ORDER BY created_at DESC, prescription_id DESC
                        LIMIT $2 OFFSET $3) AS one)
            SELECT counted.total, whole.prescription_id, whole.state
              FROM present
             CROSS JOIN LATERAL (SELECT {_total(asked)} AS total OFFSET 0) AS counted
              LEFT JOIN page ON true
              LEFT JOIN LATERAL (
                   SELECT prescription_id, state
                     FROM prescription_view
                    WHERE (tenant_id, prescription_id) = (present.id, page.prescription_id)
                   OFFSET 0) AS whole ON true
             ORDER BY page.created_at DESC, page.prescription_id DESC
            """
    return sql, asked.values


def _branches(asked: _Asked) -> str:
    """Each in the order of its index, and no longer than the page could need."""
    return " UNION ALL ".join(
        f"""(SELECT prescription_id, created_at
                FROM {source} {asked.condition}
               ORDER BY created_at DESC, prescription_id DESC
               LIMIT $2::bigint + $3::bigint)"""
        for source in asked.sources
    )


def _total(asked: _Asked) -> str:
    return " + ".join(f"(SELECT count(*) FROM {source} {asked.condition})" for source in asked.sources)


def _asked(wanted: Filter, now: datetime, *, first: int) -> _Asked:
    """Only what is asked for is in the statement, so that an index alone can count and order."""
    filters: list[tuple[str, object]] = [
        ("origin = {}::text", wanted.origin),
        ("consultation_id = {}::uuid", wanted.consultation_id),
        ("patient_id = {}::uuid", wanted.patient_id),
        ("doctor_id = {}::uuid", wanted.doctor_id),
        ("created_at >= {}::timestamptz", wanted.created_from),
        ("created_at <= {}::timestamptz", wanted.created_to),
        ("created_at < {}::timestamptz", wanted.created_before),
    ]
    texts, compared = views.compared(filters, first=first)
    condition, values = " ".join(f"AND {text}" for text in texts), tuple(compared)
    due = _DUE.format(now=f"${first + len(values)}::timestamptz")
    match wanted.status:
        case None:
            return _Asked(condition, (_of_status(None),), "", values)
        case Status.SUBMITTED:
            left = (
                f"{_of_status(Status.SUBMITTED)} AND prescription_id NOT IN (SELECT prescription_id FROM due)"
            )
            return _Asked(condition, (left,), due, (*values, now))
        case Status.EXPIRED:
            sources = _of_status(Status.EXPIRED), "due WHERE tenant_id = present.id"
            return _Asked(condition, sources, due, (*values, now))
        case status:
            return _Asked(condition, (_of_status(status),), "", values)


def _of_status(status: Status | None) -> str:
    """The words are those of the enumeration: nothing that a client wrote."""
    told = "" if status is None else f" AND status = '{status.value}'"
    return f"prescription_view WHERE tenant_id = present.id{told}"

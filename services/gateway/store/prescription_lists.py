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

# Over by the clock, though its event has not come yet (ruling 3.10): seen at once as what it will be.
_DUE: Final = f"(status = 'submitted' AND {views.OVER})"


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
    """A filter as SQL: `branches` are what a page is made of, `minus` those of them that do not count."""

    condition: str
    branches: tuple[str, ...]
    minus: str | None
    values: tuple[object, ...]


async def page(
    pool: Pool, *, tenant_id: UUID, now: datetime, wanted: Filter, limit: int, offset: int
) -> tuple[list[Prescription], int]:
    """One page, newest first, and how many in all. Ids come first, so that pages far back read no states."""
    asked = _asked(wanted, now, first=4)
    async with reading(pool) as conn:
        rows = await conn.fetch(
            f"""
            {TENANT},
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
            """,
            str(tenant_id),
            limit,
            offset,
            *asked.values,
        )
    shown = [
        views.opened(row["state"], tenant_id, row["prescription_id"])
        for row in rows
        if row["state"] is not None
    ]
    return shown, rows[0]["total"]


def _branches(asked: _Asked) -> str:
    """Each in the order of its index, and no longer than the page could need."""
    return " UNION ALL ".join(
        f"""(SELECT prescription_id, created_at
                FROM prescription_view
               WHERE tenant_id = present.id {asked.condition} {branch}
               ORDER BY created_at DESC, prescription_id DESC
               LIMIT $2::bigint + $3::bigint)"""
        for branch in asked.branches
    )


def _total(asked: _Asked) -> str:
    """What an index counts, less the few of it that the clock has taken away."""
    counted = [(" + ", branch) for branch in _plain(asked)]
    if asked.minus is not None:
        counted.append((" - ", asked.minus))
    return "".join(
        f"""{sign}(SELECT count(*)
                     FROM prescription_view
                    WHERE tenant_id = present.id {asked.condition} {branch})"""
        for sign, branch in counted
    )


def _plain(asked: _Asked) -> tuple[str, ...]:
    return ("AND status = 'submitted'",) if asked.minus is not None else asked.branches


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
            return _Asked(condition, ("",), None, values)
        case Status.SUBMITTED:
            return _Asked(
                condition,
                (f"AND status = 'submitted' AND NOT coalesce({due}, false)",),
                f"AND {due}",
                (*values, now),
            )
        case Status.EXPIRED:
            return _Asked(condition, ("AND status = 'expired'", f"AND {due}"), None, (*values, now))
        case status:
            # One of the words of the enumeration: nothing that a client wrote.
            return _Asked(condition, (f"AND status = '{status.value}'",), None, values)

"""What happened to each prescription: told by its owner entry by entry, kept as it was told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.values import HistoryEntry
from services.gateway.store import at_rest
from services.gateway.store.generations import SHOWN, Generation
from services.gateway.store.reading import TENANT, reading
from shared.database import Connection, Pool


@dataclass(frozen=True)
class Told:
    """One entry, and whose history it is of."""

    tenant_id: UUID
    prescription_id: UUID
    entry: HistoryEntry


@dataclass(frozen=True)
class Page:
    """Some entries, oldest first; `complete`: no entry of the state that reads show is still on its way."""

    entries: tuple[HistoryEntry, ...]
    total: int
    complete: bool


async def keep(conn: Connection, told: Sequence[Told], generation: Generation = SHOWN) -> None:
    """Add what is new; what was told before stays as it was."""
    if not told:
        return
    await conn.execute(
        f"""
        INSERT INTO {generation}.prescription_history (tenant_id, prescription_id, revision, action, entry)
        SELECT *
          FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::bytea[])
            ON CONFLICT DO NOTHING
        """,
        [one.tenant_id for one in told],
        [one.prescription_id for one in told],
        [one.entry.revision for one in told],
        [one.entry.what for one in told],
        [
            at_rest.HISTORY.seal(one.entry.to_json(), one.tenant_id, one.prescription_id, one.entry.revision)
            for one in told
        ],
    )


async def page(
    pool: Pool,
    *,
    tenant_id: UUID,
    prescription_id: UUID,
    actions: Collection[str],
    limit: int,
    offset: int,
) -> Page | None:
    """Entries about these actions; None for a prescription that this provider has not."""
    async with reading(pool) as conn:
        rows = await conn.fetch(
            f"""
            {TENANT}
            SELECT told.total, told.newest >= view.revision AS complete, one.revision, one.entry
              FROM present
             CROSS JOIN LATERAL (
                   SELECT revision
                     FROM prescription_view
                    WHERE (tenant_id, prescription_id) = (present.id, $2)
                   OFFSET 0) AS view
             CROSS JOIN LATERAL (
                   SELECT count(*) FILTER (WHERE action = ANY ($3::text[])) AS total,
                          coalesce(max(revision), 0) AS newest
                     FROM prescription_history
                    WHERE (tenant_id, prescription_id) = (present.id, $2)
                   OFFSET 0) AS told
              LEFT JOIN LATERAL (
                   SELECT revision, entry
                     FROM prescription_history
                    WHERE (tenant_id, prescription_id) = (present.id, $2)
                      AND action = ANY ($3::text[])
                    ORDER BY revision
                    LIMIT $4 OFFSET $5) AS one ON true
             ORDER BY one.revision
            """,
            str(tenant_id),
            prescription_id,
            list(actions),
            limit,
            offset,
        )
    if not rows:
        return None
    entries = [
        at_rest.HISTORY.open(row["entry"], tenant_id, prescription_id, row["revision"])
        for row in rows
        if row["entry"] is not None
    ]
    return Page(tuple(map(HistoryEntry.model_validate_json, entries)), rows[0]["total"], rows[0]["complete"])

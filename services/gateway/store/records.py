"""Views of consultations and templates; a row only ever moves to a higher version."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from contracts.values import Consultation, Template
from services.gateway.store import at_rest
from services.gateway.store.generations import SHOWN, Generation
from services.gateway.store.reading import TENANT, reading
from shared.database import Connection, Pool


async def keep_consultations(
    conn: Connection, consultations: Sequence[Consultation], generation: Generation = SHOWN
) -> None:
    """Show these states, unless a higher version is shown already."""
    if not consultations:
        return
    await conn.executemany(
        f"""
        INSERT INTO {generation}.consultation_view AS shown (tenant_id, consultation_id, version, state)
        VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT consultation_view_pkey DO UPDATE
           SET version = excluded.version, state = excluded.state
         WHERE shown.version < excluded.version
        """,
        [
            (
                one.tenant_id,
                one.consultation_id,
                one.version,
                at_rest.CONSULTATION.seal(one.to_json(), one.tenant_id, one.consultation_id),
            )
            for one in consultations
        ],
    )


async def keep_templates(
    conn: Connection, templates: Sequence[Template], generation: Generation = SHOWN
) -> None:
    """Show these states, unless a higher version is shown already; deleted ones are shown to nobody."""
    if not templates:
        return
    await conn.executemany(
        f"""
        INSERT INTO {generation}.template_view AS shown
               (tenant_id, template_id, version, name_folded, deleted, state)
        VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT ON CONSTRAINT template_view_pkey DO UPDATE
           SET version = excluded.version, name_folded = excluded.name_folded, deleted = excluded.deleted,
               state = excluded.state
         WHERE shown.version < excluded.version
        """,
        [
            (
                one.tenant_id,
                one.template_id,
                one.version,
                one.name.casefold(),
                one.deleted,
                one.model_dump_json(),
            )
            for one in templates
        ],
    )


async def find_consultation(pool: Pool, tenant_id: UUID, consultation_id: UUID) -> Consultation | None:
    async with reading(pool) as conn:
        state = await conn.fetchval(
            f"""
            {TENANT}
            SELECT view.state
              FROM present
             CROSS JOIN LATERAL (
                   SELECT state
                     FROM consultation_view
                    WHERE (tenant_id, consultation_id) = (present.id, $2)
                   OFFSET 0) AS view
            """,
            str(tenant_id),
            consultation_id,
        )
    if state is None:
        return None
    opened = at_rest.CONSULTATION.open(state, tenant_id, consultation_id)
    return Consultation.model_validate_json(opened)


async def find_template(pool: Pool, tenant_id: UUID, template_id: UUID) -> Template | None:
    """A template that has not been deleted."""
    async with reading(pool) as conn:
        state = await conn.fetchval(
            f"""
            {TENANT}
            SELECT view.state
              FROM present
             CROSS JOIN LATERAL (
                   SELECT state
                     FROM template_view
                    WHERE (tenant_id, template_id) = (present.id, $2)
                      AND NOT deleted
                   OFFSET 0) AS view
            """,
            str(tenant_id),
            template_id,
        )
    return None if state is None else Template.model_validate_json(state)


async def templates(pool: Pool, tenant_id: UUID, *, limit: int, offset: int) -> tuple[list[Template], int]:
    """One page by name without regard to case, and how many there are."""
    async with reading(pool) as conn:
        rows = await conn.fetch(
            f"""
            {TENANT}
            SELECT counted.total, page.state
              FROM present
             CROSS JOIN LATERAL (
                   SELECT count(*) AS total
                     FROM template_view
                    WHERE tenant_id = present.id
                      AND NOT deleted
                   OFFSET 0) AS counted
              LEFT JOIN LATERAL (
                   SELECT state, name_folded, template_id
                     FROM template_view
                    WHERE tenant_id = present.id
                      AND NOT deleted
                    ORDER BY name_folded COLLATE "C", template_id
                    LIMIT $2 OFFSET $3) AS page ON true
             ORDER BY page.name_folded COLLATE "C", page.template_id
            """,
            str(tenant_id),
            limit,
            offset,
        )
    return [Template.model_validate_json(row["state"]) for row in rows if row["state"]], rows[0]["total"]

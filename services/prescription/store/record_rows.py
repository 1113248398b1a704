"""Rows of consultations and templates: locked and read before a batch, written after it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from pydantic import TypeAdapter

from services.prescription.domain.consultation import Consultation
from services.prescription.domain.template import Template, folded
from services.prescription.store.beside import Place
from shared.database import Connection

_consultations: Final = TypeAdapter(Consultation)
_templates: Final = TypeAdapter(Template)


@dataclass
class Records:
    """Consultations and templates as they stand by now, and what of it is still to be written."""

    consultations: dict[Place, Consultation] = field(default_factory=dict)
    templates: dict[Place, Template] = field(default_factory=dict)
    changed_consultations: set[Place] = field(default_factory=set)
    changed_templates: set[Place] = field(default_factory=set)
    not_there: set[Place] = field(default_factory=set)
    """Consultations of which this transaction holds the place, so that nobody else makes them."""


@dataclass(frozen=True)
class Wanted:
    """What a batch needs of them; `new` consultations may be made, `names` of templates be taken by it."""

    consultations: Collection[Place] = ()
    new: Collection[Place] = ()
    templates: Collection[Place] = ()
    names: Collection[tuple[UUID, str]] = ()


async def lock(conn: Connection, wanted: Wanted) -> Records:
    """Lock names, templates, consultations, in this order, each class in one order for all."""
    records = Records()
    if wanted.names:
        await _lock_names(conn, sorted({(tenant_id, folded(name)) for tenant_id, name in wanted.names}))
    if wanted.templates:
        await _lock_templates(conn, records, sorted(set(wanted.templates)))
    if wanted.new:
        await _hold_places(conn, sorted(set(wanted.new)))
    if places := sorted({*wanted.consultations, *wanted.new}):
        await _lock_consultations(conn, records, places)
    return records


async def write(conn: Connection, records: Records) -> None:
    """Write what has changed, and give up the places that nobody took."""
    if records.changed_consultations:
        await _write_consultations(conn, records)
    if records.changed_templates:
        await _write_templates(conn, records)
    if records.not_there:
        await conn.executemany(
            "DELETE FROM consultation WHERE (tenant_id, id) = ($1, $2) AND version = 0",
            sorted(records.not_there),
        )
    for written in (records.changed_consultations, records.changed_templates, records.not_there):
        written.clear()


async def _write_consultations(conn: Connection, records: Records) -> None:
    await conn.executemany(
        """
        INSERT INTO consultation (tenant_id, id, version, state)
        VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT consultation_pkey DO UPDATE
           SET version = excluded.version, state = excluded.state
        """,
        [
            (one.tenant_id, one.id, one.version, _consultations.dump_json(one).decode())
            for place in sorted(records.changed_consultations)
            if (one := records.consultations[place])
        ],
    )


async def _write_templates(conn: Connection, records: Records) -> None:
    await conn.executemany(
        """
        INSERT INTO template (tenant_id, id, name, deleted, state)
        VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT ON CONSTRAINT template_pkey DO UPDATE
           SET deleted = excluded.deleted, state = excluded.state
        """,
        [
            (one.tenant_id, one.id, one.folded_name, one.deleted, _templates.dump_json(one).decode())
            for place in _freed_first(records)
            if (one := records.templates[place])
        ],
    )


async def name_taken(conn: Connection, records: Records, tenant_id: UUID, name: str) -> bool:
    """Whether a template of the tenant has this name already, or gets it in this transaction."""
    kept = (one for one in records.templates.values() if not one.deleted)
    if any((one.tenant_id, one.folded_name) == (tenant_id, folded(name)) for one in kept):
        return True
    gone = [id for (tenant, id), one in records.templates.items() if tenant == tenant_id and one.deleted]
    taken: bool = await conn.fetchval(
        """
        SELECT EXISTS (
               SELECT
                 FROM template
                WHERE (tenant_id, name) = ($1, $2)
                  AND NOT deleted
                  AND id <> ALL ($3))
        """,
        tenant_id,
        folded(name),
        gone,
    )
    return taken


def consultation(state: str) -> Consultation:
    return _consultations.validate_json(state)


def template(state: str) -> Template:
    return _templates.validate_json(state)


def _freed_first(records: Records) -> list[Place]:
    """A name that is deleted and taken again in one transaction is free in between."""
    return sorted(records.changed_templates, key=lambda place: (not records.templates[place].deleted, place))


async def _lock_names(conn: Connection, names: Sequence[tuple[UUID, str]]) -> None:
    """Of two that take one name at a time the second sees it taken."""
    await conn.execute(
        """
        SELECT pg_advisory_xact_lock(hashtextextended(tenant_id || name, 0))
          FROM unnest($1::text[], $2::text[]) AS asked (tenant_id, name)
         ORDER BY hashtextextended(tenant_id || name, 0)
        """,
        [str(tenant_id) for tenant_id, _ in names],
        [name for _, name in names],
    )


async def _lock_templates(conn: Connection, records: Records, places: Sequence[Place]) -> None:
    found = await conn.fetch(
        """
        SELECT held.*
          FROM unnest($1::uuid[], $2::uuid[]) AS w (tenant_id, id)
         CROSS JOIN LATERAL (
               SELECT tenant_id, id, state
                 FROM template
                WHERE (tenant_id, id) = (w.tenant_id, w.id)
                  FOR NO KEY UPDATE) AS held
        """,
        [tenant_id for tenant_id, _ in places],
        [id for _, id in places],
    )
    for row in found:
        records.templates[row["tenant_id"], row["id"]] = template(row["state"])


async def _hold_places(conn: Connection, places: Sequence[Place]) -> None:
    await conn.execute(
        """
        INSERT INTO consultation (tenant_id, id, version, state)
        SELECT tenant_id, id, 0, '{}'
          FROM unnest($1::uuid[], $2::uuid[]) AS w (tenant_id, id)
            ON CONFLICT ON CONSTRAINT consultation_pkey DO NOTHING
        """,
        [tenant_id for tenant_id, _ in places],
        [id for _, id in places],
    )


async def _lock_consultations(conn: Connection, records: Records, places: Sequence[Place]) -> None:
    found = await conn.fetch(
        """
        SELECT held.*
          FROM unnest($1::uuid[], $2::uuid[]) AS w (tenant_id, id)
         CROSS JOIN LATERAL (
               SELECT tenant_id, id, version, state
                 FROM consultation
                WHERE (tenant_id, id) = (w.tenant_id, w.id)
                  FOR NO KEY UPDATE) AS held
        """,
        [tenant_id for tenant_id, _ in places],
        [id for _, id in places],
    )
    for row in found:
        place = row["tenant_id"], row["id"]
        if row["version"] == 0:
            records.not_there.add(place)
        else:
            records.consultations[place] = consultation(row["state"])

"""Consultations and templates that a transaction has in hand."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from services.prescription.domain.consultation import Consultation
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.state_table import Status
from services.prescription.domain.template import Template
from services.prescription.store import record_rows
from services.prescription.store.beside import Place
from services.prescription.store.hand import of
from shared.database import Connection
from shared.errors import NotFound

# Of what was prescribed from one consultation; one alone is enough to refuse another.
MADE_FROM_MAX: Final = 100


def consultation(conn: Connection, tenant_id: UUID, consultation_id: UUID) -> Consultation | None:
    """A consultation that this transaction holds, as it stands by now."""
    return of(conn).records.consultations.get((tenant_id, consultation_id))


def save_consultation(conn: Connection, one: Consultation) -> None:
    records = of(conn).records
    place = one.tenant_id, one.id
    records.consultations[place] = one
    records.changed_consultations.add(place)
    records.not_there.discard(place)


def template(conn: Connection, tenant_id: UUID, template_id: UUID) -> Template:
    """A template that this transaction holds. Raises NotFound; nobody sees a deleted one."""
    found = of(conn).records.templates.get((tenant_id, template_id))
    if found is None or found.deleted:
        raise NotFound(f"template {template_id} does not exist", code="resource_not_found")
    return found


def save_template(conn: Connection, one: Template) -> None:
    records = of(conn).records
    place = one.tenant_id, one.id
    records.templates[place] = one
    records.changed_templates.add(place)


async def name_taken(conn: Connection, tenant_id: UUID, name: str) -> bool:
    """Whether a template of the tenant has this name, whatever its case."""
    return await record_rows.name_taken(conn, of(conn).records, tenant_id, name)


async def consultations_to_name(conn: Connection, prescriptions: Sequence[Place]) -> list[Place]:
    """The consultations of those prescriptions that are hidden: they never change, so nothing is locked."""
    found = await conn.fetch(
        """
        SELECT tenant_id, consultation_id
          FROM unnest($1::uuid[], $2::uuid[]) AS w (tenant_id, id)
          JOIN prescription USING (tenant_id, id)
         WHERE hidden
           AND consultation_id IS NOT NULL
        """,
        [tenant_id for tenant_id, _ in prescriptions],
        [id for _, id in prescriptions],
    )
    return [(row["tenant_id"], row["consultation_id"]) for row in found]


async def places_made_from(conn: Connection, consultations: Sequence[Place]) -> list[Place]:
    """What was prescribed from consultations in hand and is not cancelled, so that it can be locked."""
    found = await conn.fetch(
        """
        SELECT made.*
          FROM unnest($1::uuid[], $2::uuid[]) AS w (tenant_id, consultation_id)
         CROSS JOIN LATERAL (
               SELECT tenant_id, id
                 FROM prescription
                WHERE (tenant_id, consultation_id) = (w.tenant_id, w.consultation_id)
                  AND status <> 'cancelled'
                LIMIT $3) AS made
        """,
        [tenant_id for tenant_id, _ in consultations],
        [id for _, id in consultations],
        MADE_FROM_MAX,
    )
    return [(row["tenant_id"], row["id"]) for row in found]


def made_from(conn: Connection, tenant_id: UUID, consultation_id: UUID) -> list[Prescription]:
    """What was prescribed from a consultation in hand and is not cancelled; what is hidden comes last."""
    known = of(conn).prescriptions.values()
    return sorted(
        (
            one
            for one in known
            if (one.tenant_id, one.consultation_id) == (tenant_id, consultation_id)
            and one.status is not Status.CANCELLED
        ),
        key=lambda one: (one.hidden, one.created_at, one.id),
    )

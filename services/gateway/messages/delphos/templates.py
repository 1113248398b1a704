"""Templates in this dialect (delphos-dialect 4.7)."""

from __future__ import annotations

from uuid import UUID

from contracts import values
from services.gateway.messages.delphos.words import Moment, Shown


class TemplateItem(Shown):
    """A line that may be prescribed to any patient."""

    position: int
    medication_name: str
    active_ingredient: str | None
    dosage: str | None
    route: str | None
    frequency: str | None
    duration: str | None
    quantity: int | None
    unit: str | None
    instructions: str | None
    cmed_medication_id: UUID | None


class Template(Shown):
    """A set of medicines to prescribe again."""

    id: UUID
    version: int
    name: str
    description: str | None
    prescription_type: str
    source_prescription_id: UUID
    items: list[TemplateItem]
    created_at: Moment


def render(one: values.Template) -> Template:
    return Template(
        id=one.template_id,
        version=one.version,
        name=one.name,
        description=one.description,
        prescription_type=one.prescription_type,
        source_prescription_id=one.source_prescription_id,
        items=[TemplateItem.model_validate(dict(item)) for item in one.items],
        created_at=one.created_at,
    )


class TemplateList(Shown):
    """One page of templates, by name."""

    templates: list[Template]
    total: int
    limit: int
    offset: int

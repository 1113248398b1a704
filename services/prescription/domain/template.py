"""Sets of medicines to prescribe again: what may be said of any patient, under a name."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from services.prescription.domain import editing
from services.prescription.domain.items import Item, Wording, worded
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Refused, read_as


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateItem(Wording):
    """One line; what may speak of the patient (clinical notes, a consultation's words) is not in it."""

    position: int
    cmed_medication_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A set of lines under a name; a deleted one is shown to nobody, and its name is free."""

    tenant_id: UUID
    id: UUID
    version: int = 1
    name: str
    description: str | None = None
    prescription_type: str = "standard"
    source_prescription_id: UUID
    items: tuple[TemplateItem, ...]
    created_at: datetime
    deleted: bool = False

    @property
    def folded_name(self) -> str:
        return folded(self.name)

    def delete(self, *, expected_version: int | None) -> Self:
        """The template as nobody sees it any more."""
        read_as(self.version, expected_version)
        return replace(self, version=self.version + 1, deleted=True)

    def lines(self, prescription_id: UUID) -> tuple[Item, ...]:
        """Its lines as items of a prescription; a repeated request makes the same ones."""
        return tuple(
            replace(worded(one, prescription_id, place), cmed_medication_id=one.cmed_medication_id)
            for place, one in enumerate(self.items, start=1)
        )


def folded(name: str) -> str:
    """The name without regard to case."""
    return name.casefold()


def save(
    prescription: Prescription,
    *,
    id: UUID,
    name: str,
    description: str | None,
    name_taken: bool,
    at: datetime,
) -> Template:
    """Keep its items under a name that no other template of the tenant has."""
    editing.ready_as_template(prescription)
    if name_taken:
        raise Refused("template_name_taken", "There is a template with this name.")
    return Template(
        tenant_id=prescription.tenant_id,
        id=id,
        name=name,
        description=description,
        prescription_type=prescription.prescription_type,
        source_prescription_id=prescription.id,
        items=tuple(_line(one, place) for place, one in enumerate(prescription.items, start=1)),
        created_at=at,
    )


def _line(item: Item, place: int) -> TemplateItem:
    """The line as the step-by-step dialect reads it, whichever dialect it was written in.

    A number of days is written so that it reads as one in every language.
    """
    product, days = item.product, item.duration_days
    return TemplateItem(
        position=place,
        medication_name=item.medication_name,
        active_ingredient=item.active_ingredient,
        dosage=item.dosage or (product.strength if product else None),
        route=item.route or (product.route if product else None),
        frequency=item.frequency or item.posology,
        duration=item.duration or (f"{days} d" if days else None),
        quantity=item.quantity,
        unit=item.unit,
        instructions=item.instructions or (item.posology if item.frequency else None),
        cmed_medication_id=item.cmed_medication_id,
    )

"""Items in this dialect, of prescriptions that either dialect made (delphos-dialect 4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from contracts.values import Item, Prescription
from services.gateway.messages.delphos.reader import Reader, shown
from services.gateway.messages.delphos.words import Moment, Shown

REQUIRED: Final = ("dosage", "route", "frequency")
_DAYS: Final = {"pt": "dias", "es": "días", "en": "days"}


class PrescriptionItem(Shown):
    """One line of a prescription."""

    id: UUID
    prescription_id: UUID
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
    clinical_notes: str | None
    cmed_medication_id: UUID | None
    match_status: str
    match_score: float | None
    ingredients: list[str]
    missing_fields: list[str]
    source_text: str | None
    suggestions: list[str]
    dispensed_quantity: int
    created_at: Moment
    updated_at: Moment


def render(one: Prescription, item: Item, reader: Reader) -> PrescriptionItem:
    """An item as it stands, with no member left out."""
    return PrescriptionItem(
        id=item.item_id,
        prescription_id=one.prescription_id,
        **ordered(item, reader),
        dispensed_quantity=item.dispensed_quantity,
        created_at=item.created_at or one.created_at,
        updated_at=item.updated_at or item.created_at or one.created_at,
    )


def ordered(item: Item, reader: Reader) -> Mapping[str, Any]:
    """What was ordered, by the names of the members; the rest is said of it by others or by the clock."""
    taken = _taken(item, reader)
    return {
        "position": item.position,
        "medication_name": item.medication_name,
        "active_ingredient": item.active_ingredient,
        **taken,
        "quantity": item.quantity,
        "unit": item.unit,
        "instructions": item.instructions,
        "clinical_notes": item.clinical_notes,
        "cmed_medication_id": item.cmed_medication_id,
        "match_status": item.match_status,
        "match_score": item.match_score if item.match_status == "probable" else None,
        "ingredients": [reader.name(ingredient) for ingredient in item.ingredients],
        "missing_fields": [name for name in REQUIRED if taken[name] is None],
        "source_text": item.source_text,
        "suggestions": list(item.suggestions),
    }


def wording(item: Item, reader: Reader) -> str:
    """What its prescriber calls a drug: the ingredient as written, else as linked, else the name (4.3)."""
    return shown(item.active_ingredient or _linked(item, reader) or item.medication_name)


def analyzed(items: Iterable[Item], reader: Reader) -> list[str]:
    """What of these items a check could speak of, in their words, without repeats (7.1)."""
    found: dict[str, None] = {}
    for item in items:
        if item.match_status == "unmatched" or not item.ingredients:
            continue
        several = len(item.ingredients) > 1
        words = map(reader.name, item.ingredients) if several else (wording(item, reader),)
        found |= dict.fromkeys(words)
    return list(found)


def _linked(item: Item, reader: Reader) -> str | None:
    """The one substance of the product that the item is linked to."""
    on_file = item.product.active_ingredients if item.product else ()
    if len(on_file) != 1:
        return None
    (one,) = on_file
    return reader.name(one.ingredient) if one.ingredient else one.name


def _taken(item: Item, reader: Reader) -> Mapping[str, str | None]:
    """How it is taken; the other dialect wrote one sentence, and the catalogue knows the rest (5.2)."""
    if item.posology is None:
        return {
            "dosage": item.dosage,
            "route": item.route,
            "frequency": item.frequency,
            "duration": item.duration,
        }
    product, days = item.product, item.duration_days
    return {
        "dosage": item.dosage or (product.strength if product else None),
        "route": item.route or (product.route if product else None),
        "frequency": item.posology,
        "duration": item.duration or (f"{days} {_DAYS[reader.language]}" if days else None),
    }

"""One line of a prescription, as it was prescribed, in the words of either dialect."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveIngredient:
    """One ingredient of a product: `ingredient` is the row of the knowledge base, None when it knows none."""

    name: str
    ingredient: str | None = None
    atc_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A catalogue product as it was when it was prescribed, or handed over instead."""

    product_code: str
    product_name: str
    names: Mapping[str, str] = field(default_factory=dict)
    product_type: str = "MEDICATION"
    active_ingredients: tuple[ActiveIngredient, ...] = ()
    strength: str | None = None
    presentation: str | None = None
    dosage_unit: str | None = None
    route: str | None = None
    pack_format: str | None = None
    national_code: str | None = None
    controlled_schedule: str | None = None

    @property
    def linked_ingredients(self) -> tuple[str, ...]:
        """The rows of the knowledge base that a link to this product stands for."""
        return tuple(one.ingredient for one in self.active_ingredients if one.ingredient)

    @property
    def ingredients(self) -> frozenset[str]:
        """By row of the knowledge base, else by name; empty when nothing is known."""
        return frozenset(one.ingredient or one.name.casefold() for one in self.active_ingredients)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What one line asks for. `quantity` None: it can be dispensed once, in whatever quantity that is.

    `cmed_medication_id` is the catalogue's id of the product that a client named, by it or by its code;
    `product` is None all the same where the catalogue does not know it. `suggestions` are ingredients
    that the name may have meant, `source_text` the words of the consultation that it came from,
    `changed_in` the content version in which something that the safety check looks at last changed.
    """

    id: UUID
    position: int
    medication_name: str
    product: Product | None = None
    cmed_medication_id: UUID | None = None
    active_ingredient: str | None = None
    ingredients: tuple[str, ...] = ()
    match_status: str = "unmatched"
    match_score: float | None = None
    suggestions: tuple[str, ...] = ()
    quantity: int | None = None
    unit: str | None = None
    dosage: str | None = None
    route: str | None = None
    frequency: str | None = None
    duration: str | None = None
    duration_days: int | None = None
    posology: str | None = None
    dose_amount: str | None = None
    dose_unit: str | None = None
    instructions: str | None = None
    clinical_notes: str | None = None
    substitution_allowed: bool = True
    source_text: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    changed_in: int = 0

    @property
    def product_code(self) -> str | None:
        return self.product.product_code if self.product else None

    @property
    def missing_fields(self) -> tuple[str, ...]:
        """What a reviewer needs and an automatic draft may lack; a posology says it all in one sentence."""
        if self.posology is not None:
            return ()
        return tuple(name for name in ("dosage", "route", "frequency") if getattr(self, name) is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What is said of a medicine wherever it is spoken of: in a consultation, in a template."""

    medication_name: str
    active_ingredient: str | None = None
    dosage: str | None = None
    route: str | None = None
    frequency: str | None = None
    duration: str | None = None
    quantity: int | None = None
    unit: str | None = None
    instructions: str | None = None


def worded(said: Wording, prescription_id: UUID, place: int) -> Item:
    """What was said as an item of a prescription; a repeated request makes the same one."""
    return Item(
        id=uuid5(prescription_id, f"item {place}"),
        position=place,
        medication_name=said.medication_name,
        active_ingredient=said.active_ingredient,
        dosage=said.dosage,
        route=said.route,
        frequency=said.frequency,
        duration=said.duration,
        duration_days=days_of(said.duration),
        quantity=said.quantity,
        unit=said.unit,
        instructions=said.instructions,
    )


# A change of one of these may change what the safety check finds.
SAFETY_RELEVANT: Final = frozenset(
    {"medication_name", "active_ingredient", "cmed_medication_id", "product", "ingredients", "match_status"}
    | {"dosage", "route", "frequency"}
    | {"duration", "duration_days", "quantity", "unit", "posology", "dose_amount", "dose_unit"}
)


_KEPT_ABOUT_IT: Final = frozenset({"id", "position", "created_at", "updated_at", "changed_in"})


def changed_fields(before: Item, after: Item) -> tuple[str, ...]:
    """The names of the fields in which two versions of a line say something else."""
    return tuple(
        one.name
        for one in fields(Item)
        if one.name not in _KEPT_ABOUT_IT and getattr(before, one.name) != getattr(after, one.name)
    )


# What free text says of a duration, in the languages of the clinics: `7 dias`, `2 semanas`, `1 mes`, `10 d`.
_DURATION: Final = re.compile(
    r"\s*(?:por |durante |for )?\s*(\d{1,4})\s*"
    r"(d[ií]as?|days?|d|semanas?|weeks?|sem|m[eê]s|mes(?:es)?|months?)\.?\s*",
    re.IGNORECASE,
)


def days_of(duration: str | None) -> int | None:
    """The days that a duration names, where it reads as a number of days, weeks or months (rulings 3.7)."""
    found = _DURATION.fullmatch(duration or "")
    if found is None:
        return None
    unit = found[2].lower()
    days = 1 if unit.startswith("d") else 7 if unit.startswith(("s", "w")) else 30
    return int(found[1]) * days or None

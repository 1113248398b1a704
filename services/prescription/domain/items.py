"""One line of a prescription, as it was prescribed, in the words of either dialect."""

from dataclasses import dataclass, fields
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What one line asks for. `quantity` None: it can be dispensed once, in whatever quantity is handed over."""

    id: UUID
    position: int
    medication_name: str
    product_code: str | None = None
    active_ingredient: str | None = None
    ingredients: tuple[str, ...] = ()
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
    brand_reason: str | None = None
    brand_justification: str | None = None
    substitution_allowed: bool = True
    cmed_medication_id: UUID | None = None
    controlled_schedule: str | None = None

    @property
    def missing_fields(self) -> tuple[str, ...]:
        """What a reviewer needs and an automatic draft may lack; a posology says it all in one sentence."""
        if self.posology is not None:
            return ()
        return tuple(name for name in ("dosage", "route", "frequency") if getattr(self, name) is None)


# A change of one of these may change what the safety check finds.
SAFETY_RELEVANT: Final = frozenset(
    {"medication_name", "active_ingredient", "cmed_medication_id", "product_code", "ingredients"}
    | {"dosage", "route", "frequency", "duration", "duration_days", "quantity", "unit"}
    | {"posology", "dose_amount", "dose_unit"}
)


def changed_fields(before: Item, after: Item) -> tuple[str, ...]:
    """The names of the fields in which two versions of a line differ."""
    return tuple(f.name for f in fields(Item) if getattr(before, f.name) != getattr(after, f.name))

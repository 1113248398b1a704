"""What is prescribed: products and the lines that order them."""

from __future__ import annotations

from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Value
from contracts.values.words import Text


class ActiveIngredient(Value):
    """One ingredient of a product: `ingredient` is the row of the knowledge base, null when it knows none."""

    ingredient: str | None = None
    name: Text
    atc_code: str | None = None


class Product(Value):
    """A catalogue product as it was when the command was asked; names by language (`en`, `es`, `pt`)."""

    product_code: str
    product_name: Text
    names: dict[str, str] = Field(default_factory=dict)
    product_type: str = "MEDICATION"
    active_ingredients: tuple[ActiveIngredient, ...] = ()
    strength: str | None = None
    presentation: str | None = None
    dosage_unit: str | None = None
    route: str | None = None
    pack_format: str | None = None
    national_code: str | None = None
    controlled_schedule: str | None = None


class Diagnosis(Value):
    """A diagnosis in ICD-10."""

    diagnosis_code: str
    coding_system: str = "ICD-10"
    description: Text | None = None
    type: str | None = None


class ItemOrder(Value):
    """One item as asked for; `item_id` is the gateway's, so that a repeated command means the same."""

    item_id: UUID
    product: Product | None = None
    cmed_medication_id: UUID | None = None
    """The catalogue's `medication_id` of the product that a client named, by it or by its code."""
    medication_name: Text
    active_ingredient: Text | None = None
    quantity: int | None = Field(default=None, ge=1)
    unit: Text | None = None
    posology: Text | None = None
    dosage: Text | None = None
    route: Text | None = None
    frequency: Text | None = None
    duration: Text | None = None
    duration_days: int | None = None
    dose_amount: str | None = None
    dose_unit: Text | None = None
    instructions: Text | None = None
    clinical_notes: Text | None = None
    substitution_allowed: bool = True
    ingredients: tuple[str, ...] = ()
    """Rows of the knowledge base, in a request for a seal their names; empty where nothing is known of it."""

    @property
    def instruction(self) -> str | None:
        """How it is taken in one sentence: as it was sent, or its parts joined (osigu-dialect 5.8)."""
        parts = (self.dosage, self.route, self.frequency, self.duration, self.instructions)
        return self.posology or ", ".join(part for part in parts if part) or None


class Item(ItemOrder):
    """One item as it stands: resolved, and with what has been dispensed of it."""

    position: int = Field(ge=1)
    match_status: str = "unmatched"
    match_score: float | None = None
    dispensed_quantity: int = Field(default=0, ge=0)
    remaining_quantity: int | None = None
    substituted: bool = False
    suggestions: tuple[str, ...] = ()
    """What an unmatched name may have meant."""
    source_text: Text | None = None
    """The words of the consultation that it came from."""
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None

"""What pharmacies do with a prescription."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Value
from contracts.values.items import Product
from contracts.values.people import Pharmacy
from contracts.values.words import Amount, Text


class DispensationLine(Value):
    """What one dispensation takes of one item; `quantity` counts units of the prescribed product."""

    item_id: UUID
    product_code: str | None = None
    quantity: int | None = Field(default=None, ge=1)
    price: Amount | None = None
    taxes: Amount | None = None
    substitute: Product | None = None
    substitute_quantity: int | None = None
    substitution_reason_enum: str | None = None
    substitution_reason: Text | None = None
    substitution_other_description: Text | None = None
    remaining_quantity: int | None = None


class Verification(Value):
    """What a pharmacy showed at `path` of its request, so that the beneficiary counts as verified.

    The gateway has looked: without `verification_id` it is none, with it it counts once.
    """

    path: Annotated[str, Field(max_length=64)]
    verification_id: UUID | None = None
    verified_at: AwareDatetime | None = None


class Receipt(Value):
    """What the pharmacy says at completion: the invoice and its total, taxes included."""

    amount: Amount
    document_number: Text
    document_date: AwareDatetime
    document_serial: Text | None = None
    document_digital_signature: Text | None = None
    provider_transaction_id: Text | None = None


class DispensationStatus(StrEnum):
    """The life of a dispensation (osigu-dialect 6.4)."""

    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class Dispensation(Value):
    """One pharmacy's claim on a prescription and what became of it."""

    dispensation_id: UUID
    status: DispensationStatus
    source: str = "dispensing"
    pharmacy: Pharmacy
    lines: tuple[DispensationLine, ...]
    currency_code: str
    started_at: AwareDatetime
    expires_at: AwareDatetime
    completed_at: AwareDatetime | None = None
    cancelled_at: AwareDatetime | None = None
    cancelled_by: str | None = None
    previous_status: DispensationStatus | None = None
    void_reason: str | None = None
    void_description: Text | None = None
    receipt: Receipt | None = None
    verification_required: str | None = None
    verified_at: AwareDatetime | None = None

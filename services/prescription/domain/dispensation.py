"""What one pharmacy holds, or has handed over, of a prescription."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.prescription.domain.items import Product


class DispensationStatus(StrEnum):
    STARTED = "STARTED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class EndedBy(StrEnum):
    """Who took a dispensation back."""

    PHARMACY = "PHARMACY"
    PRESCRIBER = "PRESCRIBER"
    TIMEOUT = "TIMEOUT"


class Source(StrEnum):
    DISPENSING = "dispensing"
    STATUS_PATCH = "status_patch"


class SubstitutionPolicy(StrEnum):
    SAME_INGREDIENT = "same_ingredient"
    ANY_WITH_REASON = "any_with_reason"
    NONE = "none"


class OtpPolicy(StrEnum):
    """When the beneficiary must be verified by a one-time password."""

    NEVER = "never"
    CONTROLLED = "controlled"
    ALWAYS = "always"


# What a pharmacy may give as the reason for taking a dispensation back.
VOID_REASONS: Final = frozenset(
    {"DISPENSING_ERROR", "WRONG_PRODUCT_IDENTIFICATION", "WRONG_CONTAINERS_QUANTITY", "SUBSTITUTION_VOID"}
    | {"WRONG_PATIENT_IDENTIFICATION", "PRESCRIBER_INDICATION", "REFUND"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pharmacy:
    """A branch of a pharmacy company (its tenant); without a branch, the company as such."""

    tenant_id: UUID
    provider_slug: str
    name: str | None = None
    branch_id: UUID | None = None

    def owns(self, dispensation: "Dispensation") -> bool:
        """Whether it may act on a dispensation. A company-wide client speaks for all branches."""
        holder = dispensation.pharmacy
        return holder.tenant_id == self.tenant_id and self.branch_id in (None, holder.branch_id)

    def started(self, dispensation: "Dispensation") -> bool:
        """Whether a dispensation is the very claim that this pharmacy and branch would make."""
        holder = dispensation.pharmacy
        return (holder.tenant_id, holder.branch_id) == (self.tenant_id, self.branch_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is handed over for one item; `quantity` counts units of the prescribed product that it uses up.

    A substitute is what changes hands instead. Fields that were not sent are None.
    """

    item_id: UUID
    quantity: int | None = None
    product_code: str | None = None
    price: Decimal | None = None
    taxes: Decimal | None = None
    substitute: Product | None = None
    substitute_quantity: int | None = None
    substitution_reason_enum: str | None = None
    substitution_reason: str | None = None
    substitution_other_description: str | None = None

    @property
    def substituted(self) -> bool:
        return self.substitute is not None or self.substitute_quantity is not None

    @property
    def units(self) -> int:
        """How many units change hands."""
        return (self.substitute_quantity if self.substituted else self.quantity) or 0

    @property
    def outline(self) -> tuple[UUID, int | None, str | None, int | None]:
        """What makes two lines the same line: id, quantity and substitute (rulings 2.11)."""
        code = self.substitute.product_code if self.substitute else None
        return self.item_id, self.quantity, code, self.substitute_quantity


def used_up(quantity: int | None) -> int:
    """What a line counts; an item without quantity counts as one dispensed once (rulings 3.6)."""
    return 1 if quantity is None else quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The paper that went with what was handed over."""

    amount: Decimal
    document_number: str
    document_date: datetime
    document_serial: str | None = None
    document_digital_signature: str | None = None
    provider_transaction_id: str | None = None

    def same_as(self, other: "Receipt | None") -> bool:
        """Whether a second report speaks of the same hand-over."""
        return other is not None and (self.amount, self.document_number) == (
            other.amount,
            other.document_number,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DispensingTerms:
    """The issuing provider's settings as they are when a dispensation starts (rulings 1.6)."""

    timeout_min: int
    void_window_h: int
    substitution_policy: SubstitutionPolicy
    currency_code: str
    otp_policy: OtpPolicy = OtpPolicy.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a pharmacy showed at `path` for the beneficiary being there; without `id` it does not hold."""

    path: str
    id: UUID | None = None
    verified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispensation:
    """One claim of one pharmacy. Live while STARTED; what is COMPLETED counts against the items."""

    id: UUID
    status: DispensationStatus
    source: Source
    pharmacy: Pharmacy
    lines: tuple[Line, ...]
    currency_code: str
    terms: DispensingTerms
    started_at: datetime
    expires_at: datetime
    receipt: Receipt | None = None
    completed_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: EndedBy | None = None
    previous_status: DispensationStatus | None = None
    void_reason: str | None = None
    void_description: str | None = None
    verification_required: bool = False
    verified_by: UUID | None = None
    verified_at: datetime | None = None

    @property
    def live(self) -> bool:
        return self.status is DispensationStatus.STARTED

    @property
    def counts(self) -> bool:
        return self.status is DispensationStatus.COMPLETED

    def void_window_open(self, now: datetime) -> bool:
        """Whether what was handed over may still be taken back."""
        if self.completed_at is None:
            return False
        return now <= self.completed_at + timedelta(hours=self.terms.void_window_h)


_NO_MINOR_UNIT: Final = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
)

# ISO 4217: currencies whose minor unit is not a hundredth.
_MINOR_DIGITS: Final = {
    **dict.fromkeys(_NO_MINOR_UNIT, 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def rounded(amount: Decimal, currency_code: str) -> Decimal:
    """Half up, to the minor unit of the currency."""
    digits = _MINOR_DIGITS.get(currency_code, 2)
    return amount.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def total(lines: tuple[Line, ...], currency_code: str) -> Decimal | None:
    """What the lines come to with taxes; None while one of them has no price."""
    amount = Decimal(0)
    for line in lines:
        if line.price is None:
            return None
        amount += line.price * line.units + (line.taxes or Decimal(0))
    return rounded(amount, currency_code)

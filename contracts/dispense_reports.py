"""What pharmacy systems write, on the public topic `dispense-reports-v1`: the HTTP bodies, with the code.

The header `authorization` proves the sender; `ce_id` is the sender's idempotency key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import ConfigDict

from contracts.message import Message, Value


class ReportLine(Value):
    """One line of a dispensation, as in the HTTP body (osigu-dialect 6.2)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    price: float | int
    taxes: float | int
    quantity: int
    product_code: str | None = None
    substitute_product_code: str | None = None
    substitute_quantity: int | None = None
    substitution_reason_enum: str | None = None
    substitution_reason: str | None = None
    substitution_other_description: str | None = None


class DispenseReport(Message):
    """A report about the prescription behind `code`, which is also the key: so reports stay in order."""

    topic: ClassVar[str] = "dispense-reports-v1"
    source: ClassVar[str] = "/pharmacy"

    code: str

    @property
    def key(self) -> str:
        return self.code


class StartReport(DispenseReport):
    """Claim the prescription; without products: everything that can still be dispensed."""

    ce_type: ClassVar[str] = "recepta.dispense-report.start.v1"

    beneficiary_id: str | None = None
    branch_id: str | None = None
    currency_code: str | None = None
    products: tuple[ReportLine, ...] | None = None
    external_verifications: tuple[dict[str, Any], ...] | None = None


class UpdateReport(DispenseReport):
    """Replace the lines of the own live dispensation."""

    ce_type: ClassVar[str] = "recepta.dispense-report.update.v1"

    dispensation_id: str
    products: tuple[ReportLine, ...]
    currency_code: str | None = None


class CompleteReport(DispenseReport):
    """Hand over, with the receipt."""

    ce_type: ClassVar[str] = "recepta.dispense-report.complete.v1"

    dispensation_id: str
    amount: float | int
    document_number: str
    document_date: datetime
    document_serial: str | None = None
    document_digital_signature: str | None = None
    provider_transaction_id: str | None = None
    otp_verification_token: str | None = None


class CancelReport(DispenseReport):
    """End the own live dispensation, or take a completed one back."""

    ce_type: ClassVar[str] = "recepta.dispense-report.cancel.v1"

    dispensation_id: str
    void_reason: str | None = None
    void_description: str | None = None

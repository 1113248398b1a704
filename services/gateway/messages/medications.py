"""Prescribed items in this dialect: what is left of each, and the log of what happened to it (5.7, 5.8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.values import Dispensation, DispensationLine, DispensationStatus, Item, Prescription, Status
from services.gateway.messages import ids
from services.gateway.messages.moments import moment


def render(prescription: Prescription, code: str | None) -> list[dict[str, Any]]:
    return [_medication(prescription, item, code) for item in prescription.items]


def _medication(prescription: Prescription, item: Item, code: str | None) -> dict[str, Any]:
    product = item.product
    item_code = None if code is None else f"{code}-{item.position:02d}"
    left = _left(item, item.dispensed_quantity)
    return {
        "id": ids.spell("rxi", item.item_id),
        "prescription_item_code": item_code,
        "product_code": product.product_code if product else None,
        "product_name": item.medication_name,
        "quantity": item.quantity,
        "posology": item.instruction,
        # Free text of the other dialect may be counted, but it is told as it was written (5.8).
        "duration_days": item.duration_days if item.duration is None else None,
        "dose_amount": item.dose_amount,
        "dose_unit": item.dose_unit,
        "frequency": item.frequency,
        "substitution_allowed": item.substitution_allowed,
        "dispensation_status": _status(prescription.status, left, item.dispensed_quantity, item.substituted),
        "dispensed_quantity": item.dispensed_quantity,
        "remaining_quantity": item.remaining_quantity if item.quantity is None else left,
        "prescription_item_dispensation_logs": _log(prescription, item, item_code),
    }


def _left(item: Item, dispensed: int) -> int:
    """What can still be dispensed; an item without quantity counts as one dispensed once."""
    if item.quantity is not None:
        return max(item.quantity - dispensed, 0)
    return 0 if dispensed else 1


def _status(status: Status, left: int, dispensed: int, substituted: bool) -> str:
    if left == 0:
        return "SUBSTITUTED" if substituted else "DISPENSED"
    if status is Status.EXPIRED:
        return "EXPIRED"
    if status not in (Status.SUBMITTED, Status.DISPENSED):
        return "SUSPENDED"
    if dispensed:
        return "PARTIALLY_SUBSTITUTED" if substituted else "PARTIALLY_DISPENSED"
    return "DISPENSABLE"


@dataclass(frozen=True)
class _Happened:
    """One thing that happened to an item; `change` of its dispensed quantity."""

    at: datetime
    action: str
    by: str
    change: int = 0
    line: DispensationLine | None = None
    reason: str | None = None
    status: Status = Status.SUBMITTED


def _log(prescription: Prescription, item: Item, item_code: str | None) -> list[dict[str, Any]]:
    """What happened, oldest first, each with the item's state after it."""
    if not prescription.dispensations and prescription.void is None and prescription.expired_at is None:
        return []
    entries = []
    dispensed, substitutes = 0, 0
    for one in sorted(_happened(prescription, item), key=lambda one: one.at):
        if one.status is not Status.SUBMITTED and _left(item, dispensed) == 0:
            continue
        dispensed += one.change
        if one.line is not None and one.line.substitute is not None:
            substitutes += 1 if one.change > 0 else -1
        state = _status(one.status, _left(item, dispensed), dispensed, substitutes > 0)
        entries.append(_entry(one, item, item_code, state))
    return entries


def _happened(prescription: Prescription, item: Item) -> Iterator[_Happened]:
    for dispensation in prescription.dispensations:
        line = next((one for one in dispensation.lines if one.item_id == item.item_id), None)
        if line is not None:
            yield from _dispensed(dispensation, line)
    issuer = prescription.provider.provider_slug
    if (void := prescription.void) is not None and prescription.issued_at is not None:
        yield _Happened(
            void.voided_at,
            "prescription-voided",
            issuer,
            reason=void.reason_code,
            status=Status.CANCELLED,
        )
    if prescription.expired_at is not None and prescription.status is Status.EXPIRED:
        yield _Happened(prescription.expired_at, "prescription-expired", issuer, status=Status.EXPIRED)


def _dispensed(dispensation: Dispensation, line: DispensationLine) -> Iterator[_Happened]:
    """A hand-over, and its cancellation if it was taken back; what never completed moved nothing."""
    if dispensation.completed_at is None:
        return
    by = dispensation.pharmacy.provider_slug
    quantity = line.quantity or 1
    yield _Happened(dispensation.completed_at, "dispensation-completed", by, quantity, line)
    if dispensation.status is DispensationStatus.CANCELLED and dispensation.cancelled_at is not None:
        yield _Happened(
            dispensation.cancelled_at,
            "dispensation-cancelled",
            by,
            -quantity,
            line,
            reason=dispensation.void_reason,
        )


def _entry(one: _Happened, item: Item, item_code: str | None, state: str) -> dict[str, Any]:
    product = (one.line.substitute if one.line else None) or item.product
    line = one.line
    handed = line is not None
    return {
        "prescription_item_code": item_code,
        "action_slug_registered": one.action,
        "dispensation_status": state,
        "dispensed_quantity": abs(one.change),
        "substitution_reason": _substitution_reason(line),
        "substitution_description": None
        if line is None
        else line.substitution_other_description or line.substitution_reason,
        "dispensation_product_id": product.product_code if handed and product else None,
        "dispensation_product_name": _name(item, product.product_name if product else None)
        if handed
        else None,
        "lock_reason": None,
        "lock_description": None,
        "void_reason": one.reason,
        "created_at": moment(one.at),
        "created_by": one.by,
    }


def _substitution_reason(line: DispensationLine | None) -> str | None:
    if line is None:
        return None
    return line.substitution_reason_enum or ("OTHER" if line.substitution_reason else None)


def _name(item: Item, product_name: str | None) -> str:
    return product_name or item.medication_name

"""The statuses of a prescription in the words of the Osigu dialect (section 5.8)."""

from __future__ import annotations

from typing import Final

from contracts.values import Prescription, Status

_WORDS: Final = {
    Status.DRAFT: "PRESCRIPTION_DRAFT",
    Status.PENDING_REVIEW: "PRESCRIPTION_PENDING",
    Status.VALIDATED: "PRESCRIPTION_PENDING",
    Status.SIGNED: "PRESCRIPTION_PENDING",
    Status.SUBMITTED: "PRESCRIPTION_ISSUED",
    Status.DISPENSED: "PRESCRIPTION_DISPENSED",
    Status.CANCELLED: "PRESCRIPTION_VOIDED",
    Status.EXPIRED: "PRESCRIPTION_EXPIRED",
}


def prescription_status(prescription: Prescription) -> str:
    if prescription.status is Status.SUBMITTED and any(
        item.dispensed_quantity for item in prescription.items
    ):
        return "PRESCRIPTION_PARTIALLY_DISPENSED"
    return _WORDS[prescription.status]

"""Sending an issued prescription to its patient, and writing down who looked at it."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from services.prescription.domain.history import Action, Note, Occasion
from services.prescription.domain.prescription import WORDS, Prescription
from services.prescription.domain.refusal import Failing, Refused, refuse_if
from services.prescription.domain.state_table import Status

RESENDS_PER_HOUR_MAX: Final = 5
_HOUR: Final = timedelta(hours=1)

# What somebody may look at, in the words of the commands, and what the history calls it.
LOOKS: Final = {"pdf_downloaded": Action.PDF_DOWNLOADED, "code_lookup": Action.CODE_LOOKED_UP}

_NOT_SENT: Final = {Status.CANCELLED: WORDS["R4"], Status.EXPIRED: WORDS["R5"]}


def resend(prescription: Prescription, *, address: str | None, occasion: Occasion) -> Prescription:
    """Deliver it once more; `address` is where to. At most five times in any hour."""
    if prescription.status not in (Status.SUBMITTED, Status.DISPENSED):
        code, message = _NOT_SENT.get(
            prescription.status, ("prescription_not_issued", "The prescription is not issued.")
        )
        raise Refused(code, message)
    if address is None:
        refuse_if([Failing("channel", "no_contact_for_channel", "No address is on file.")])
    recent = tuple(at for at in prescription.resent_at if at > occasion.at - _HOUR)
    if len(recent) >= RESENDS_PER_HOUR_MAX:
        wait = min(recent) + _HOUR - occasion.at
        raise Refused(
            "rate_limited",
            f"At most {RESENDS_PER_HOUR_MAX} deliveries an hour.",
            details={"retry_after_seconds": max(1, int(wait.total_seconds()) + 1)},
        )
    changed = replace(prescription, resent_at=(*recent, occasion.at))
    return prescription.becomes(changed, occasion, Note(action=Action.DELIVERY_REQUESTED))


def note_access(prescription: Prescription, what: str, *, occasion: Occasion) -> Prescription:
    """Write down that somebody looked: at the document, or by its code at the prescription."""
    action = LOOKS.get(what)
    if action is None:
        raise Refused("invalid_value", "Nothing that can be looked at has this name.")
    return prescription.noted(occasion, Note(action=action))


def delivered(prescription: Prescription, failure: str | None, *, occasion: Occasion) -> Prescription:
    """Write down what became of a delivery: that it arrived, or that it failed for good."""
    action = Action.DELIVERED if failure is None else Action.DELIVERY_FAILED
    return prescription.noted(occasion, Note(action=action, error=failure))


def handled_late(prescription: Prescription, *, occasion: Occasion) -> Prescription:
    """Write down that a message about it was handled out of its time, by an operator's replay."""
    return prescription.noted(occasion, Note(action=Action.HANDLED_LATE))

"""A prescription as the clock has it: what is due is shown before its event comes (ruling 6.5)."""

from __future__ import annotations

from datetime import datetime

from contracts.values import Dispensation, DispensationStatus, Prescription, Status


def live(prescription: Prescription) -> Dispensation | None:
    """The dispensation that holds it; there is never more than one."""
    for one in prescription.dispensations:
        if one.status is DispensationStatus.STARTED:
            return one
    return None


def as_of(prescription: Prescription, now: datetime) -> Prescription:
    """With a claim timed out and the prescription expired, where that is due.

    Each raises the version, as the event of it will (ruling 6.1): a read is known by its version.
    """
    held = live(prescription)
    if held is not None:
        if held.expires_at > now:
            return prescription
        prescription = _changed(prescription, dispensations=_timed_out(prescription, held))
    if not _over(prescription, now):
        return prescription
    expired_at = max(prescription.valid_until or now, held.expires_at) if held else prescription.valid_until
    return _changed(prescription, status=Status.EXPIRED, expired_at=expired_at)


def _changed(prescription: Prescription, **changes: object) -> Prescription:
    return prescription.model_copy(update={"version": prescription.version + 1, **changes})


def _over(prescription: Prescription, now: datetime) -> bool:
    until = prescription.valid_until
    return prescription.status is Status.SUBMITTED and until is not None and until <= now


def _timed_out(prescription: Prescription, held: Dispensation) -> tuple[Dispensation, ...]:
    ended = held.model_copy(
        update={
            "status": DispensationStatus.EXPIRED,
            "previous_status": DispensationStatus.STARTED,
            "cancelled_at": held.expires_at,
            "cancelled_by": "TIMEOUT",
        }
    )
    return tuple(ended if one is held else one for one in prescription.dispensations)

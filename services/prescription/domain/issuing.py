"""One request from order to release: the whole chain, hidden until its last step."""

from dataclasses import replace
from uuid import UUID

from services.prescription.domain import assembling, checking, editing, safety, signing
from services.prescription.domain.history import Action, Note, Occasion
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Failing, Refused
from services.prescription.domain.safety import AskedWith, Finding, SafetyPolicy, Verdict
from services.prescription.domain.signature import Seal
from services.prescription.domain.state_table import Column


def begin(order: Prescription, asked_with: AskedWith, now: Occasion) -> Prescription:
    """The hidden draft, which waits for its safety check. `order.issue` says who asked, and until when."""
    editing.complete(order)
    if (refusal := _too_late(order, now)) is not None:
        raise refusal
    return checking.ask(editing.create(order, now), asked_with, now)


def after_verdict(
    prescription: Prescription, verdict: Verdict, keys: safety.KeyMaker, now: Occasion
) -> Prescription:
    """The order as checked: findings kept, acknowledgements matched. `objection` says what follows."""
    return checking.store_verdict(prescription, verdict, keys, now)


def objection(prescription: Prescription, now: Occasion, *, doctor_active: bool) -> Refused | None:
    """Why a checked order may not be sealed; None when it may."""
    if (refusal := _too_late(prescription, now)) is not None:
        return refusal
    return _blocked(prescription) or _suspended(doctor_active)


def proceed(prescription: Prescription, now: Occasion) -> Prescription:
    """Approved, and waiting for its seal, which covers the code that was allocated for it."""
    checked = editing.submit_for_review(prescription, occasion=now)
    checked = editing.validate(checked, valid_until=checked.valid_until, occasion=now)
    return signing.begin(checked, signed_by=checked.doctor_id, occasion=now)


def objection_to_release(prescription: Prescription, now: Occasion, *, doctor_active: bool) -> Refused | None:
    """Why a sealed order may not be released any more; None when it may."""
    return _too_late(prescription, now) or _suspended(doctor_active)


def after_seal(
    prescription: Prescription, seal: Seal, *, number: int, document_id: UUID, now: Occasion
) -> Prescription:
    """Sealed and released: what was hidden is there for all to see. A late seal changes nothing."""
    if prescription.column is not Column.SIGNING or prescription.signature is None:
        return prescription
    sealed = signing.after_seal(prescription, seal, number=number, occasion=now)
    if sealed is prescription:
        return prescription
    # The moment that the seal covers is the one that everybody sees.
    issued_at = prescription.signature.asked_at
    released = signing.release(sealed, document_id=document_id, occasion=now, issued_at=issued_at)
    return replace(released, issue=None)


def refused(prescription: Prescription, refusal: Refused, now: Occasion) -> Prescription:
    """What is left of an issue that was refused: its history, for the audit."""
    return prescription.noted(now, Note(action=Action.ATTEMPT_REFUSED, error=refusal.code))


def overdue(prescription: Prescription) -> Refused:
    """The refusal of what is hidden still at its deadline."""
    return assembling.unchecked() if prescription.assembling else gave_up()


def gave_up() -> Refused:
    """The refusal of what could not be decided by its deadline."""
    return Refused("dependency_unavailable", "Not decided in time; nothing was applied.")


def _too_late(prescription: Prescription, now: Occasion) -> Refused | None:
    issue = prescription.issue
    if issue is not None and issue.deadline is not None and now.at >= issue.deadline:
        return gave_up()
    if prescription.valid_until is None or prescription.valid_until <= now.at:
        return Refused("prescription_expired", "Its validity is over.")
    return None


def _blocked(prescription: Prescription) -> Refused | None:
    """An unacknowledged blocking finding forbids the issue, unless this provider wants advice alone."""
    blocking = safety.still_blocking(prescription.findings)
    advised = prescription.issue is not None and prescription.issue.policy is SafetyPolicy.ADVISE
    if not blocking or advised:
        return None
    return Refused(
        "safety_blocked",
        f"{len(blocking)} finding{'s' if len(blocking) > 1 else ''} must be acknowledged.",
        errors=tuple(_failing(prescription, one) for one in blocking),
    )


def _suspended(doctor_active: bool) -> Refused | None:
    if doctor_active:
        return None
    return Refused("doctor_registration_inactive", "The doctor may not sign at present.")


def _failing(prescription: Prescription, finding: Finding) -> Failing:
    """The finding at the later of its lines (rulings 2.17)."""
    places = [place for place, item in enumerate(prescription.items) if item.id in finding.item_ids]
    path = f"medications[{max(places)}]" if places else "medications"
    message = "Acknowledge the finding or change the item."
    return Failing(path, "safety_blocked", message, {"finding_key": finding.key})

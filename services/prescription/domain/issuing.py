"""One request from order to release: the whole chain, hidden until its last step."""

from dataclasses import replace

from services.prescription.domain import checking, editing, safety, signing
from services.prescription.domain.history import Action, Note, Occasion
from services.prescription.domain.prescription import Prescription, Seal
from services.prescription.domain.refusal import Failing, Refused
from services.prescription.domain.safety import Finding, SafetyPolicy, Verdict
from services.prescription.domain.state_table import Column


def begin(order: Prescription, occasion: Occasion) -> Prescription:
    """The hidden draft, which waits for its safety check. `order.issue` says who asked, and until when."""
    return editing.create(order, occasion)


def after_verdict(
    prescription: Prescription, verdict: Verdict, keys: safety.KeyMaker, now: Occasion
) -> Prescription:
    """The order as checked: findings kept, acknowledgements matched. `blocked` says what may follow."""
    return checking.store_verdict(prescription, verdict, keys, now)


def blocked(prescription: Prescription) -> Refused | None:
    """The refusal that an unacknowledged blocking finding means under this provider's policy, or None."""
    assert prescription.issue is not None
    blocking = safety.still_blocking(prescription.findings)
    if not blocking or prescription.issue.policy is SafetyPolicy.ADVISE:
        return None
    return Refused(
        "safety_blocked",
        f"{len(blocking)} finding{'s' if len(blocking) > 1 else ''} must be acknowledged.",
        errors=tuple(_failing(prescription, one) for one in blocking),
    )


def proceed(prescription: Prescription, code: str, now: Occasion) -> Prescription:
    """Approved, given its code, and waiting for its seal."""
    checked = editing.submit_for_review(prescription, occasion=now)
    checked = editing.validate(checked, valid_until=checked.valid_until, occasion=now)
    checked = signing.with_code(checked, code)
    return signing.begin(checked, signed_by=checked.doctor_id, occasion=now)


def after_seal(prescription: Prescription, seal: Seal, *, number: int, now: Occasion) -> Prescription:
    """Sealed and released: what was hidden is there for all to see. A late seal changes nothing."""
    if prescription.column is not Column.SIGNING:
        return prescription
    sealed = signing.after_seal(prescription, seal, number=number, occasion=now)
    if sealed is prescription:
        return prescription
    return replace(signing.release(sealed, occasion=now), issue=None)


def refused(prescription: Prescription, refusal: Refused, now: Occasion) -> Prescription:
    """What is left of an issue that was refused: its history, for the audit."""
    return prescription.noted(now, Note(action=Action.ATTEMPT_REFUSED, error=refusal.code))


def overdue(prescription: Prescription, now: Occasion) -> bool:
    """Whether the deadline of the request has passed before the last step."""
    issue = prescription.issue
    return issue is not None and issue.deadline is not None and now.at >= issue.deadline


def gave_up() -> Refused:
    """The refusal of an issue whose checks or seal did not come in time."""
    return Refused("dependency_unavailable", "Not decided in time; nothing was applied.")


def _failing(prescription: Prescription, finding: Finding) -> Failing:
    """The finding at the later of its lines (rulings 2.17)."""
    places = [place for place, item in enumerate(prescription.items) if item.id in finding.item_ids]
    path = f"medications[{max(places)}]" if places else "medications"
    message = "Acknowledge the finding or change the item."
    return Failing(path, "safety_blocked", message, {"finding_key": finding.key})

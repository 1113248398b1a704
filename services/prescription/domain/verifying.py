"""Whether the beneficiary must be verified before anything is handed over, and by what (osigu-dialect 7)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from services.prescription.domain.dispensation import Dispensation, DispensingTerms, OtpPolicy, Verification
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Failing

TOKEN: Final = "otp_verification_token"


def demanded(prescription: Prescription, terms: DispensingTerms) -> bool:
    """Whether the issuing provider's policy asks for it; `controlled`: when an item has a schedule.

    A prescription that its doctor calls controlled counts as one, whatever is known of its items.
    """
    if terms.otp_policy is not OtpPolicy.CONTROLLED:
        return terms.otp_policy is OtpPolicy.ALWAYS
    if prescription.prescription_type == "controlled":
        return True
    return any(item.product is not None and item.product.controlled_schedule for item in prescription.items)


def outstanding(claim: Dispensation) -> bool:
    """Whether nothing may be handed over yet."""
    return claim.verification_required and claim.verified_by is None


def invalid(claim: Dispensation, shown: Sequence[Verification]) -> list[Failing]:
    """What is wrong with what was shown, where it matters; where nothing is demanded it is ignored."""
    if not outstanding(claim) or not shown or _held(shown):
        return []
    return [Failing(shown[0].path, "verification_invalid", "It is wrong, expired, used, or another's.")]


def missing(claim: Dispensation, shown: Sequence[Verification]) -> list[Failing]:
    """What stands between a claim and its completion."""
    if outstanding(claim) and not shown:
        return [Failing(TOKEN, "verification_required", "Verify the beneficiary by a one-time password.")]
    return invalid(claim, shown)


def verified(claim: Dispensation, shown: Sequence[Verification]) -> Dispensation:
    """The claim with the first verification that holds, if it needs one."""
    held = _held(shown)
    if held is None or not outstanding(claim):
        return claim
    return replace(claim, verified_by=held.id, verified_at=held.verified_at)


def _held(shown: Sequence[Verification]) -> Verification | None:
    return next((one for one in shown if one.id is not None), None)

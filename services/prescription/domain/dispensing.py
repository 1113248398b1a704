"""Starting, changing, completing and taking back what one pharmacy at a time may dispense."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.prescription.domain import lines as line_rules
from services.prescription.domain import verifying
from services.prescription.domain.dispensation import (
    VOID_REASONS,
    Dispensation,
    DispensationStatus,
    DispensingTerms,
    EndedBy,
    Line,
    Pharmacy,
    Receipt,
    Source,
    Verification,
    total,
)
from services.prescription.domain.history import Action, DispensationNote, Note, Occasion
from services.prescription.domain.prescription import Prescription, Said, Say
from services.prescription.domain.refusal import Failing, Refused, refuse_if
from services.prescription.domain.state_table import Column, Move, Status

# Claims that ended without effect and are still told apart; older ones live on in the history alone.
WITHOUT_EFFECT_MAX: Final = 50

_R6_CODES: Final = {
    DispensationStatus.COMPLETED: ("dispensation_completed", "The dispensation has been completed."),
    DispensationStatus.CANCELLED: ("dispensation_cancelled", "The dispensation was cancelled."),
    DispensationStatus.EXPIRED: ("dispensation_expired", "The dispensation ran out of time."),
}


def start(
    prescription: Prescription,
    *,
    dispensation_id: UUID,
    pharmacy: Pharmacy,
    terms: DispensingTerms,
    occasion: Occasion,
    lines: Sequence[Line] | None = None,
    beneficiary_id: UUID | None = None,
    currency_code: str | None = None,
    shown: Sequence[Verification] = (),
) -> Prescription:
    """Give it to one pharmacy (provider and branch). The same one asking again gets its own claim back."""
    own = _own_claim(prescription, pharmacy, lines)
    claim = own or Dispensation(
        id=dispensation_id,
        status=DispensationStatus.STARTED,
        source=Source.DISPENSING,
        pharmacy=pharmacy,
        lines=tuple(lines) if lines is not None else line_rules.everything_left(prescription),
        currency_code=currency_code or terms.currency_code,
        terms=terms,
        started_at=occasion.at,
        expires_at=occasion.at + timedelta(minutes=terms.timeout_min),
        verification_required=verifying.demanded(prescription, terms),
    )
    failing = _beneficiary(prescription, beneficiary_id)
    if own is None and lines is not None:
        failing += line_rules.check(prescription, lines, terms.substitution_policy)
    refuse_if(failing + verifying.invalid(claim, shown))
    claim = verifying.verified(claim, shown)
    if own is not None:
        return _again(prescription, own, claim, occasion)
    changed = replace(prescription, dispensations=_kept((*prescription.dispensations, claim)))
    note = note_of(Action.DISPENSATION_STARTED, prescription, claim)
    return prescription.becomes(changed, occasion, note, say=[Say(Said.STARTED, claim)])


def _again(
    prescription: Prescription, own: Dispensation, claim: Dispensation, occasion: Occasion
) -> Prescription:
    """A start repeated: nothing changes, unless it brings the verification that was still missing."""
    if claim == own:
        return prescription
    changed = _with(prescription, claim)
    return prescription.becomes(changed, occasion, note_of(Action.DISPENSATION_CHANGED, prescription, claim))


def _own_claim(
    prescription: Prescription, pharmacy: Pharmacy, lines: Sequence[Line] | None
) -> Dispensation | None:
    """The claim to give back; None when a new one may be made. Raises Refused when neither."""
    live = prescription.live_dispensation
    if live is None or not pharmacy.started(live):
        cell = prescription.cell(Move.START)
        if cell.refusals:
            raise prescription.refused(cell.refusals[0])
        prescription.admit(Move.START)
        return None
    prescription.admit(Move.START)
    if lines is not None and not line_rules.same(lines, live.lines):
        raise Refused(
            "dispensation_already_started",
            "This pharmacy has started it with other lines.",
            details={"dispensation_id": str(live.id)},
            cell="=",
        )
    return live


def named(prescription: Prescription, dispensation_id: UUID, pharmacy: Pharmacy, move: Move) -> Dispensation:
    """The pharmacy's own dispensation. Another's is no more there for it than none."""
    if "R1" in prescription.cell(move).refusals:
        raise prescription.refused("R1")
    claim = prescription.dispensation(dispensation_id)
    if claim is None or not pharmacy.owns(claim):
        raise Refused("resource_not_found", "No such dispensation.")
    return claim


def change_lines(
    prescription: Prescription,
    *,
    dispensation_id: UUID,
    pharmacy: Pharmacy,
    lines: Sequence[Line],
    occasion: Occasion,
    currency_code: str | None = None,
) -> Prescription:
    """Replace the lines of a live dispensation; its time does not start anew."""
    claim = _live(prescription, dispensation_id, pharmacy, Move.CHANGE_LINES)
    refuse_if(line_rules.check(prescription, lines, claim.terms.substitution_policy))
    claim = replace(claim, lines=tuple(lines), currency_code=currency_code or claim.currency_code)
    changed = _with(prescription, claim)
    note = note_of(Action.DISPENSATION_CHANGED, prescription, claim)
    return prescription.becomes(changed, occasion, note, say=[Say(Said.CHANGED, claim)])


def complete(
    prescription: Prescription,
    *,
    dispensation_id: UUID,
    pharmacy: Pharmacy,
    receipt: Receipt,
    occasion: Occasion,
    shown: Sequence[Verification] = (),
) -> Prescription:
    """Hand over what the lines say. The same receipt again changes nothing."""
    claim = named(prescription, dispensation_id, pharmacy, Move.COMPLETE_PART)
    if claim.counts and receipt.same_as(claim.receipt):
        return prescription
    claim = _live(prescription, dispensation_id, pharmacy, Move.COMPLETE_PART)
    unfit = line_rules.without_quantity(claim) or _amount(claim, receipt)
    refuse_if(unfit + verifying.missing(claim, shown))
    claim = verifying.verified(claim, shown)
    completed = replace(claim, status=DispensationStatus.COMPLETED, receipt=receipt, completed_at=occasion.at)
    return _handed_over(prescription, completed, occasion)


def _handed_over(prescription: Prescription, claim: Dispensation, occasion: Occasion) -> Prescription:
    changed = _with(prescription, claim)
    move = Move.COMPLETE_PART if changed.outstanding else Move.COMPLETE_ALL
    changed = _settled(changed, prescription.admit(move), occasion.at, since=occasion.at)
    if changed.status is Status.DISPENSED:
        changed = replace(changed, dispensed_at=occasion.at)
    note = note_of(Action.DISPENSATION_ENDED, prescription, claim)
    return prescription.becomes(changed, occasion, note, say=_told(Said.COMPLETED, claim, changed))


def dispensed_elsewhere(
    prescription: Prescription,
    *,
    dispensation_id: UUID,
    pharmacy: Pharmacy,
    terms: DispensingTerms,
    occasion: Occasion,
) -> Prescription:
    """Record one dispensation of all that is outstanding, for a pharmacy outside the dispensing flow."""
    target = prescription.admit(Move.TO_DISPENSED, asked_for=Status.DISPENSED)
    if verifying.demanded(prescription, terms):
        raise Refused(
            "policy_refused", "The beneficiary must be verified at a pharmacy.", details={"policy": "otp"}
        )
    claim = Dispensation(
        id=dispensation_id,
        status=DispensationStatus.COMPLETED,
        source=Source.STATUS_PATCH,
        pharmacy=pharmacy,
        lines=line_rules.everything_left(prescription),
        currency_code=terms.currency_code,
        terms=terms,
        started_at=occasion.at,
        expires_at=occasion.at,
        completed_at=occasion.at,
    )
    changed = replace(
        prescription,
        status=target.status,
        dispensed_at=occasion.at,
        dispensations=(*prescription.dispensations, claim),
    )
    started = replace(claim, status=DispensationStatus.STARTED)
    held = replace(prescription, dispensations=(*prescription.dispensations, started))
    began = note_of(Action.DISPENSATION_STARTED, prescription, started)
    ended = note_of(Action.DISPENSATION_ENDED, held, claim)
    return prescription.becomes(changed, occasion, began, ended, say=[Say(Said.COMPLETED, claim)])


def cancel(
    prescription: Prescription,
    *,
    dispensation_id: UUID,
    pharmacy: Pharmacy,
    occasion: Occasion,
    void_reason: str | None = None,
    void_description: str | None = None,
) -> Prescription:
    """The pharmacy takes back a live claim, or within its window a completed one. Again: nothing changes."""
    claim = named(prescription, dispensation_id, pharmacy, Move.CANCEL_COMPLETED)
    if claim.status is DispensationStatus.CANCELLED:
        return prescription
    if claim.status is DispensationStatus.EXPIRED:
        raise _ended_before(prescription, claim)
    if claim.counts and not claim.void_window_open(occasion.at):
        raise Refused("void_window_closed", "It is too late to take back what was handed over.")
    refuse_if(_void_reason(claim, void_reason))
    ended = replace(
        claim,
        status=DispensationStatus.CANCELLED,
        previous_status=claim.status,
        ended_at=occasion.at,
        ended_by=EndedBy.PHARMACY,
        void_reason=void_reason,
        void_description=void_description,
    )
    move = Move.CANCEL_COMPLETED if claim.counts else Move.END_LIVE
    return _taken_back(prescription, ended, move, occasion)


def time_out(prescription: Prescription, occasion: Occasion) -> Prescription:
    """End the live dispensation when its time has come; a call too early or too late changes nothing."""
    claim = prescription.live_dispensation
    if claim is None or prescription.cell(Move.END_LIVE).ignored or occasion.at < claim.expires_at:
        return prescription
    ended = replace(
        claim,
        status=DispensationStatus.EXPIRED,
        previous_status=claim.status,
        ended_at=claim.expires_at,
        ended_by=EndedBy.TIMEOUT,
    )
    return _taken_back(prescription, ended, Move.END_LIVE, occasion)


def _taken_back(
    prescription: Prescription, claim: Dispensation, move: Move, occasion: Occasion
) -> Prescription:
    # A time-out has its effect at its own time, however late it is noticed.
    ended_at = claim.ended_at or occasion.at
    changed = _settled(_with(prescription, claim), prescription.admit(move), occasion.at, since=ended_at)
    if prescription.status is Status.DISPENSED:
        changed = replace(changed, dispensed_at=None)
    note = note_of(Action.DISPENSATION_ENDED, prescription, claim)
    say = _told(Said.STOPPED, claim, changed)
    # Someone already told of the end of the prescription is not told again.
    return prescription.becomes(changed, occasion, note, say=say[:1] if prescription.ended else say)


def ended_by_prescriber(claim: Dispensation, at: datetime) -> Dispensation:
    """The claim as a void leaves it."""
    return replace(
        claim,
        status=DispensationStatus.CANCELLED,
        previous_status=claim.status,
        ended_at=at,
        ended_by=EndedBy.PRESCRIBER,
        void_reason="PRESCRIBER_INDICATION",
    )


def _settled(prescription: Prescription, target: Column, now: datetime, *, since: datetime) -> Prescription:
    """Condition j of the table: where a dispensation ends after `valid_until`, the prescription expires."""
    if target is Column.SUBMITTED and prescription.past_validity(now) and not prescription.live_dispensation:
        assert prescription.valid_until is not None
        expired_at = max(prescription.valid_until, since)
        return replace(prescription, status=Status.EXPIRED, expired_at=expired_at)
    return replace(prescription, status=target.status)


def _told(said: Said, claim: Dispensation, changed: Prescription) -> list[Say]:
    told = [Say(said, claim)]
    return [*told, Say(Said.ENDED)] if changed.status is Status.EXPIRED else told


def _live(prescription: Prescription, dispensation_id: UUID, pharmacy: Pharmacy, move: Move) -> Dispensation:
    claim = named(prescription, dispensation_id, pharmacy, move)
    if not claim.live:
        raise _ended_before(prescription, claim)
    prescription.admit(move)
    return claim


def _ended_before(prescription: Prescription, claim: Dispensation) -> Refused:
    if claim.ended_by is EndedBy.PRESCRIBER:
        return prescription.refused("R4")
    code, message = _R6_CODES[claim.status]
    return Refused(code, message, details={"dispensation_id": str(claim.id)}, cell="R6")


def _beneficiary(prescription: Prescription, beneficiary_id: UUID | None) -> list[Failing]:
    if beneficiary_id in (None, prescription.patient_id):
        return []
    return [Failing("beneficiary_id", "beneficiary_mismatch", "Not the patient of this prescription.")]


def _amount(claim: Dispensation, receipt: Receipt) -> list[Failing]:
    expected = total(claim.lines, claim.currency_code)
    if expected is None or expected == receipt.amount:
        return []
    return [Failing("amount", "amount_mismatch", "Not the sum of the lines and their taxes.")]


def _void_reason(claim: Dispensation, void_reason: str | None) -> list[Failing]:
    if void_reason is None:
        return [Failing("void_reason", "required", "Is required.")] if claim.counts else []
    if void_reason not in VOID_REASONS:
        return [Failing("void_reason", "invalid_value", "Not one of the reasons.")]
    return []


def _with(prescription: Prescription, claim: Dispensation) -> Prescription:
    return replace(
        prescription,
        dispensations=tuple(claim if one.id == claim.id else one for one in prescription.dispensations),
    )


def _kept(dispensations: tuple[Dispensation, ...]) -> tuple[Dispensation, ...]:
    without_effect = [one.id for one in dispensations if not one.live and not one.counts]
    forgotten = set(without_effect[:-WITHOUT_EFFECT_MAX])
    return tuple(one for one in dispensations if one.id not in forgotten)


def note_of(action: Action, prescription: Prescription, claim: Dispensation) -> Note:
    """What there is to tell of a claim that is no longer as it was in `prescription`."""
    was = prescription.dispensation(claim.id)
    return Note(
        action=action,
        dispensation_was=DispensationNote.of(was) if was else None,
        dispensation=DispensationNote.of(claim),
    )

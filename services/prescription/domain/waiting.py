"""Requests that end with the check under way: each is answered once, however the check ends."""

from dataclasses import replace
from typing import Final

from services.prescription.domain.history import Action, Note, Occasion
from services.prescription.domain.prescription import WORDS, Prescription
from services.prescription.domain.refusal import Refused
from services.prescription.domain.requests import Answer, Waiting, over
from services.prescription.domain.state_table import Move

WAITING_MAX: Final = 50

FAILED: Final = ("safety_check_failed", "The safety check has not answered in time.")


def joined(prescription: Prescription, waiting: Waiting) -> Prescription:
    """One request more that waits for the check."""
    if len(prescription.waiting) >= WAITING_MAX:
        raise Refused("overloaded", "Too many requests wait for this check.")
    return replace(prescription, waiting=(*prescription.waiting, waiting))


def answered(prescription: Prescription) -> Prescription:
    """The check is stored: that is what all of them wanted to know."""
    told = tuple(Answer(one) for one in prescription.waiting)
    return replace(prescription, waiting=(), answers=(*prescription.answers, *told))


def overtaken(prescription: Prescription) -> Prescription:
    """What has come to its end is checked no more; elsewhere they go on waiting."""
    if not prescription.waiting or prescription.cell(Move.ASK_CHECK).accepted:
        return prescription
    told = tuple(Answer(one, WORDS["Z"]) for one in prescription.waiting)
    return replace(prescription, waiting=(), answers=(*prescription.answers, *told))


def given_up(prescription: Prescription, occasion: Occasion) -> Prescription:
    """Those whose time is over are told so; with the last of them the check is over, and nothing was found.

    A signature that waits for the same check has a time of its own.
    """
    late = tuple(one for one in prescription.waiting if over(one.deadline, occasion.at))
    if not late:
        return prescription
    rest = tuple(one for one in prescription.waiting if one not in late)
    told = tuple(Answer(one, FAILED) for one in late)
    asked = prescription.check_asked if rest or prescription.signing else None
    changed = replace(prescription, waiting=rest, check_asked=asked, answers=(*prescription.answers, *told))
    note = Note(action=Action.CHECK_FAILED, error=FAILED[0])
    if changed.check_status is prescription.check_status:
        return prescription.besides(changed, occasion, note)
    return prescription.becomes(changed, occasion, note)

"""Drafts that come with items: from a template at once, from a consultation when they have been checked."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from services.prescription.domain import checking, editing, safety, waiting
from services.prescription.domain.history import Action, Change, Note, Occasion
from services.prescription.domain.items import Item
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Refused
from services.prescription.domain.requests import Rival, over
from services.prescription.domain.safety import AskedWith, Verdict

RIVALS_MAX: Final = 1_000


def begin(
    draft: Prescription,
    items: Sequence[Item],
    asked_with: AskedWith,
    occasion: Occasion,
    *,
    besides: Sequence[Change] = (),
) -> Prescription:
    """The draft with its items, in its first version, and a check of it under way.

    A link that the catalogue does not know any more is dropped, and the history says so.
    """
    placed = tuple(
        replace(one, created_at=occasion.at, updated_at=occasion.at, changed_in=draft.content_version)
        for one in items
    )
    filled = replace(draft, items=placed, last_position=len(placed))
    created = editing.create(filled, occasion, besides=besides)
    for one in placed:
        if one.cmed_medication_id is not None and one.product is None:
            created = _without_link(created, one, occasion)
    return checking.ask(created, asked_with, occasion, since=draft)


def checked(
    prescription: Prescription,
    verdict: Verdict,
    keys: safety.KeyMaker,
    occasion: Occasion,
    *,
    knowledge_base: str | None,
) -> Prescription:
    """A draft that was hidden, as all see it from now on: in its first version still."""
    nobody_saw = replace(prescription, version=prescription.version - 1)
    stored = checking.store_verdict(
        prescription, verdict, keys, occasion, since=nobody_saw, knowledge_base=knowledge_base
    )
    return replace(stored, issue=None)


def too_late(prescription: Prescription, occasion: Occasion) -> bool:
    """Whether its time was over before it was checked."""
    issue = prescription.issue
    return issue is not None and over(issue.deadline, occasion.at)


def joined(prescription: Prescription, rival: Rival) -> Prescription:
    """One request more for what is under way: of all of them one gets it, the others hear of it."""
    assert prescription.issue is not None
    if len(prescription.issue.rivals) >= RIVALS_MAX:
        raise Refused("overloaded", "Too many requests wait for this draft.")
    rivals = (*prescription.issue.rivals, rival)
    return replace(prescription, issue=replace(prescription.issue, rivals=rivals))


def exists(prescription: Prescription) -> Refused:
    """The refusal of a second draft from one consultation."""
    return Refused(
        "prescription_exists",
        "The consultation has a prescription.",
        details={"prescription_id": str(prescription.id)},
    )


def unchecked() -> Refused:
    """The refusal of a draft that could not be checked: without findings it would read as harmless."""
    return Refused(*waiting.FAILED)


def _without_link(prescription: Prescription, item: Item, occasion: Occasion) -> Prescription:
    unlinked = replace(item, cmed_medication_id=None)
    items = tuple(unlinked if one.id == item.id else one for one in prescription.items)
    note = Note(action=Action.ITEM_CHANGED, was=item, item=unlinked)
    return prescription.besides(replace(prescription, items=items), occasion, note)

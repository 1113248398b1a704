"""What may be changed before anybody has approved it, and the way to the approval."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NoReturn
from uuid import UUID

from services.prescription.domain.history import Action, Change, Note, Occasion, changes
from services.prescription.domain.items import SAFETY_RELEVANT, Item, changed_fields
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Detail, Failing, Refused, refuse_if
from services.prescription.domain.state_table import Move, Status

ITEMS_MAX: Final = 30

# What the history tells of a prescription at its beginning, besides its items.
_TOLD_AT_FIRST: Final = (
    *("patient_id", "doctor_id", "consultation_id", "template_id", "origin", "prescription_type"),
    *("notes", "valid_until"),
)


def create(prescription: Prescription, occasion: Occasion, *, besides: Sequence[Change] = ()) -> Prescription:
    """Its first version, with whatever items it comes with.

    `besides` is what else the history has to tell of how it came about.
    """
    said = changes(None, prescription, *_TOLD_AT_FIRST)
    items = (Note(action=Action.ITEM_ADDED, item=one) for one in prescription.items)
    return prescription.becomes(
        prescription, occasion, Note(action=Action.CREATED, changes=(*said, *besides)), *items
    )


def change_metadata(
    prescription: Prescription,
    *,
    notes: str | None,
    valid_until: datetime | None,
    prescription_type: str,
    occasion: Occasion,
) -> Prescription:
    """Notes, validity and type, as they shall stand from now on."""
    prescription.admit(Move.EDIT)
    changed = replace(prescription, notes=notes, valid_until=valid_until, prescription_type=prescription_type)
    said = changes(prescription, changed, "notes", "valid_until", "prescription_type")
    names = {one.field for one in said}
    if "valid_until" in names and valid_until is not None and valid_until <= occasion.at:
        refuse_if([Failing("valid_until", "not_in_future", "Must be in the future.")])
    if not names:
        return prescription
    if "prescription_type" in names:
        changed = _other_content(changed)
    return prescription.becomes(changed, occasion, Note(action=Action.METADATA_CHANGED, changes=said))


def item_named(prescription: Prescription, item_id: UUID) -> Item:
    """The line that a request is made on. Raises Refused when there is none, whatever else is wrong."""
    item = prescription.item(item_id)
    if item is None:
        raise Refused("resource_not_found", "No such item.")
    return item


def add_item(
    prescription: Prescription, item: Item, *, occasion: Occasion, items_max: int = ITEMS_MAX
) -> Prescription:
    """One more line, after all others; `item` has been looked up in the catalogue."""
    prescription.admit(Move.EDIT)
    refuse_if(_unknown_product(item))
    if len(prescription.items) >= items_max:
        raise Refused("items_limit", f"At most {items_max} items.")
    item = replace(
        item,
        position=1 + max(prescription.last_position, *(one.position for one in prescription.items), 0),
        created_at=occasion.at,
        updated_at=occasion.at,
        changed_in=prescription.content_version + 1,
    )
    note = Note(action=Action.ITEM_ADDED, item=item)
    placed = replace(prescription, last_position=item.position)
    return _with_items(placed, (*prescription.items, item), note, occasion)


def change_item(prescription: Prescription, item: Item, *, occasion: Occasion) -> Prescription:
    """A line as it shall be from now on; it keeps its place."""
    before = item_named(prescription, item.id)
    prescription.admit(Move.EDIT)
    names = changed_fields(before, item)
    if "cmed_medication_id" in names:
        refuse_if(_unknown_product(item))
    if not names:
        return prescription
    safety_relevant = bool(SAFETY_RELEVANT.intersection(names))
    item = replace(
        item,
        position=before.position,
        created_at=before.created_at,
        updated_at=occasion.at,
        changed_in=prescription.content_version + 1 if safety_relevant else before.changed_in,
    )
    items = tuple(item if one.id == item.id else one for one in prescription.items)
    note = Note(action=Action.ITEM_CHANGED, was=before, item=item)
    return _with_items(prescription, items, note, occasion, safety_relevant=safety_relevant)


def remove_item(prescription: Prescription, item_id: UUID, *, occasion: Occasion) -> Prescription:
    """A line less; its place stays empty."""
    before = item_named(prescription, item_id)
    prescription.admit(Move.REMOVE_ITEM)
    if prescription.status is Status.PENDING_REVIEW and len(prescription.items) == 1:
        raise Refused("last_item", "Add the replacement first: what is under review has an item.")
    items = tuple(one for one in prescription.items if one.id != item_id)
    return _with_items(prescription, items, Note(action=Action.ITEM_REMOVED, was=before), occasion)


def ready_as_template(prescription: Prescription) -> None:
    """Raise Refused unless its items can be kept as a template, which every status allows."""
    prescription.admit(Move.SAVE_AS_TEMPLATE)
    _has_items(prescription)


def submit_for_review(prescription: Prescription, *, occasion: Occasion) -> Prescription:
    """Its content is complete; somebody shall look at it."""
    target = prescription.admit(Move.TO_PENDING_REVIEW, asked_for=Status.PENDING_REVIEW)
    complete(prescription)
    return prescription.becomes(replace(prescription, status=target.status), occasion)


def complete(prescription: Prescription) -> None:
    """Raise Refused unless it has items, each of which says what a reviewer needs to know."""
    _has_items(prescription)
    incomplete: list[Detail] = [
        {"id": str(item.id), "missing_fields": list(item.missing_fields)}
        for item in prescription.items
        if item.missing_fields
    ]
    if incomplete:
        raise Refused("items_incomplete", "Some items lack required fields.", details={"items": incomplete})


def validate(prescription: Prescription, *, valid_until: datetime | None, occasion: Occasion) -> Prescription:
    """Approved, and valid until then."""
    target = prescription.admit(Move.TO_VALIDATED, asked_for=Status.VALIDATED)
    if valid_until is None:
        missing = Failing("valid_until", "missing", "Is required.")
        raise Refused("validation_failed", missing.message, errors=(missing,))
    if valid_until <= occasion.at:
        refuse_if([Failing("valid_until", "not_in_future", "Must be in the future.")])
    changed = replace(prescription, status=target.status, valid_until=valid_until)
    note = Note(action=Action.STATUS_CHANGED, changes=changes(prescription, changed, "valid_until"))
    return prescription.becomes(changed, occasion, note)


def refuse_target(prescription: Prescription, target: Status) -> NoReturn:
    """`draft` and `expired` are names of statuses that nobody can ask for."""
    prescription.admit(Move.TO_DRAFT_OR_EXPIRED, asked_for=target)
    raise AssertionError("the table lets somebody ask for a status that is never asked for")


def _has_items(prescription: Prescription) -> None:
    if not prescription.items:
        raise Refused("items_required", "At least one item.")


def _unknown_product(item: Item) -> Sequence[Failing]:
    """A link that the catalogue does not know: it is there, but no product came of it."""
    if item.cmed_medication_id is None or item.product is not None:
        return ()
    return [Failing("cmed_medication_id", "unknown_reference", "No such product in the catalogue.")]


def _with_items(
    prescription: Prescription,
    items: tuple[Item, ...],
    note: Note,
    occasion: Occasion,
    *,
    safety_relevant: bool = True,
) -> Prescription:
    changed = replace(prescription, items=items)
    return prescription.becomes(_other_content(changed) if safety_relevant else changed, occasion, note)


def _other_content(changed: Prescription) -> Prescription:
    """What was checked, or is being checked, is no longer what it says."""
    return replace(changed, content_version=changed.content_version + 1, check_asked=None)

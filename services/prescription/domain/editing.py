"""What may be changed before anybody has approved it, and the way to the approval."""

from dataclasses import replace
from datetime import datetime
from typing import Final, NoReturn
from uuid import UUID

from services.prescription.domain.history import Action, Change, Note, Occasion
from services.prescription.domain.items import SAFETY_RELEVANT, Item, changed_fields
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Detail, Failing, Refused, refuse_if
from services.prescription.domain.state_table import Move, Status

ITEMS_MAX: Final = 30


def create(prescription: Prescription, occasion: Occasion) -> Prescription:
    """Its first version, with whatever items it comes with."""
    return prescription.becomes(prescription, occasion, Note(action=Action.CREATED))


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
    if valid_until is not None and valid_until <= occasion.at:
        refuse_if([Failing("valid_until", "not_in_future", "Must be in the future.")])
    changed = replace(prescription, notes=notes, valid_until=valid_until, prescription_type=prescription_type)
    names = [n for n in ("notes", "valid_until", "prescription_type") if _differ(prescription, changed, n)]
    if not names:
        return prescription
    if "prescription_type" in names:
        changed = replace(changed, content_version=prescription.content_version + 1)
    note = Note(action=Action.METADATA_CHANGED, changes=tuple(Change(n, None, None) for n in names))
    return prescription.becomes(changed, occasion, note)


def add_item(
    prescription: Prescription, item: Item, *, occasion: Occasion, items_max: int = ITEMS_MAX
) -> Prescription:
    """One more line, after all others."""
    prescription.admit(Move.EDIT)
    if len(prescription.items) >= items_max:
        raise Refused("items_limit", f"At most {items_max} items.")
    item = replace(item, position=1 + max((one.position for one in prescription.items), default=0))
    return _with_items(prescription, (*prescription.items, item), Action.ITEM_ADDED, item.id, occasion)


def change_item(prescription: Prescription, item: Item, *, occasion: Occasion) -> Prescription:
    """A line as it shall be from now on; it keeps its place."""
    before = _item(prescription, item.id, Move.EDIT)
    item = replace(item, position=before.position)
    names = changed_fields(before, item)
    if not names:
        return prescription
    items = tuple(item if one.id == item.id else one for one in prescription.items)
    return _with_items(
        prescription,
        items,
        Action.ITEM_CHANGED,
        item.id,
        occasion,
        safety_relevant=bool(SAFETY_RELEVANT.intersection(names)),
    )


def remove_item(prescription: Prescription, item_id: UUID, *, occasion: Occasion) -> Prescription:
    """A line less; its place stays empty."""
    _item(prescription, item_id, Move.REMOVE_ITEM)
    if prescription.status is Status.PENDING_REVIEW and len(prescription.items) == 1:
        raise Refused("last_item", "Add the replacement first: what is under review has an item.")
    items = tuple(one for one in prescription.items if one.id != item_id)
    return _with_items(prescription, items, Action.ITEM_REMOVED, item_id, occasion)


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
    return prescription.becomes(changed, occasion)


def refuse_target(prescription: Prescription, target: Status) -> NoReturn:
    """`draft` and `expired` are names of statuses that nobody can ask for."""
    prescription.admit(Move.TO_DRAFT_OR_EXPIRED, asked_for=target)
    raise AssertionError("the table lets somebody ask for a status that is never asked for")


def _has_items(prescription: Prescription) -> None:
    if not prescription.items:
        raise Refused("items_required", "At least one item.")


def _item(prescription: Prescription, item_id: UUID, move: Move) -> Item:
    item = prescription.item(item_id)
    if item is None:
        raise Refused("resource_not_found", "No such item.")
    prescription.admit(move)
    return item


def _with_items(
    prescription: Prescription,
    items: tuple[Item, ...],
    action: Action,
    item_id: UUID,
    occasion: Occasion,
    *,
    safety_relevant: bool = True,
) -> Prescription:
    content_version = prescription.content_version + (1 if safety_relevant else 0)
    changed = replace(prescription, items=items, content_version=content_version)
    return prescription.becomes(
        changed, occasion, Note(action=action, changes=(Change("item", None, str(item_id)),))
    )


def _differ(before: Prescription, after: Prescription, name: str) -> bool:
    return bool(getattr(before, name) != getattr(after, name))

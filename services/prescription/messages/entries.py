"""Domain to contract: the history, line by line."""

from collections.abc import Iterator

from contracts import values
from services.prescription.domain.history import DispensationNote, Entry, Note, spelled
from services.prescription.domain.items import Item
from services.prescription.messages import state


def entry(one: Entry) -> values.HistoryEntry:
    """A line of the history: ids and words in `data`, what the patient's record says beside it."""
    actor = one.occasion.actor
    data: dict[str, str | int | bool | None] = {"version": one.version, "actor_type": actor.type.value}
    told = {
        "from_status": one.from_status.value if one.from_status else None,
        "to_status": one.to_status.value if one.to_status else None,
        "error": one.note.error,
        "dialect": one.occasion.dialect,
        "doctor_id": str(actor.doctor_id) if actor.doctor_id else None,
        "findings": ",".join(one.key for one in one.note.findings) or None,
    }
    data |= {name: value for name, value in told.items() if value is not None}
    if (note := one.note.dispensation) is not None:
        data |= {"dispensation_id": str(note.id), "dispensation_status": note.status.value}
    return values.HistoryEntry(
        revision=one.revision,
        at=one.occasion.at,
        what=one.note.action.value,
        actor=actor.client_id or actor.type.value,
        request_id=one.occasion.request_id,
        data=data,
        changes=(
            *(_change(each.field, each.old, each.new) for each in one.note.changes),
            *_item_changes(one.note),
            *_dispensation_changes(one.note),
        ),
        findings=tuple(state.keyed(each) for each in one.note.findings),
        coverage=state.coverage(one.note.coverage),
        not_evaluated=state.not_evaluated(one.note.not_evaluated),
    )


def _change(field: str, old: values.Json, new: values.Json) -> values.FieldChange:
    """Of values that are JSON by their type: to look through them again costs more than all else here."""
    return values.FieldChange.model_construct(field=field, old=old, new=new)


def _item_changes(note: Note) -> Iterator[values.FieldChange]:
    """A line whole where it came or went, else what is no longer as it was."""
    was = _written(note.was) if note.was else None
    item = _written(note.item) if note.item else None
    one = note.item or note.was
    if one is None:
        return
    if was is None or item is None:
        yield _change(f"items.{one.id}", was, item)
        return
    for name in was:
        if name == "updated_at":
            continue  # The entry says when.
        if was[name] != item[name]:
            yield _change(f"items.{one.id}.{name}", was[name], item[name])


def _dispensation_changes(note: Note) -> Iterator[values.FieldChange]:
    """A claim whole where it is new, else what is no longer as it was."""
    one = note.dispensation
    if one is None:
        return
    was, now = _claimed(note.dispensation_was) if note.dispensation_was else None, _claimed(one)
    if was is None:
        yield _change(f"dispensations.{one.id}", None, now)
        return
    for name in now:
        if was[name] != now[name]:
            yield _change(f"dispensations.{one.id}.{name}", was[name], now[name])


def _claimed(one: DispensationNote) -> dict[str, values.Json]:
    return {
        "status": one.status.value,
        "source": one.source.value,
        "pharmacy": one.pharmacy,
        "started_at": spelled(one.started_at) if one.started_at else None,
        "ended_at": spelled(one.ended_at) if one.ended_at else None,
        "items": [{"item_id": str(id), "quantity": quantity} for id, quantity in one.quantities],
    }


def _written(item: Item) -> dict[str, values.Json]:
    """The line as the history tells it: all of it that a read shows, but for what was dispensed."""
    told: dict[str, values.Json] = values.Item.model_validate(state.said(item)).model_dump(
        mode="json", exclude={"dispensed_quantity", "remaining_quantity", "substituted"}
    )
    return told

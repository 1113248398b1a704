"""What happened to a prescription, as this dialect tells it (delphos-dialect 11.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from contracts.values import FieldChange, HistoryEntry, Item
from services.gateway.messages.delphos import findings, items, safety
from services.gateway.messages.delphos.findings import Interaction
from services.gateway.messages.delphos.reader import Reader
from services.gateway.messages.delphos.safety import CheckCoverage, Unanswered
from services.gateway.messages.delphos.words import Moment, Shown, moment

ACTIONS: Final = (
    *("created", "metadata_changed", "item_added", "item_changed", "item_removed", "checked"),
    *("check_failed", "acknowledged", "status_changed", "signing_started", "signing_failed"),
    *("attempt_refused", "dispensation_started", "dispensation_ended", "pdf_downloaded"),
    # A pharmacy changed the lines of its claim: a change like any other, for which 11.1 has no word.
    "dispensation_changed",
)
"""What is told. Deliveries, look-ups of codes and requests for checks change nothing that a read shows."""
CHECKED: Final = "checked"

_ITEM: Final = (
    *("position", "medication_name", "active_ingredient", "dosage", "route", "frequency", "duration"),
    *("quantity", "unit", "instructions", "clinical_notes", "cmed_medication_id", "match_status"),
    *("match_score", "ingredients", "source_text", "suggestions"),
)
"""What is told of an item: its members in this dialect, but for those that every line has of its own."""
_MOMENTS: Final = (
    *("valid_until", "signed_at", "submitted_at"),
    *("signature.timestamped_at", "safety_check.checked_at", "started_at", "ended_at"),
)
_AN_ITEM: Final = re.compile(r"items\.[0-9a-f-]{36}(?:\.(\w+))?")
_A_CLAIM: Final = re.compile(r"dispensations\.[0-9a-f-]{36}(?:\.(\w+))?")


class Actor(Shown):
    """Who did it: a key by its first characters, the other dialect's clients by their id."""

    type: str | None
    key_prefix: str | None
    client: str | None
    doctor_id: UUID | None


class Change(Shown):
    """A field that is no longer what it was."""

    field: str
    old: JsonValue
    new: JsonValue


class HistoryLine(Shown):
    """One thing that happened; `seq` numbers the lines that are told."""

    seq: int
    at: Moment
    action: str
    actor: Actor
    request_id: UUID | None
    dialect: str | None
    version: int | None
    from_status: str | None
    to_status: str | None
    changes: list[Change]
    findings: list[Interaction]
    coverage: dict[str, CheckCoverage] | None
    not_evaluated: list[Unanswered] | None
    error: str | None


class History(Shown):
    """A page of it, oldest first."""

    history: list[HistoryLine]
    total: int
    limit: int
    offset: int


def page(
    entries: Iterable[HistoryEntry],
    known: tuple[Item, ...],
    reader: Reader,
    *,
    total: int,
    limit: int,
    offset: int,
) -> History:
    """`known`: the items that findings may speak of."""
    lines = [line(seq, one, known, reader) for seq, one in enumerate(entries, start=offset + 1)]
    return History(history=lines, total=total, limit=limit, offset=offset)


def line(seq: int, one: HistoryEntry, known: tuple[Item, ...], reader: Reader) -> HistoryLine:
    data: dict[str, Any] = dict(one.data)
    return HistoryLine(
        seq=seq,
        at=one.at,
        action=one.what,
        actor=_actor(one),
        request_id=one.request_id,
        dialect=data.get("dialect"),
        version=data.get("version"),
        from_status=data.get("from_status"),
        to_status=data.get("to_status"),
        changes=[shown for each in one.changes if (shown := _change(each, reader)) is not None],
        findings=findings.render(one.findings, known, reader),
        coverage=safety.coverage(one.coverage) if one.what == CHECKED else None,
        not_evaluated=safety.unanswered(one.not_evaluated) if one.what == CHECKED else None,
        error=data.get("error"),
    )


def _change(one: FieldChange, reader: Reader) -> Change | None:
    """As this dialect names and writes it; None for what it has no member for."""
    if (claim := _A_CLAIM.fullmatch(one.field)) is not None:
        return Change(
            field=one.field, old=_claim(claim[1], one.old, reader), new=_claim(claim[1], one.new, reader)
        )
    found = _AN_ITEM.fullmatch(one.field)
    name = one.field if found is None else found[1]
    if name is None:
        return Change(field=one.field, old=_item(one.old, reader), new=_item(one.new, reader))
    if found is not None and name not in _ITEM:
        return None
    return Change(field=one.field, old=_value(name, one.old, reader), new=_value(name, one.new, reader))


def _item(told: JsonValue, reader: Reader) -> JsonValue:
    """An item that came or went."""
    if told is None:
        return None
    item = Item.model_validate(told)
    ordered = items.ordered(item, reader)
    members: JsonValue = to_jsonable_python({"id": item.item_id} | {name: ordered[name] for name in _ITEM})
    return members


def _claim(name: str | None, told: JsonValue, reader: Reader) -> JsonValue:
    """A dispensation, or a member of one; its status is a word of this dialect's own (4.5)."""
    if name is None and isinstance(told, dict):
        return {member: _claim(member, value, reader) for member, value in told.items()}
    if name == "status" and isinstance(told, str):
        return told.lower()
    return told if name is None else _value(name, told, reader)


def _value(name: str, told: JsonValue, reader: Reader) -> JsonValue:
    if name == "ingredients" and isinstance(told, list):
        return [reader.name(str(one)) for one in told]
    if name in _MOMENTS and isinstance(told, str):
        return moment(datetime.fromisoformat(told))
    return told


def _actor(one: HistoryEntry) -> Actor:
    """Of pharmacies neither key nor client: they are another tenant's."""
    data: dict[str, Any] = dict(one.data)
    kind, dialect = data.get("actor_type"), data.get("dialect")
    by_key = kind == "api_key" and dialect == "delphos"
    return Actor(
        type=kind,
        key_prefix=one.actor if by_key else None,
        client=one.actor if kind == "api_key" and not by_key else None,
        doctor_id=data.get("doctor_id"),
    )

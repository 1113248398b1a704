"""What happened to a prescription, as this dialect tells it (delphos-dialect 11.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from pydantic import JsonValue

from contracts.values import HistoryEntry, Item
from services.gateway.messages.delphos import findings
from services.gateway.messages.delphos.findings import Interaction
from services.gateway.messages.delphos.reader import Reader
from services.gateway.messages.delphos.words import Moment, Shown

ACTIONS: Final = (
    *("created", "metadata_changed", "item_added", "item_changed", "item_removed", "checked"),
    *("check_failed", "acknowledged", "status_changed", "signing_started", "signing_failed"),
    *("attempt_refused", "dispensation_started", "dispensation_ended", "pdf_downloaded"),
    # A pharmacy changed the lines of its claim: a change like any other, for which 11.1 has no word.
    "dispensation_changed",
)
"""What is told. Deliveries, look-ups of codes and requests for checks change nothing that a read shows."""


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
    error: str | None


class History(Shown):
    """A page of it, oldest first."""

    history: list[HistoryLine]
    total: int
    limit: int
    offset: int


def page(
    entries: Iterable[HistoryEntry],
    items: tuple[Item, ...],
    reader: Reader,
    *,
    total: int,
    limit: int,
    offset: int,
) -> History:
    """`items`: those that findings may speak of."""
    lines = [line(seq, one, items, reader) for seq, one in enumerate(entries, start=offset + 1)]
    return History(history=lines, total=total, limit=limit, offset=offset)


def line(seq: int, one: HistoryEntry, items: tuple[Item, ...], reader: Reader) -> HistoryLine:
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
        changes=[Change(field=each.field, old=each.old, new=each.new) for each in one.changes],
        findings=findings.render(one.findings, items, reader),
        error=data.get("error"),
    )


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

"""What happened to a prescription, as this dialect tells it (delphos-dialect 11.1)."""

from __future__ import annotations

from typing import Any, Final

from contracts.values import HistoryEntry, Item
from services.gateway.messages.delphos import findings
from services.gateway.messages.delphos.reader import Reader, moment

ACTIONS: Final = (
    *("created", "metadata_changed", "item_added", "item_changed", "item_removed", "checked"),
    *("check_failed", "acknowledged", "status_changed", "signing_started", "signing_failed"),
    *("attempt_refused", "dispensation_started", "dispensation_ended", "pdf_downloaded"),
    # A pharmacy changed the lines of its claim: a change like any other, for which 11.1 has no word.
    "dispensation_changed",
)
"""What is told. Deliveries, look-ups of codes and requests for checks change nothing that a read shows."""


def render(seq: int, one: HistoryEntry, items: tuple[Item, ...], reader: Reader) -> dict[str, Any]:
    """One line; `seq` numbers the lines that are told. `items`: those that findings may speak of."""
    data = one.data
    return {
        "seq": seq,
        "at": moment(one.at),
        "action": one.what,
        "actor": _actor(one),
        "request_id": None if one.request_id is None else str(one.request_id),
        "dialect": data.get("dialect"),
        "version": data.get("version"),
        "from_status": data.get("from_status"),
        "to_status": data.get("to_status"),
        "changes": [{"field": change.field, "old": change.old, "new": change.new} for change in one.changes],
        "findings": findings.render(one.findings, items, reader),
        "error": data.get("error"),
    }


def _actor(one: HistoryEntry) -> dict[str, Any]:
    """A key by its first characters; the other dialect's clients by their id, pharmacies by neither."""
    kind, dialect = one.data.get("actor_type"), one.data.get("dialect")
    by_key = kind == "api_key" and dialect == "delphos"
    return {
        "type": kind,
        "key_prefix": one.actor if by_key else None,
        "client": one.actor if kind == "api_key" and not by_key else None,
        "doctor_id": one.data.get("doctor_id"),
    }

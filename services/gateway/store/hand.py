"""What a batch of outcomes has in hand: requests locked together, answers and views written at its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.prescription_events import PrescriptionChanged
from contracts.values import Consultation, Prescription, Template
from services.gateway.messages.answers import Answer
from services.gateway.messages.requests import Request
from services.gateway.store import history, records, requests, views
from services.gateway.store.history import Told
from services.gateway.store.requests import Finished
from shared.database import Connection


@dataclass
class _Hand:
    conn: Connection
    pending: dict[UUID, Request] = field(default_factory=dict)
    shown: dict[tuple[UUID, UUID], Prescription] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    records: dict[UUID, Consultation | Template] = field(default_factory=dict)
    finished: list[Finished] = field(default_factory=list)


_hand: Final[ContextVar[_Hand | None]] = ContextVar("outcomes in hand", default=None)


async def hold(conn: Connection, request_ids: Iterable[UUID]) -> None:
    """Lock those of the requests that wait for their outcome, in one order for all."""
    wanted = sorted(set(request_ids))
    _hand.set(_Hand(conn, await requests.lock_pending(conn, wanted) if wanted else {}))


def _of(conn: Connection) -> _Hand:
    hand = _hand.get()
    if hand is None or hand.conn is not conn:
        raise LookupError("nothing is held in this transaction")
    return hand


def pending(conn: Connection, request_id: UUID) -> Request | None:
    """The request that an outcome answers; None if it was answered before, or is none of ours."""
    return _of(conn).pending.get(request_id)


def show(conn: Connection, prescription: Prescription) -> None:
    """Show this state to whoever reads, unless a higher revision is shown or in hand."""
    shown = _of(conn).shown
    place = prescription.tenant_id, prescription.prescription_id
    if place not in shown or shown[place].revision < prescription.revision:
        shown[place] = prescription


def tell(conn: Connection, event: PrescriptionChanged) -> None:
    """Keep what its history says of how this state came about."""
    state = event.prescription
    _of(conn).told += [Told(state.tenant_id, state.prescription_id, entry) for entry in event.history]


def show_record(conn: Connection, record: Consultation | Template) -> None:
    """Show this state of a consultation or a template, unless a higher version is shown or in hand."""
    held = _of(conn).records
    record_id = record.consultation_id if isinstance(record, Consultation) else record.template_id
    if record_id not in held or held[record_id].version < record.version:
        held[record_id] = record


def finish(
    conn: Connection, request: Request, answer: Answer, *, prescription_id: UUID | None, at: datetime
) -> None:
    """Answer a request: whoever waits for it hears of it when this commits."""
    hand = _of(conn)
    del hand.pending[request.asked.request_id]
    hand.finished.append(Finished(request, answer, prescription_id, at))


async def settle(conn: Connection) -> None:
    """Write what is in hand: views first, so that nobody hears of what cannot be read yet."""
    hand = _hand.get()
    if hand is None or hand.conn is not conn:
        return
    await views.keep(conn, [hand.shown[place] for place in sorted(hand.shown)])
    await history.keep(conn, hand.told)
    await _keep(conn, [hand.records[record_id] for record_id in sorted(hand.records)])
    await requests.finish(conn, hand.finished)
    hand.shown.clear()
    hand.told.clear()
    hand.records.clear()
    hand.finished.clear()


async def _keep(conn: Connection, kept: Sequence[Consultation | Template]) -> None:
    await records.keep_consultations(conn, [one for one in kept if isinstance(one, Consultation)])
    await records.keep_templates(conn, [one for one in kept if isinstance(one, Template)])

"""What a batch of outcomes has in hand: requests locked together, answers and views written at its end."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.prescription_events import PrescriptionChanged
from contracts.rebuilding import AnnouncementEnded, StateAnnounced
from contracts.values import Consultation, Prescription, Template
from services.gateway.messages.answers import Answer
from services.gateway.messages.requests import Request
from services.gateway.store import answered, history, rebuilds, records, requests, views
from services.gateway.store.generations import REBUILT, SHOWN, Generation
from services.gateway.store.history import Told
from services.gateway.store.requests import Finished
from shared.database import Connection


@dataclass
class _States:
    """What views are to show: of each record the highest revision or version, and what is told of it."""

    prescriptions: dict[tuple[UUID, UUID], Prescription] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    records: dict[UUID, Consultation | Template] = field(default_factory=dict)

    def show(self, one: Prescription) -> None:
        place = one.tenant_id, one.prescription_id
        known = self.prescriptions.get(place)
        if known is None or known.revision < one.revision:
            self.prescriptions[place] = one

    def show_record(self, one: Consultation | Template) -> None:
        record_id = one.consultation_id if isinstance(one, Consultation) else one.template_id
        known = self.records.get(record_id)
        if known is None or known.version < one.version:
            self.records[record_id] = one

    def announced(self, event: StateAnnounced) -> None:
        if event.prescription is not None:
            self.show(event.prescription)
        self.told += [Told(event.tenant_id, event.record_id, entry) for entry in event.history]
        for record in (event.consultation, event.template):
            if record is not None:
                self.show_record(record)

    def __bool__(self) -> bool:
        return bool(self.prescriptions or self.told or self.records)


@dataclass
class _Hand:
    conn: Connection
    pending: dict[UUID, Request] = field(default_factory=dict)
    states: _States = field(default_factory=_States)
    announced: list[StateAnnounced] = field(default_factory=list)
    ends: list[AnnouncementEnded] = field(default_factory=list)
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
    _of(conn).states.show(prescription)


def tell(conn: Connection, event: PrescriptionChanged) -> None:
    """Keep what its history says of how this state came about."""
    state = event.prescription
    told = _of(conn).states.told
    told += [Told(state.tenant_id, state.prescription_id, entry) for entry in event.history]


def show_record(conn: Connection, record: Consultation | Template) -> None:
    """Show this state of a consultation or a template, unless a higher version is shown or in hand."""
    _of(conn).states.show_record(record)


def rebuild_from(conn: Connection, event: StateAnnounced | AnnouncementEnded) -> None:
    """Have the views that are being rebuilt show what is announced for them."""
    hand = _of(conn)
    if isinstance(event, StateAnnounced):
        hand.announced.append(event)
    else:
        hand.ends.append(event)


def finish(
    conn: Connection, request: Request, answer: Answer, *, prescription_id: UUID | None, at: datetime
) -> None:
    """Answer a request: whoever waits for it hears of it when this commits."""
    hand = _of(conn)
    del hand.pending[request.asked.request_id]
    # As it is stored: whoever waits gets the same bytes, whichever way they hear of it.
    stored = replace(answer, body=answer.content())
    hand.finished.append(Finished(request, stored, prescription_id, at))


async def settle(conn: Connection) -> None:
    """Write what is in hand: views first, so that nobody hears of what cannot be read yet."""
    hand = _hand.get()
    if hand is None or hand.conn is not conn:
        return
    if hand.states or hand.announced or hand.ends:
        rebuild_id = await rebuilds.to_fill(conn)
        await _keep(conn, hand.states, SHOWN)
        if rebuild_id is not None:
            await _fill(conn, hand, rebuild_id)
    if hand.finished:
        await requests.finish(conn, hand.finished)
        answered.once_committed({one.request.asked.request_id: one.answer for one in hand.finished})
    hand.states = _States()
    hand.announced.clear()
    hand.ends.clear()
    hand.finished.clear()


async def _fill(conn: Connection, hand: _Hand, rebuild_id: UUID) -> None:
    """Fill the second generation, with what has happened and with what is announced for this rebuild."""
    announced = [one for one in hand.announced if one.rebuild_id == rebuild_id]
    for event in announced:
        hand.states.announced(event)
    await _keep(conn, hand.states, REBUILT)
    counts = [one.announced for one in hand.ends if one.rebuild_id == rebuild_id]
    await rebuilds.note_arrival(conn, rebuild_id, len(announced), counts[-1] if counts else None)


async def _keep(conn: Connection, states: _States, generation: Generation) -> None:
    kept = [states.records[record_id] for record_id in sorted(states.records)]
    prescriptions = [states.prescriptions[place] for place in sorted(states.prescriptions)]
    await views.keep(conn, prescriptions, generation)
    await history.keep(conn, states.told, generation)
    await records.keep_consultations(conn, [one for one in kept if isinstance(one, Consultation)], generation)
    await records.keep_templates(conn, [one for one in kept if isinstance(one, Template)], generation)

"""What became of a command: its answer and the view that it changes, stored in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from contracts.command_outcomes import (
    CommandRefused,
    CommandSucceeded,
    RecordCommandRefused,
    RecordCommandSucceeded,
)
from contracts.message import Message
from contracts.notification_events import DocumentFinished
from contracts.prescription_commands import IssuePrescription
from contracts.prescription_events import ConsultationChanged, PrescriptionChanged, TemplateChanged
from contracts.rebuilding import AnnouncementEnded, StateAnnounced
from services.gateway.handlers import handlers
from services.gateway.messages import outcomes
from services.gateway.messages.answers import Answer
from services.gateway.messages.dialects import DELPHOS
from services.gateway.messages.requests import Request
from services.gateway.store import consents, directory, documents, hand, ingredient_names
from services.gateway.store.consents import Consent
from shared import clock, telemetry
from shared.database import Connection
from shared.outbox import Outbox

Outcome: TypeAlias = CommandSucceeded | CommandRefused | RecordCommandSucceeded | RecordCommandRefused
Tell: TypeAlias = Callable[[Request, Answer, Outcome, Connection, Outbox], Awaitable[None]]

_ANSWERS: Final = (
    *(CommandSucceeded, CommandRefused, RecordCommandSucceeded, RecordCommandRefused, DocumentFinished),
)

_tellers: Final[dict[str, Tell]] = {}


def after_outcome(source: str) -> Callable[[Tell], Tell]:
    """Have something said of each outcome of requests from this source, in the transaction that stores it."""

    def register(tell: Tell) -> Tell:
        _tellers[source] = tell
        return tell

    return register


@handlers.hold
async def hold(conn: Connection, messages: Sequence[Message]) -> None:
    """Lock the requests that the messages answer."""
    await hand.hold(conn, [one.request_id for one in messages if isinstance(one, _ANSWERS)])


handlers.settle(hand.settle)


@handlers.on(CommandSucceeded)
async def on_command_succeeded(event: CommandSucceeded, conn: Connection, outbox: Outbox) -> None:
    """Whoever reads after the answer sees at least the state that it speaks of."""
    request = hand.pending(conn, event.request_id)

    hand.show(conn, event.prescription)
    if event.template is not None:
        hand.show_record(conn, event.template)
    if request is not None:
        answer = outcomes.success(event, await _with_names(conn, request))
        await _finish(conn, request, event, answer, outbox, about=event.prescription_id)
        await _keep_consent(conn, request, event)
        await _reveal_patient(conn, request, event, outbox)


@handlers.on(CommandRefused)
async def on_command_refused(event: CommandRefused, conn: Connection, outbox: Outbox) -> None:
    """A refusal left nothing behind, but a read after it is not older than the state it was decided on."""
    request = hand.pending(conn, event.request_id)

    if event.prescription is not None:
        hand.show(conn, event.prescription)
    if request is not None:
        refused = outcomes.refusal(outcomes.problem(event, request), request)
        # What a refused request would have made has an id, but nothing ever had it.
        about = event.prescription.prescription_id if event.prescription else None
        await _finish(conn, request, event, refused, outbox, about=about)


@handlers.on(RecordCommandSucceeded)
async def on_record_command_succeeded(
    event: RecordCommandSucceeded, conn: Connection, outbox: Outbox
) -> None:
    """The same of a consultation or a template."""
    request = hand.pending(conn, event.request_id)

    for record in (event.consultation, event.template):
        if record is not None:
            hand.show_record(conn, record)
    if request is not None:
        await _finish(conn, request, event, outcomes.success(event, request), outbox)


@handlers.on(RecordCommandRefused)
async def on_record_command_refused(event: RecordCommandRefused, conn: Connection, outbox: Outbox) -> None:
    """The same of a consultation or a template."""
    request = hand.pending(conn, event.request_id)
    if request is not None:
        refused = outcomes.refusal(outcomes.problem(event, request), request)
        await _finish(conn, request, event, refused, outbox)


@handlers.on(ConsultationChanged)
async def on_consultation_changed(event: ConsultationChanged, conn: Connection, outbox: Outbox) -> None:
    hand.show_record(conn, event.consultation)


@handlers.on(TemplateChanged)
async def on_template_changed(event: TemplateChanged, conn: Connection, outbox: Outbox) -> None:
    hand.show_record(conn, event.template)


@handlers.on(PrescriptionChanged)
async def on_prescription_changed(event: PrescriptionChanged, conn: Connection, outbox: Outbox) -> None:
    hand.show(conn, event.prescription)
    hand.tell(conn, event)


@handlers.on(StateAnnounced)
async def on_state_announced(event: StateAnnounced, conn: Connection, outbox: Outbox) -> None:
    hand.rebuild_from(conn, event)


@handlers.on(AnnouncementEnded)
async def on_announcement_ended(event: AnnouncementEnded, conn: Connection, outbox: Outbox) -> None:
    hand.rebuild_from(conn, event)


@handlers.on(DocumentFinished)
async def on_document_finished(event: DocumentFinished, conn: Connection, outbox: Outbox) -> None:
    """Keep the copy, and tell whoever waits for it."""
    request = hand.pending(conn, event.request_id)
    if request is None:
        return  # Told before; the copy is kept.
    now = clock.now()
    asked = request.context or {}
    ended_at = asked.get("ended_at")
    await documents.keep(
        conn,
        event,
        face=str(asked["face"]),
        ended_at=None if ended_at is None else datetime.fromisoformat(str(ended_at)),
        made_at=now,
    )
    hand.finish(conn, request, Answer(200), prescription_id=event.prescription_id, at=now)


async def _with_names(conn: Connection, request: Request) -> Request:
    """What an answer of the second dialect is rendered with besides: the names of ingredients."""
    if request.dialect is not DELPHOS:
        return request
    names = await ingredient_names.names.seen_by(conn)
    return replace(request, context={**(request.context or {}), "names": names})


async def _finish(
    conn: Connection,
    request: Request,
    event: Outcome,
    answer: Answer,
    outbox: Outbox,
    *,
    about: UUID | None = None,
) -> None:
    """`about`: the prescription that the outcome speaks of."""
    hand.finish(conn, request, answer, prescription_id=about, at=clock.now())
    telemetry.request_outcomes.labels("succeeded" if answer.succeeded else str(answer.status)).inc()
    tell = _tellers.get(request.asked.source)
    if tell is not None:
        await tell(request, answer, event, conn, outbox)


async def _keep_consent(conn: Connection, request: Request, event: CommandSucceeded) -> None:
    """What the patient said is kept beside the prescription it was said with (osigu-dialect 5.4)."""
    issued = event.prescription
    if request.kind != IssuePrescription.ce_type or issued.patient_data_consent is None:
        return
    consent = Consent(
        tenant_id=issued.tenant_id,
        prescription_id=issued.prescription_id,
        patient_id=issued.patient.patient_id,
        doctor_id=issued.doctor.doctor_id,
        client=request.asked.client,
        path_version=issued.api_version,
        given=issued.patient_data_consent,
        given_at=request.accepted_at,
    )
    await consents.keep(conn, consent)


async def _reveal_patient(
    conn: Connection, request: Request, event: CommandSucceeded, outbox: Outbox
) -> None:
    """An inline patient comes into the directory with the first success (DESIGN 3.1.2)."""
    if (request.context or {}).get("inline_patient"):
        patient = event.prescription.patient
        changed = await directory.reveal_patient(conn, event.tenant_id, patient, now=clock.now())
        if changed is not None:
            outbox.announce(changed)

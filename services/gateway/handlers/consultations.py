"""What upstream systems hand in on `consultation-events-v1`: each becomes the command of its HTTP call.

What that call would be refused for goes to the dead letters, with the error's code (delphos-dialect 8.2).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from contracts.command_outcomes import RecordCommandRefused
from contracts.consultation_events import ConsultationCompleted
from contracts.message import Caller
from contracts.record_commands import PutConsultation
from services.gateway.auth.api_keys import KeyHolder
from services.gateway.auth.principal import Principal
from services.gateway.auth.rights import WRITE
from services.gateway.checks import fields
from services.gateway.checks.delphos import consultations as checks
from services.gateway.checks.delphos import reading
from services.gateway.checks.delphos.consultations import ConsultationStatus, SentConsultation
from services.gateway.checks.delphos.fields import NoQuery, Uuid
from services.gateway.commands.asked import digest
from services.gateway.handlers import handlers
from services.gateway.handlers.entrance import entrance, shown
from services.gateway.handlers.outcomes import Outcome, after_outcome
from services.gateway.messages import outcomes
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import refusals
from services.gateway.messages.dialects import CONSULTATIONS
from services.gateway.messages.errors import Problem
from services.gateway.messages.requests import Asked, Request
from services.gateway.store import requests
from shared import clock, graves
from shared import ids as new_ids
from shared.database import Connection
from shared.errors import Rejected
from shared.outbox import Outbox, pack, unpack
from shared.records import Arrived, Record, Stored

TOPIC: Final = "consultation-events-v1"


class SentEvent(SentConsultation):
    """What the HTTP call has in its path and its body; only a completed one is told of."""

    consultation_id: Uuid

    @field_validator("status", mode="after")
    @classmethod
    def _completed(cls, status: ConsultationStatus) -> ConsultationStatus:
        if status is not ConsultationStatus.COMPLETED:
            raise PydanticCustomError("value_error", "Value error, only a completed one is told of")
        return status


@handlers.on_record(TOPIC)
async def on_consultation(record: Arrived, conn: Connection, outbox: Outbox) -> None:
    """Take a consultation in; an id that its sender has used before changes nothing."""
    if record.envelope.type != ConsultationCompleted.ce_type:
        return  # Somebody else's, or newer than we are.
    try:
        sender = await _sender(record)
    except Problem as problem:
        raise Rejected(code=problem.code) from None
    if not sender.may(WRITE):
        raise Rejected(code="permission_denied", details={"client": sender.client})
    request = _request(record, sender)
    try:
        command = await _command(record, sender, request, conn)
    except Problem as problem:
        refused = replace(request, context=None, answer=outcomes.refusal(problem, request))
        if await requests.open(conn, refused):
            outbox.rows += await _buried(conn, record.record, problem.code, sender.client)
        return
    if await requests.open(conn, request):
        outbox.announce(command)


async def _sender(record: Arrived) -> Principal | KeyHolder:
    """Raises Problem."""
    scheme, credentials = shown(record)
    match scheme:
        case "bearer":
            return await entrance.bearer(record, credentials)
        case "apikey":
            return await entrance.holder(record, credentials)
    raise Problem("invalid_api_key")


def _request(record: Arrived, sender: Principal | KeyHolder) -> Request:
    """As its look-up tells of it; the record is kept until its outcome."""
    method, path = "PUT", f"/v1/consultations/{(record.key or b'').decode(errors='replace')[:36]}"
    asked = Asked(
        request_id=new_ids.new(),
        tenant_id=sender.tenant_id,
        client=sender.keys_of,
        method=method,
        path=path,
        content_digest=digest(method, path, record.value, {}),
        idempotency_key=record.envelope.id,
        source=CONSULTATIONS,
        asked_by=sender.asked_by,
    )
    context = {"base_url": entrance.base_url, "client": sender.client, "record": _kept(record.record)}
    return Request(asked, PutConsultation.ce_type, clock.now(), context=context)


async def _command(
    record: Arrived, sender: Principal | KeyHolder, request: Request, conn: Connection
) -> PutConsultation:
    """Raises Problem."""
    sent: SentEvent = reading.read({}, b"", NoQuery, fields.decode(record.value), SentEvent).body
    if record.key != str(sent.consultation_id).encode():
        place = ("body", "consultation_id")
        raise refusals.failed(refusals.entry(place, "value_error", "Must be the key of the record."))
    return PutConsultation(
        tenant_id=sender.tenant_id,
        request_id=request.asked.request_id,
        caller=_caller(sender),
        record_id=sent.consultation_id,
        unresolved=await checks.unresolved(conn, sender.tenant_id, sent),
        **sent.members(),
    )


def _caller(sender: Principal | KeyHolder) -> Caller:
    return sender.caller().model_copy(update={"channel": "kafka"})


@after_outcome(CONSULTATIONS)
async def bury_refused(
    request: Request, answer: Answer, outcome: Outcome, conn: Connection, outbox: Outbox
) -> None:
    """What prescription has refused is buried in the transaction that stores the refusal."""
    if not isinstance(outcome, RecordCommandRefused):
        return
    context = request.context or {}
    code = outcome.refusals[0].code if len(outcome.refusals) == 1 else outcome.code
    outbox.rows += await _buried(conn, _stored(context["record"]), code, context["client"])


async def _buried(conn: Connection, record: Record, code: str, client: str) -> Any:
    return await graves.bury(conn, record, consumer=handlers.service, error=code, client=client)


def _kept(record: Record) -> dict[str, Any]:
    """The record as a request keeps it, without what proved its sender."""
    headers = [
        (name, b"removed" if name.lower() == "authorization" else value) for name, value in record.headers
    ]
    return {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": pack(headers),
    }


def _stored(kept: Mapping[str, Any]) -> Stored:
    return Stored(
        topic=TOPIC,
        partition=kept["partition"],
        offset=kept["offset"],
        timestamp=kept["timestamp"],
        key=_bytes(kept["key"]),
        value=_bytes(kept["value"]),
        headers=unpack(kept["headers"]),
    )


def _text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)

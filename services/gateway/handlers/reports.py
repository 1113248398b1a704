"""What pharmacy systems report on `dispense-reports-v1`: each report becomes the command of its HTTP call.

Only what is no CloudEvent or no JSON is buried; every other report gets exactly one outcome.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from contracts import dispense_reports as reports
from contracts.prescription_commands import PrescriptionCommand
from services.gateway.auth.principal import Principal
from services.gateway.checks import dispensation as bodies
from services.gateway.checks import dispensing, fields
from services.gateway.checks.dispensing import Asked
from services.gateway.commands.asked import digest
from services.gateway.handlers import handlers
from services.gateway.handlers.entrance import entrance, shown
from services.gateway.handlers.outcomes import Outcome, after_outcome
from services.gateway.messages import ids, outcomes
from services.gateway.messages import reports as messages
from services.gateway.messages.answers import Answer
from services.gateway.messages.errors import Entry, Problem
from services.gateway.messages.requests import Asked as AskedRequest
from services.gateway.messages.requests import Request
from services.gateway.store import dispensing as store
from services.gateway.store import reports as earlier_reports
from services.gateway.store import requests
from shared import clock
from shared import ids as new_ids
from shared.database import Connection
from shared.errors import Unreadable
from shared.outbox import Outbox
from shared.records import Arrived

TOPIC: Final = "dispense-reports-v1"
_PATHS: Final = {
    reports.StartReport.ce_type: ("POST", "/dispensing/v1/dispensations"),
    reports.UpdateReport.ce_type: ("PUT", "/dispensing/v1/dispensations/{}"),
    reports.CompleteReport.ce_type: ("POST", "/dispensing/v1/dispensations/{}/complete"),
    reports.CancelReport.ce_type: ("POST", "/dispensing/v1/dispensations/{}/cancel"),
}
_BUILD: Final[Mapping[str, Callable[..., Awaitable[PrescriptionCommand | Problem]]]] = {
    reports.UpdateReport.ce_type: dispensing.update,
    reports.CompleteReport.ce_type: dispensing.complete,
    reports.CancelReport.ce_type: dispensing.cancel,
}


@handlers.on_record(TOPIC)
async def on_report(record: Arrived, conn: Connection, outbox: Outbox) -> None:
    """Take a report in: a repeat gets the first outcome again, a new one becomes a command or a refusal."""
    report_id = record.envelope.id
    body, unreadable = _body(record)
    if record.envelope.type not in _PATHS:
        return  # Somebody else's, or newer than we are.
    try:
        principal = await _sender(record)
    except Problem as problem:
        outbox.announce(messages.refusal(report_id, problem))
        return
    earlier = await earlier_reports.find_earlier(conn, principal.client, report_id)
    if earlier is None:
        asked = Asked(principal.caller("kafka"), new_ids.new(), clock.now())
        command = unreadable or await _command(record, asked, body, conn)
        await _take(record, principal, asked, body, command, conn, outbox)
    elif earlier.status is not None and earlier.body is not None:
        outbox.announce(messages.outcome(report_id, earlier.status, earlier.body))


async def _sender(record: Arrived) -> Principal:
    """Raises Problem."""
    scheme, credentials = shown(record)
    if not credentials:
        raise Problem("token_missing")
    if scheme != "bearer":
        raise Problem("token_invalid")
    principal = await entrance.bearer(record, credentials)
    if not principal.may("dispensing:write"):
        raise Problem("insufficient_scope")
    return principal


def _body(record: Arrived) -> tuple[dict[str, Any], Problem | None]:
    """The body as HTTP would have brought it; no JSON is buried, what is no object is refused."""
    try:
        return messages.spelled(fields.parse(record.value)), None
    except Problem as problem:
        if problem.code == "malformed_json":
            raise Unreadable("a report that is no JSON") from None
        return {}, problem


async def _take(
    record: Arrived,
    principal: Principal,
    asked: Asked,
    body: dict[str, Any],
    command: PrescriptionCommand | Problem,
    conn: Connection,
    outbox: Outbox,
) -> None:
    method, path = _PATHS[record.envelope.type]
    path = path.format(body.get("dispensation_id"))
    request = Request(
        AskedRequest(
            asked.request_id,
            principal.tenant_id,
            principal.client,
            method,
            path[:500],
            digest(method, path, b"", body),
            idempotency_key=record.envelope.id,
            source="kafka",
        ),
        record.envelope.type if isinstance(command, Problem) else command.ce_type,
        asked.now,
        None if isinstance(command, Problem) else command.prescription_id,
        {"base_url": entrance.base_url},
    )
    if isinstance(command, Problem):
        refused = outcomes.refusal(command, request)
        await requests.open(conn, replace(request, answer=refused))
        outbox.announce(messages.outcome(record.envelope.id, refused.status, refused.content()))
        return
    await requests.open(conn, request)
    outbox.announce(command)


async def _command(
    record: Arrived, asked: Asked, body: dict[str, Any], conn: Connection
) -> PrescriptionCommand | Problem:
    code = body.get("code")
    canonical = bodies.canonical_code(code) if isinstance(code, str) else None
    if canonical is not None and record.key != canonical.encode():
        return Problem.of([Entry("code", "invalid_value", "Must be the key of the record.")])
    if record.envelope.type == reports.StartReport.ce_type:
        return await dispensing.start(conn, asked, body, dispensation_id=new_ids.new())
    dispensation_id = body.pop("dispensation_id", None)
    body.pop("code", None)
    claim = await _claim(conn, asked, dispensation_id)
    if claim is None or claim.prescription.prescription_code != canonical:
        return Problem("resource_not_found")
    return await _BUILD[record.envelope.type](conn, asked, body, claim)


async def _claim(conn: Connection, asked: Asked, text: Any) -> store.Claim | None:
    found = ids.find("dsp", text) if isinstance(text, str) else None
    return None if found is None else await store.find(conn, asked.tenant_id, found, now=asked.now)


@after_outcome("kafka")
async def tell(
    request: Request,
    answer: Answer,
    outcome: Outcome,
    conn: Connection,
    outbox: Outbox,
) -> None:
    """The outcome of a report, in the transaction that stores its answer."""
    report_id = request.asked.idempotency_key
    if report_id is not None:
        outbox.announce(messages.outcome(report_id, answer.status, answer.content()))

"""One-time passwords that verify the beneficiary at the counter (osigu-dialect 7)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from contracts.notification_commands import SendOneTimePassword
from services.gateway.api.context import Body, Parameters, Parts, require, respond
from services.gateway.api.described import operation
from services.gateway.api.routes import Direct
from services.gateway.auth.principal import Principal
from services.gateway.checks import channels
from services.gateway.checks import verification as checks
from services.gateway.checks.fields import Form
from services.gateway.checks.verification import SendRead
from services.gateway.messages import one_time_passwords as messages
from services.gateway.messages import provider_settings
from services.gateway.messages.answers import Answer
from services.gateway.messages.errors import Entry, Problem
from services.gateway.store import dispensing, providers, tenancy
from services.gateway.store import one_time_passwords as store
from services.gateway.store.dispensing import CodeHolder
from shared import clock, outbox
from shared.database import Connection
from shared.ids import new

router = APIRouter(tags=["One-time passwords"], route_class=Direct)

SCOPES: Final = ("dispensing:write", "ehr:write")
Writer = Annotated[Principal, Depends(require(*SCOPES))]
_WRITES: Final = ("validation_failed", "idempotency_key_reused")
_ID: Final = {"type": "string", "maxLength": checks.ID_MAX}
SEND: Final = operation(
    "Send a one-time password",
    scopes=SCOPES,
    body={
        "beneficiary_id": _ID,
        "sponsor_slug": _ID,
        "channel": {"type": "string", "enum": list(channels.ALL)},
        "dispensation_id": _ID,
    },
    required=("beneficiary_id", "channel"),
    status=201,
    errors=("beneficiary_mismatch", "channel_not_configured", "no_contact_for_channel", *_WRITES),
)
VALIDATE: Final = operation(
    "Exchange its code for a token",
    scopes=SCOPES,
    body={"otp_id": _ID, "code": {"type": "string", "pattern": f"^{messages.CODE}$"}},
    required=("otp_id", "code"),
    errors=("otp_wrong", "otp_expired", "otp_attempts_exceeded", *_WRITES),
)


async def send_otp(
    request: Request, caller: Writer, body: Body, query: Parameters, gateway: Parts
) -> Response:
    """Have a code mailed to somebody whom this pharmacy knows; it ends the one before."""
    query.done()
    if (answer := await gateway.commands.earlier(request, caller, body)) is not None:
        return respond(request, answer)
    wanted = checks.send(Form(body, query.checks))

    async def send(conn: Connection, request_id: UUID) -> Answer:
        return await _send(conn, caller, wanted, request_id)

    return respond(request, await gateway.commands.at_once(request, caller, body, send))


async def _send(conn: Connection, caller: Principal, wanted: SendRead, request_id: UUID) -> Answer:
    now, otp_id, code = clock.now(), new(), messages.new_code()
    found = await _known(conn, caller, wanted, now)
    await _not_too_often(conn, wanted.beneficiary_id, now)
    digest = await asyncio.to_thread(messages.code_digest, otp_id, code)
    tied_to = wanted.dispensation_id or await store.find_started(
        conn, caller.tenant_id, wanted.beneficiary_id, now=now
    )
    await store.add(
        conn,
        caller.tenant_id,
        otp_id,
        wanted.beneficiary_id,
        tied_to,
        digest,
        sent_at=now,
        expires_at=now + messages.LIFE,
    )
    command = await _command(conn, caller, found, request_id, otp_id, code, now)
    await outbox.send(conn, command)
    return Answer(201, messages.sent(otp_id, command.email_address))


async def _known(conn: Connection, caller: Principal, wanted: SendRead, now: datetime) -> CodeHolder:
    """The prescription by which the pharmacy knows the person. Raises Problem with all that is wrong."""
    code = await store.find_code_of(conn, caller.tenant_id, wanted.beneficiary_id, now=now)
    found = code and await dispensing.find_code(conn, code, now=now)
    entries = []
    if not found:
        entries.append(Entry("beneficiary_id", "beneficiary_mismatch", "Nobody whom this pharmacy knows."))
    elif not found.prescription.patient.email_address:
        entries.append(Entry("channel", "no_contact_for_channel", "No address for it on file."))
    if wanted.dispensation_id is not None:
        claim = await dispensing.find(conn, caller.tenant_id, wanted.dispensation_id, now=now)
        if claim is None:
            entries.append(Entry("dispensation_id", "invalid_value", "Must name an existing one."))
        elif claim.prescription.patient.patient_id != wanted.beneficiary_id:
            message = "Must be a dispensation of this beneficiary."
            entries.append(Entry("dispensation_id", "beneficiary_mismatch", message))
    if not found or entries:
        raise Problem.of(entries)
    return found


async def _not_too_often(conn: Connection, patient_id: UUID, now: datetime) -> None:
    before = await store.sends(conn, patient_id, now=now)
    if len(before) >= store.SENDS_MAX:
        wait = before[-store.SENDS_MAX] + store.SENDS_WINDOW - now
        raise Problem.later("rate_limited", wait.total_seconds())


async def _command(
    conn: Connection,
    caller: Principal,
    found: CodeHolder,
    request_id: UUID,
    otp_id: UUID,
    code: str,
    now: datetime,
) -> SendOneTimePassword:
    issuer = provider_settings.read(found.settings)
    pharmacy = (await providers.provider(conn, caller.tenant_id)).provider
    return SendOneTimePassword(
        tenant_id=found.prescription.tenant_id,
        prescription_id=found.prescription.prescription_id,
        request_id=request_id,
        caller=caller.caller(),
        deadline=now + messages.LIFE,
        otp_id=otp_id,
        code=code,
        email_address=found.prescription.patient.email_address or "",
        language=issuer.language,
        time_zone=issuer.time_zone,
        asked_by=pharmacy.name,
        expires_at=now + messages.LIFE,
    )


async def validate_otp(
    request: Request, caller: Writer, body: Body, query: Parameters, gateway: Parts
) -> Response:
    """Exchange the right code for a token that works once."""
    query.done()
    if (answer := await gateway.commands.earlier(request, caller, body)) is not None:
        return respond(request, answer)
    wanted = checks.validate(Form(body, query.checks))

    async def refusal(conn: Connection) -> Problem | None:
        otp_id, now = wanted.otp_id, clock.now()
        password = await store.find_locked(conn, caller.tenant_id, otp_id) if otp_id else None
        return await checks.refusal(conn, caller.tenant_id, password, wanted.code, now)

    async def exchange(conn: Connection, request_id: UUID) -> Answer:
        if (problem := await refusal(conn)) is not None:
            raise problem
        assert wanted.otp_id is not None
        now, token = clock.now(), messages.new_token()
        await store.exchange(
            conn,
            caller.tenant_id,
            wanted.otp_id,
            messages.token_digest(token),
            now=now,
            token_expires_at=now + messages.TOKEN_LIFE,
        )
        return Answer(200, messages.validated(wanted.otp_id, token))

    # A refusal takes back all that its request did; the count of wrong codes must stay.
    async with tenancy.transaction(gateway.pool, caller.tenant_id) as conn:
        problem = await refusal(conn)
    if problem is not None:
        raise problem
    return respond(request, await gateway.commands.at_once(request, caller, body, exchange))


for paths, endpoint, how in (
    (("/v1/otp/send", "/otp/generate"), send_otp, SEND),
    (("/v1/otp/validate", "/otp/validate"), validate_otp, VALIDATE),
):
    for path in paths:
        router.add_api_route(path, endpoint, methods=["POST"], include_in_schema=path is paths[0], **how)

"""Whether a code or a token of a one-time password holds: for whom, for what, and how often it was missed."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.values import Verification
from services.gateway.checks import channels
from services.gateway.checks.fields import Form
from services.gateway.messages import ids
from services.gateway.messages import one_time_passwords as words
from services.gateway.messages.errors import Entry, Problem
from services.gateway.store import one_time_passwords as store
from services.gateway.store.dispensing import Claim
from services.gateway.store.one_time_passwords import OneTimePassword
from shared.database import Connection

ID_MAX: Final = 64
TOKEN: Final = "otp_verification_token"
TOKEN_MAX: Final = 4096
VERIFICATIONS_MAX: Final = 10


@dataclass(frozen=True)
class Shown:
    """What stands for a verification in a body: a token, or the code itself."""

    path: str
    text: str


@dataclass(frozen=True)
class SendRead:
    """A send as it was asked for."""

    beneficiary_id: UUID
    dispensation_id: UUID | None


@dataclass(frozen=True)
class ValidateRead:
    """A validate as it was asked for; `otp_id` None: a spelling that names none."""

    otp_id: UUID | None
    code: str


def send(form: Form) -> SendRead:
    """Raises Problem with every failing check."""
    beneficiary_id = form.id("beneficiary_id", "bnf", unknown="beneficiary_mismatch")
    if form.raw("doctor_id") is not None:
        form.fail("doctor_id", "field_not_supported", "Codes that release a doctor's key are not served.")
    elif not form.has("beneficiary_id"):
        form.fail("beneficiary_id", "required", "Must be present.")
    form.text("sponsor_slug", limit=64)
    channels.read(form)
    dispensation_id = form.id("dispensation_id", "dsp")
    form.done()
    form.checks.settle()
    assert beneficiary_id is not None
    return SendRead(beneficiary_id, dispensation_id)


def validate(form: Form) -> ValidateRead:
    """Raises Problem with every failing check."""
    otp_id = form.text("otp_id", limit=ID_MAX, required=True)
    code = form.text("code", limit=TOKEN_MAX, required=True, pattern=words.CODE)
    form.done()
    form.checks.settle()
    return ValidateRead(ids.find("otp", otp_id or ""), code or "")


def shown(form: Form) -> tuple[Shown, ...]:
    """The verifications of `external_verifications`."""
    found = []
    for one in form.forms("external_verifications", 0, VERIFICATIONS_MAX):
        one.word("type", ("OTP",), required=True)
        value = one.text("value", limit=TOKEN_MAX, required=True)
        one.raw("verification_status")
        one.done()
        if value is not None:
            found.append(Shown(one.at("value"), value))
    return tuple(found)


async def judged(
    conn: Connection,
    tenant_id: UUID,
    patient_id: UUID,
    shown: Sequence[Shown],
    *,
    dispensation_id: UUID,
    now: datetime,
) -> tuple[Verification, ...]:
    """What of it holds for this person and dispensation; a wrong code counts against the one sent."""
    found = []
    for one in shown:
        if re.fullmatch(words.CODE, one.text):
            password = await _by_code(conn, tenant_id, patient_id, one.text, now)
        else:
            digest = words.token_digest(one.text)
            password = await store.find_by_token(conn, tenant_id, patient_id, digest, now=now)
        if password is None or not await store.is_for(conn, tenant_id, password, dispensation_id):
            found.append(Verification(path=one.path))
        else:
            at = password.verified_at or now
            found.append(Verification(path=one.path, verification_id=password.otp_id, verified_at=at))
    return tuple(found)


async def verified_at(conn: Connection, tenant_id: UUID, claim: Claim, *, now: datetime) -> datetime | None:
    """When the beneficiary of a claim was verified: for good, or by a token that can still be used."""
    dispensation = claim.dispensation
    if dispensation.verification_required is None or dispensation.verified_at is not None:
        return dispensation.verified_at
    patient_id = claim.prescription.patient.patient_id
    for one in await store.find_verified(conn, tenant_id, patient_id, now=now):
        if await store.is_for(conn, tenant_id, one, dispensation.dispensation_id):
            return one.verified_at
    return None


async def _by_code(
    conn: Connection, tenant_id: UUID, patient_id: UUID, code: str, now: datetime
) -> OneTimePassword | None:
    password = await store.find_newest_locked(conn, tenant_id, patient_id)
    return None if await refusal(conn, tenant_id, password, code, now) else password


async def refusal(
    conn: Connection, tenant_id: UUID, password: OneTimePassword | None, code: str, now: datetime
) -> Problem | None:
    """Why a code does not hold; a wrong one is counted, so this is to be committed. None: it holds."""
    if password is None or password.over(now):
        return Problem.of([Entry("otp_id", "otp_expired", "Ask for a new code.")])
    if password.exhausted:
        return Problem.of([Entry("otp_id", "otp_attempts_exceeded", "Ask for a new code.")])
    digest = await asyncio.to_thread(words.code_digest, password.otp_id, code)
    if hmac.compare_digest(digest, password.code_digest):
        return None
    await store.count_wrong(conn, tenant_id, password.otp_id)
    return Problem.of([Entry("code", "otp_wrong", "Not the code that was sent.")])

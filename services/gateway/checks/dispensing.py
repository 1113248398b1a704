"""From what a pharmacy sends to the command it becomes, alike for HTTP and for Kafka reports.

A refusal is returned, not raised: what was noted on the way (a code that names nothing) is to be committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.message import Caller
from contracts.prescription_commands import (
    CancelDispensation,
    CompleteDispensation,
    NoteAccess,
    StartDispensation,
    UpdateDispensation,
)
from contracts.values import DispensationLine, Pharmacy, Policy
from services.gateway.checks import dispensation as bodies
from services.gateway.checks import verification
from services.gateway.checks.fields import Checks, Form
from services.gateway.messages import provider_settings
from services.gateway.messages.errors import Problem
from services.gateway.store import catalogue, dispensing, providers
from services.gateway.store.dispensing import Claim, CodeHolder
from shared.database import Connection

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """Who asks, under which request, and until when only the executing service may end it."""

    caller: Caller
    request_id: UUID
    now: datetime
    deadline: datetime | None = None

    @property
    def tenant_id(self) -> UUID:
        return self.caller.tenant_id


async def start(
    conn: Connection, asked: Asked, body: Body, *, dispensation_id: UUID
) -> StartDispensation | Problem:
    """The claim on a code: of two pharmacies that ask, the prescription decides."""
    checks = Checks()
    pharmacy = await _pharmacy(conn, asked.caller)
    form = Form(body, checks)
    read = bodies.start(form, default_branch=asked.caller.branch_id)
    if read.branch_id and not await providers.branch_exists(conn, asked.tenant_id, read.branch_id):
        form.fail("branch_id", "invalid_value", "Must be a branch of this provider.")
    lines = None if read.lines is None else await _substituted(conn, asked, read.lines, checks)
    if checks.entries:
        return Problem.of(checks.entries)
    pharmacy = pharmacy.model_copy(update={"branch_id": read.branch_id})
    found = await holder(conn, asked, read.code, branch_id=read.branch_id)
    if isinstance(found, Problem):
        return found
    own = dispensing.own_live(found.prescription, asked.tenant_id, read.branch_id)
    verifications = await verification.judged(
        conn,
        asked.tenant_id,
        found.prescription.patient.patient_id,
        read.shown,
        dispensation_id=own.dispensation_id if own else dispensation_id,
        now=asked.now,
    )
    return StartDispensation(
        tenant_id=found.prescription.tenant_id,
        prescription_id=found.prescription.prescription_id,
        request_id=asked.request_id,
        caller=asked.caller,
        deadline=asked.deadline,
        dispensation_id=dispensation_id,
        policy=_policy(found),
        pharmacy=pharmacy,
        beneficiary_id=read.beneficiary_id,
        currency_code=read.currency_code,
        lines=lines,
        verifications=verifications,
    )


async def update(conn: Connection, asked: Asked, body: Body, claim: Claim) -> UpdateDispensation | Problem:
    checks = Checks()
    read = bodies.update(Form(body, checks))
    lines = await _substituted(conn, asked, read.lines, checks)
    if checks.entries:
        return Problem.of(checks.entries)
    return UpdateDispensation(**_of(claim, asked), currency_code=read.currency_code, lines=lines)


async def complete(
    conn: Connection, asked: Asked, body: Body, claim: Claim
) -> CompleteDispensation | Problem:
    checks = Checks()
    slug = claim.dispensation.pharmacy.provider_slug
    read = bodies.complete(Form(body, checks), provider_slug=slug)
    if read is None or checks.entries:
        return Problem.of(checks.entries)
    verifications = await verification.judged(
        conn,
        asked.tenant_id,
        claim.prescription.patient.patient_id,
        # Where none is demanded, what is shown is ignored (ruling 2.9), and a wrong code is not counted.
        read.shown if claim.dispensation.verification_required else (),
        dispensation_id=claim.dispensation.dispensation_id,
        now=asked.now,
    )
    return CompleteDispensation(**_of(claim, asked), receipt=read.receipt, verifications=verifications)


async def cancel(conn: Connection, asked: Asked, body: Body, claim: Claim) -> CancelDispensation | Problem:
    checks = Checks()
    read = bodies.cancel(Form(body, checks))
    if checks.entries:
        return Problem.of(checks.entries)
    return CancelDispensation(
        **_of(claim, asked), void_reason=read.void_reason, void_description=read.void_description
    )


async def holder(
    conn: Connection, asked: Asked, code: str, *, branch_id: UUID | None
) -> CodeHolder | Problem:
    """The issued prescription behind a code, unless this pharmacy has guessed too often (ruling 2.3)."""
    found = await dispensing.find_code(conn, code, now=asked.now)
    own = found and dispensing.own_live(found.prescription, asked.tenant_id, branch_id)
    if found is None:
        # Of many guesses at once each must see the others.
        await dispensing.hold_misses(conn, asked.tenant_id)
    if (
        own is None
        and await dispensing.count_misses(conn, asked.tenant_id, now=asked.now) >= dispensing.MISSES_MAX
    ):
        return Problem.later("code_attempts_exceeded", dispensing.MISSES_WINDOW.total_seconds())
    if found is None:
        await dispensing.add_miss(conn, asked.tenant_id, now=asked.now)
        return Problem("code_not_found")
    return found


def noted(asked: Asked, found: CodeHolder) -> NoteAccess:
    """Every look at a code is in the history of its prescription."""
    return NoteAccess(
        tenant_id=found.prescription.tenant_id,
        prescription_id=found.prescription.prescription_id,
        request_id=asked.request_id,
        caller=asked.caller,
        deadline=asked.deadline,
        what="code_lookup",
    )


def _of(claim: Claim, asked: Asked) -> dict[str, Any]:
    return {
        "tenant_id": claim.prescription.tenant_id,
        "prescription_id": claim.prescription.prescription_id,
        "request_id": asked.request_id,
        "caller": asked.caller,
        "deadline": asked.deadline,
        "dispensation_id": claim.dispensation.dispensation_id,
        "pharmacy": claim.dispensation.pharmacy,
    }


async def _substituted(
    conn: Connection, asked: Asked, lines: tuple[bodies.LineRead, ...], checks: Checks
) -> tuple[DispensationLine, ...]:
    wanted = bodies.wanted_substitutes(lines)
    known = await catalogue.products(conn, asked.tenant_id, wanted) if wanted else {}
    products = {code: listed.product for code, listed in known.items()}
    return bodies.with_substitutes(lines, products, checks)


async def _pharmacy(conn: Connection, caller: Caller) -> Pharmacy:
    provider = (await providers.provider(conn, caller.tenant_id)).provider
    return Pharmacy(
        tenant_id=caller.tenant_id,
        provider_slug=provider.provider_slug,
        name=provider.name,
        branch_id=caller.branch_id,
    )


def _policy(found: CodeHolder) -> Policy:
    """The issuing provider's settings as they are now, at the start (ruling 1.6)."""
    return provider_settings.read(found.settings).policy

"""What nobody asks of a prescription: what time brings it, and a new check because something has changed."""

from typing import Final
from uuid import UUID

from services.prescription import store
from services.prescription.commands import (
    Asked,
    carry_out,
    carry_out_by_clock,
    checked_again,
    question,
    refuse_issue,
)
from services.prescription.domain import checking, issuing, matching, patient, waiting
from services.prescription.domain import clock as clockwork
from services.prescription.domain.history import Occasion
from services.prescription.messages import particulars
from services.prescription.store.unsigned import RECHECK, RECHECK_ALL, RESOLVE_ALL
from services.prescription.store.writing import CLOCK
from shared import clock, outbox, telemetry
from shared.database import Connection, Pool, transaction
from shared.outbox import Outbox
from shared.work import Finish, Job, Works

AT_ONCE_MAX: Final = 20
PATIENTS_AT_ONCE_MAX: Final = 4
PIECE: Final = 500
"""Patients that one transaction has checked again."""
PRESCRIPTIONS_PIECE: Final = 100
"""Prescriptions that are resolved again under one lease, each in a transaction of its own."""

works = Works("prescription")


@works.on(CLOCK, concurrency=AT_ONCE_MAX)
async def strike(job: Job, pool: Pool) -> Finish:
    """Bring a prescription what is due to it, and wind its clock for what comes next."""
    assert job.prescription_id is not None
    prescription_id: UUID = job.prescription_id

    async def finish(conn: Connection, outbox: Outbox) -> None:
        await store.hold(conn, [], [(job.tenant_id, prescription_id)])
        before = store.find(conn, job.tenant_id, prescription_id)
        if before is None:
            return  # An issue that was refused in the meantime.
        after = before
        if not before.hidden:
            now = Occasion(at=clock.now())
            after = waiting.given_up(clockwork.as_of(before, now.at), now)
            carry_out_by_clock(conn, outbox, before, after)
        due_at = clockwork.next_due(after)
        if before.hidden and due_at is not None and due_at <= clock.now():
            refuse_issue(conn, outbox, before, issuing.overdue(before))
        elif due_at is not None:
            job.again(at=due_at)
        await store.settle(conn)

    return finish


@works.on(RECHECK, concurrency=PATIENTS_AT_ONCE_MAX)
async def recheck(job: Job, pool: Pool) -> Finish:
    """Ask again about what a patient has unsigned, each in its own transaction; what is current stays."""
    patient_id = UUID(job.payload["patient_id"])
    async with transaction(pool) as conn:
        unsigned = await store.unsigned_of(conn, job.tenant_id, patient_id)
    for id in unsigned:
        async with transaction(pool) as conn:
            said = Outbox(traceparent=telemetry.traceparent())
            await _check_again(conn, said, job.tenant_id, id)
            await outbox.write(conn, said.rows)
    return _nothing_more


@works.on(RECHECK_ALL)
async def recheck_all(job: Job, pool: Pool) -> Finish:
    """The next patients who have something unsigned, until there are no more."""
    after = UUID(job.payload["tenant_id"]), UUID(job.payload["patient_id"])

    async def finish(conn: Connection, outbox: Outbox) -> None:
        patients = await store.patients_with_unsigned(conn, after, limit=PIECE)
        await store.check_again(conn, patients, at=clock.now())
        if len(patients) == PIECE:
            await store.check_all_again(conn, job.key, after=patients[-1], at=clock.now())

    return finish


@works.on(RESOLVE_ALL)
async def resolve_all(job: Job, pool: Pool) -> Finish:
    """The next unsigned prescriptions, each in its own transaction, until there are no more."""
    tenant_id, patient_id, id = map(UUID, job.payload["after"])
    async with transaction(pool) as conn:
        places = await store.unsigned_after(conn, (tenant_id, patient_id, id), limit=PRESCRIPTIONS_PIECE)
    for tenant_id, _, id in places:
        async with transaction(pool) as conn:
            said = Outbox(traceparent=telemetry.traceparent())
            await _resolve_again(conn, said, tenant_id, id)
            await outbox.write(conn, said.rows)

    async def finish(conn: Connection, outbox: Outbox) -> None:
        if len(places) == PRESCRIPTIONS_PIECE:
            await store.resolve_all_again(conn, job.key, after=places[-1], at=clock.now())

    return finish


async def _resolve_again(conn: Connection, said: Outbox, tenant_id: UUID, prescription_id: UUID) -> None:
    await store.hold(conn, [], [(tenant_id, prescription_id)])
    before = store.find(conn, tenant_id, prescription_id)
    if before is None:
        return
    now = Occasion(at=clock.now())
    country = particulars.of(before).provider.country
    items = await store.resolve_items(conn, before.items, country=country)
    edited = matching.resolved_again(before, items, now)
    after, to_ask = await checked_again(conn, Asked(before, before, now), edited)
    carry_out(conn, said, before, after)
    said.announce(*to_ask)
    await store.settle(conn)


async def _check_again(conn: Connection, said: Outbox, tenant_id: UUID, prescription_id: UUID) -> None:
    await store.hold(conn, [], [(tenant_id, prescription_id)])
    before = store.find(conn, tenant_id, prescription_id)
    if before is None:
        return
    known = store.patient(conn, tenant_id, before.patient_id)
    if not patient.needs_asking(before, known, store.knowledge_base(conn)):
        return
    now = Occasion(at=clock.now())
    asking = checking.again(before, known.asked_with(before), now)
    to_ask = await question(conn, before, asking, known, now)
    carry_out(conn, said, before, asking)
    said.announce(*to_ask)
    await store.settle(conn)


async def _nothing_more(conn: Connection, outbox: Outbox) -> None:
    """The row alone is left to end; a change that came meanwhile keeps it."""

"""What nobody asks of a prescription: what time brings it, and a new check because something has changed."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias
from uuid import UUID

from contracts.rebuilding import AnnouncementEnded, StateAnnounced
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
from services.prescription.domain.prescription import Prescription
from services.prescription.messages import announcing, particulars
from services.prescription.store.beside import Place
from services.prescription.store.unsigned import RECHECK, RECHECK_ALL, RESOLVE_ALL
from services.prescription.store.writing import CLOCK
from shared import clock, outbox, telemetry
from shared.database import Connection, Pool, transaction
from shared.outbox import Outbox
from shared.work import Finish, Job, Works

AT_ONCE_MAX: Final = 20
PATIENTS_AT_ONCE_MAX: Final = 4
PIECE: Final = 500
"""Patients that one transaction has checked again; records that one announces again."""
PIECE_BYTES_MAX: Final = 8 * 1024 * 1024
PUBLISHED_SECONDS_MAX: Final = 60.0
ANNOUNCE_SECONDS_MAX: Final = 120.0
PRESCRIPTIONS_PIECE: Final = 100
"""Prescriptions that are resolved again under one lease, each in a transaction of its own."""

# Which table comes after which.
_AFTER: Final[Mapping[str, str | None]] = {
    "prescription": "consultation",
    "consultation": "template",
    "template": None,
}

Act: TypeAlias = Callable[[Connection, Outbox, Prescription], Awaitable[None]]

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
    await _each(pool, [(job.tenant_id, id) for id in unsigned], _check_again)
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
    await _each(pool, [(tenant_id, id) for tenant_id, _, id in places], _resolve_again)

    async def finish(conn: Connection, outbox: Outbox) -> None:
        if len(places) == PRESCRIPTIONS_PIECE:
            await store.resolve_all_again(conn, job.key, after=places[-1], at=clock.now())

    return finish


@works.on(store.ANNOUNCE, lease_seconds=ANNOUNCE_SECONDS_MAX)
async def announce(job: Job, pool: Pool) -> Finish:
    """The next piece of what views are rebuilt from, once the last is published: others go in between."""
    rebuild_id = UUID(job.key)
    reached = store.Reached.of(job.payload)
    await outbox.until_published(pool, seconds_max=PUBLISHED_SECONDS_MAX)

    async def finish(conn: Connection, outbox: Outbox) -> None:
        said, last = await _announce_piece(conn, outbox, rebuild_id, reached)
        if last is not None:
            on = replace(reached, tenant_id=last[0], id=last[1], announced=reached.announced + said)
        elif (table := _AFTER[reached.table]) is not None:
            on = store.Reached(table, announced=reached.announced)
        else:
            outbox.announce(AnnouncementEnded(rebuild_id=rebuild_id, announced=reached.announced))
            return
        await store.announce_on(conn, rebuild_id, on, at=clock.now())

    return finish


async def _announce_piece(
    conn: Connection, outbox: Outbox, rebuild_id: UUID, reached: store.Reached
) -> tuple[int, tuple[UUID, UUID] | None]:
    """How many records were said, and the place of the last; None where nothing was left to say."""
    last, size = None, 0
    async with contextlib.aclosing(_records(conn, rebuild_id, reached)) as records:
        async for place, said in records:
            last = place
            before = len(outbox.rows)
            outbox.announce(*said)
            size += sum(row.bytes for row in outbox.rows[before:])
            if size >= PIECE_BYTES_MAX:
                break
            await asyncio.sleep(0)  # Commands are handled in between.
    return len(outbox.rows), last


async def _records(
    conn: Connection, rebuild_id: UUID, reached: store.Reached
) -> AsyncGenerator[tuple[tuple[UUID, UUID], list[StateAnnounced]], None]:
    match reached.table:
        case "prescription":
            async for one, told in store.prescriptions_after(conn, reached, limit=PIECE):
                yield (one.tenant_id, one.id), list(announcing.prescription(rebuild_id, one, told))
        case "consultation":
            async for seen in store.consultations_after(conn, reached, limit=PIECE):
                yield (seen.tenant_id, seen.id), [announcing.consultation(rebuild_id, seen)]
        case "template":
            async for kept in store.templates_after(conn, reached, limit=PIECE):
                yield (kept.tenant_id, kept.id), [announcing.template(rebuild_id, kept)]


async def _each(pool: Pool, places: Iterable[Place], act: Act) -> None:
    """Do something to each prescription that is still there, in a transaction of its own."""
    for place in places:
        async with transaction(pool) as conn:
            said = Outbox(traceparent=telemetry.traceparent())
            await store.hold(conn, [], [place])
            before = store.find(conn, *place)
            if before is not None:
                await act(conn, said, before)
                await store.settle(conn)
            await outbox.write(conn, said.rows)


async def _resolve_again(conn: Connection, said: Outbox, before: Prescription) -> None:
    now = Occasion(at=clock.now())
    country = particulars.of(before).provider.country
    items = await store.resolve_items(conn, before.items, country=country)
    edited = matching.resolved_again(before, items, now)
    after, to_ask = await checked_again(conn, Asked(before, before, now), edited)
    carry_out(conn, said, before, after)
    said.announce(*to_ask)


async def _check_again(conn: Connection, said: Outbox, before: Prescription) -> None:
    known = store.patient(conn, before.tenant_id, before.patient_id)
    in_use = store.knowledge_base(conn)
    if not patient.needs_asking(before, known, in_use):
        return
    now = Occasion(at=clock.now())
    asking = checking.again(before, known.asked_with(before), now, knowledge_base=in_use)
    to_ask = await question(conn, before, asking, known, now)
    carry_out(conn, said, before, asking)
    said.announce(*to_ask)


async def _nothing_more(conn: Connection, outbox: Outbox) -> None:
    """The row alone is left to end; a change that came meanwhile keeps it."""

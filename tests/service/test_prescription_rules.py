"""What several parts lean on: locks in one order, one effect of what comes twice, rows that keep states."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.prescription_commands import VoidPrescription
from contracts.prescription_events import SafetyCheckRequested, SealRequested
from services.prescription import store
from services.prescription.domain.state_table import Column
from services.prescription.handlers import handlers
from services.prescription.messages import reading
from services.prescription.messages.particulars import Particulars, ordered_with
from services.prescription.store import rows
from shared import clock
from tests.infrastructure import until
from tests.service import prescriptions as some
from tests.service.conftest import Deliver, said
from tests.service.prescriptions import CLINIC, CRITICAL, Service, names, numbered, only
from tests.unit import prescriptions as values

STATES = [values.in_column(column) for column in Column]


@pytest.fixture
async def service(open_pool, monkeypatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    yield Service.on(await open_pool("prescription", max_size=6))
    clock.reset()


@pytest.mark.parametrize("prescription", STATES, ids=[one.column.value for one in STATES])
def test_a_prescription_comes_back_from_its_row_as_it_was(prescription):
    carried = replace(prescription, particulars=ordered_with(some.issue()))

    row = {"content": rows.content(carried), "state": rows.state(carried)}

    assert rows.prescription(row) == replace(carried, unsaved=(), unsaid=())
    assert rows.told_in(rows.entries(carried.unsaved)) == carried.unsaved


def test_a_hidden_order_keeps_its_history_with_it():
    order = replace(values.order(), particulars=ordered_with(some.issue()))

    row = {"content": rows.content(order), "state": rows.state(order)}

    assert rows.prescription(row) == order
    assert isinstance(rows.prescription(row).particulars, Particulars)


def test_equal_items_have_one_digest_whatever_their_ids():
    one = values.draft(values.item())
    other = values.draft(values.item(values.SYRUP))
    more = values.draft(values.item(quantity=31))

    assert rows.items_digest(one) == rows.items_digest(other) != rows.items_digest(more)


async def test_two_batches_that_cross_patients_and_prescriptions_both_get_through(service):
    other = some.ANA.model_copy(update={"patient_id": values.FIRST})
    await service.issues(*(some.issue(number=n, patient=(some.ANA, other)[n % 2]) for n in range(8)))
    first, second = Deliver(handlers, service.pool), Deliver(handlers, service.pool)

    for round in range(10):
        there = [some.note_access(**numbered(n)) for n in range(8)]
        back = [some.note_access(**numbered(n)) for n in reversed(range(8))]
        new = [
            some.issue(number=100 + 10 * round + n, patient=patient)
            for n, patient in enumerate((some.ANA, other, other, some.ANA))
        ]
        await asyncio.gather(first(*there, *new[:2]), second(*back, *new[2:]))
        assert (first.waits, second.waits) == ({}, {})

    outcomes = only(await said(service.pool), CommandSucceeded, CommandRefused)
    assert [type(one) for one in outcomes].count(CommandRefused) == 0
    assert len(outcomes) == 8 + 10 * 16


@pytest.mark.parametrize("table", ["patient", "prescription"])
async def test_whoever_waits_for_the_first_of_several_holds_none_of_the_others(service, table):
    """So two batches that want the same ones never wait for each other, in whatever order they name them."""
    people = [reading.patient(CLINIC, patient_numbered(n)) for n in range(3)]
    places = [(one.tenant_id, one.prescription_id) for one in map(issue_numbered, range(3))]
    await service.issues(*map(issue_numbered, range(3)))
    lock = f"SELECT id FROM {table} ORDER BY id {{}} LIMIT {{}} FOR NO KEY UPDATE"

    async def hold_in_any_order() -> None:
        async with service.pool.acquire() as conn, conn.transaction():
            await store.hold(conn, [people[2], people[0], people[1]], [places[2], places[0], places[1]])

    async with service.pool.acquire() as holder, service.pool.acquire() as other:
        async with holder.transaction():
            await holder.fetch(lock.format("ASC", 1))
            waiting = asyncio.create_task(hold_in_any_order())
            await until(lambda: waits_for_a_lock(other), seconds=5)
            async with other.transaction():
                free = await other.fetch(f"{lock.format('DESC', 2)} SKIP LOCKED")
        await waiting

    assert len(free) == 2


def patient_numbered(number):
    return some.ANA.model_copy(update={"patient_id": values.UUID(int=900 + number)})


def issue_numbered(number):
    return some.issue(number=number, patient=patient_numbered(number))


async def waits_for_a_lock(conn) -> bool:
    return bool(
        await conn.fetchval(
            """
            SELECT count(*)
              FROM pg_stat_activity
             WHERE datname = current_database()
               AND wait_event_type = 'Lock'
            """
        )
    )


async def test_of_many_pharmacies_at_once_in_many_processes_one_gets_it(service):
    await service.issues()
    pharmacies = [
        some.SUN.model_copy(update={"tenant_id": values.UUID(int=500 + n), "provider_slug": f"p{n}"})
        for n in range(12)
    ]
    processes = [Deliver(handlers, service.pool) for _ in range(4)]

    await asyncio.gather(
        *(
            processes[n % 4](some.start(pharmacy, dispensation_id=values.UUID(int=600 + n)))
            for n, pharmacy in enumerate(pharmacies)
        )
    )

    outcomes = only(await said(service.pool), CommandSucceeded, CommandRefused)[1:]
    assert [type(one) for one in outcomes].count(CommandSucceeded) == 1
    assert {one.code for one in outcomes if isinstance(one, CommandRefused)} == {"already_being_dispensed"}


async def test_a_message_that_comes_again_has_its_effect_once(service):
    deliver = service.deliver
    order = deliver.record(some.issue())

    await deliver(order, order)
    await deliver(order)

    assert names(await said(service.pool)) == ["SafetyCheckRequested"]


async def test_one_bad_apple_costs_only_itself(service):
    await service.issues()

    found = await service.hears(some.start(), some.void(tenant_id=values.UUID(int=9)), some.resend())

    assert [type(one) for one in only(found, CommandSucceeded, CommandRefused)] == [
        CommandSucceeded,
        CommandRefused,
        CommandSucceeded,
    ]


async def test_a_command_that_cannot_be_executed_is_answered_with_the_state(service, monkeypatch):
    await service.issues()

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("services.prescription.domain.cancelling.void", broken)
    refused = await service.answer(some.void())

    assert (refused.code, refused.prescription.status) == ("internal_error", "submitted")


async def test_neither_logs_nor_errors_tell_of_patients(service, capsys):
    await service.issues(some.issue(), some.issue(number=1))
    asked = only(await service.hears(some.issue(number=2)), SafetyCheckRequested)
    await service.hears(some.verdict(asked[0], CRITICAL))
    await service.hears(some.void(), some.start())

    told = capsys.readouterr().out
    for secret in ("Ana", "López", "1000000001", "Paracetamol", "ASPIRINA", "rash", "RX-2026"):
        assert secret not in told


async def test_every_row_of_a_tenant_is_found_by_that_tenant_alone(service):
    other_clinic = {"tenant_id": values.UUID(int=77)}
    released = await service.issues(some.issue(), some.issue(**other_clinic))

    assert len(only(released, CommandSucceeded)) == 2
    voided = await service.answer(some.void(**other_clinic))
    mine = await service.answer(some.start())

    assert (voided.prescription.status, mine.prescription.status) == ("cancelled", "submitted")
    assert voided.tenant_id == other_clinic["tenant_id"]


async def test_a_late_message_is_told_of_in_the_history(service):
    await service.issues()
    command: VoidPrescription = some.void()
    async with service.pool.acquire() as conn, conn.transaction():
        await handlers.take_hold(conn, [command])
        from shared.outbox import Outbox

        outbox = Outbox()
        await handlers.note_replay(command, conn, outbox)
        await handlers.settled(conn)
        entries = await some.history(conn, some.ID)

    assert entries[-1].note.action == "handled_late"
    assert len(outbox.rows) == 1


async def test_time_does_nothing_twice_and_nothing_early(service):
    await service.issues()
    await service.hears(some.start())
    await service.strikes(minutes=31)

    due = await service.pool.fetch("SELECT key, due_at FROM work")

    assert [(row["key"], row["due_at"]) for row in due] == [(str(some.ID), some.VALID_UNTIL)]
    assert await service.strikes() == []
    assert clock.now() == some.NOON + timedelta(minutes=31)


async def test_what_is_kept_beside_an_issue_in_progress_is_kept_once(service):
    asked = await service.hears(some.issue())
    (sealing,) = only(await service.hears(some.verdict(asked[0].message)), SealRequested)
    hidden = json.loads(await service.pool.fetchval("SELECT state FROM prescription"))
    await service.hears(some.sealed(sealing))
    shown = json.loads(await service.pool.fetchval("SELECT state FROM prescription"))

    assert [one["revision"] for one in hidden["unsaved"]] == list(range(1, len(hidden["unsaved"]) + 1))
    assert "unsaved" not in shown
    assert "issue" not in shown

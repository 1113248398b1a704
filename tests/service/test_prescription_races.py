"""Two who want something of one prescription at once, in each order: the first wins, the other is told so."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar
from uuid import UUID

import pytest

from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.message import Command, Message
from contracts.prescription_events import SafetyCheckRequested, SealRequested
from services.prescription.domain import history
from services.prescription.handlers import handlers
from shared import clock, database
from tests.infrastructure import until
from tests.service import prescriptions as some
from tests.service.conftest import Deliver, said
from tests.service.prescriptions import Service, only

ROUNDS = 4
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
SUBMITTED = ("pending_review", "validated", "signed", "submitted")


@pytest.fixture
async def service(open_pool, monkeypatch) -> AsyncIterator[Service]:
    some.stop_the_clock(monkeypatch)
    # Else whoever waits for a second loses its place behind the other.
    monkeypatch.setattr(database, "LOCK_TIMEOUT", "30s")
    yield Service.on(await open_pool("prescription"))
    clock.reset()


async def at_once(
    service: Service, place: dict[str, UUID], *messages: Message
) -> dict[UUID, CommandSucceeded | CommandRefused]:
    """Each message to a process of its own, where all wait for the row in this order; gives the outcomes."""
    known = len(await said(service.pool))
    running: list[asyncio.Task[None]] = []

    async def all_wait() -> bool:
        return bool(await service.pool.fetchval(WAITING) == len(running))

    async with service.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT FROM prescription WHERE id = $1 FOR UPDATE", place["prescription_id"])
        for message in messages:
            running.append(asyncio.create_task(_insisting(service, message)))
            await until(all_wait, seconds=5)
    await asyncio.gather(*running)
    outcomes = only((await said(service.pool))[known:], CommandSucceeded, CommandRefused)
    return {one.request_id: one for one in outcomes}


async def _insisting(service: Service, message: Message) -> None:
    process = Deliver(handlers, service.pool)
    await process(message)
    while process.waits:  # Another held the row for too long: its partition waits, and comes again.
        await process(message)


async def in_rounds(service: Service, steps: Sequence[str]) -> AsyncIterator[int]:
    """Fresh prescriptions, each taken some steps; the history of each must lead to its state at the end."""
    for number in range(1, ROUNDS + 1):
        await service.keeps(some.draft(number))
        await service.steps(*steps, **some.numbered(number))
        yield number
        place = some.numbered(number)
        async with service.pool.acquire() as conn:
            entries = await some.history(conn, place["prescription_id"])
        status = await service.pool.fetchval(
            "SELECT status FROM prescription WHERE id = $1", place["prescription_id"]
        )
        assert history.replay(entries).status == status


Pair = TypeVar("Pair", bound=Message)


def in_turn(number: int, one: Pair, other: Pair) -> tuple[Pair, Pair]:
    """Every other round the other is first."""
    return (one, other) if number % 2 else (other, one)


def codes(outcomes: dict[UUID, CommandSucceeded | CommandRefused], *commands: Command) -> list[str]:
    """What each of the commands was told."""
    found = (outcomes[one.request_id] for one in commands)
    return [one.code if isinstance(one, CommandRefused) else "done" for one in found]


async def test_of_two_signatures_asked_for_at_one_moment_one_is_made(service):
    async for number in in_rounds(service, ("pending_review", "validated")):
        place = some.numbered(number)
        first, second = (some.change_status("signed", **place) for _ in range(2))

        outcomes = await at_once(service, place, first, second)

        (refused,) = outcomes.values()
        assert (refused.request_id, refused.code) == (second.request_id, "signing_in_progress")
        await service.hears(some.change_status("cancelled", **place))


async def test_a_cancel_and_a_seal_at_one_moment_are_both_answered_and_agree(service):
    async for number in in_rounds(service, ("pending_review", "validated")):
        place = some.numbered(number)
        signing, cancelling = some.change_status("signed", **place), some.change_status("cancelled", **place)
        (asked,) = only(await service.hears(signing), SafetyCheckRequested)
        (request,) = only(await service.hears(some.verdict(asked)), SealRequested)

        pair = in_turn(number, some.sealed(request), cancelling)
        outcomes = await at_once(service, place, *pair)

        signed, cancelled = codes(outcomes, signing, cancelling)
        assert cancelled == "done"
        assert signed == ("done" if pair[1] is cancelling else "invalid_transition")
        shown = outcomes[cancelling.request_id].prescription
        assert (shown.status, shown.signature.status) == ("cancelled", "void")
        assert (shown.signed_at is not None) == (signed == "done")


@pytest.mark.parametrize("other", ["submitted", "cancelled"])
async def test_a_release_and_a_cancel_or_another_release_at_one_moment_follow_the_table(service, other):
    async for number in in_rounds(service, ("pending_review", "validated", "signed")):
        place = some.numbered(number)
        release, opponent = some.change_status("submitted", **place), some.change_status(other, **place)

        pair = in_turn(number, release, opponent)
        told = codes(await at_once(service, place, *pair), *pair)

        second = "done" if other == "cancelled" and pair[1] is opponent else "invalid_transition"
        assert told == ["done", second]


async def test_a_cancel_and_a_pharmacys_start_at_one_moment_follow_the_table(service):
    async for number in in_rounds(service, SUBMITTED):
        place = some.numbered(number)
        start = some.start(**place, dispensation_id=UUID(int=700 + number))
        cancel = some.change_status("cancelled", **place)

        pair = in_turn(number, start, cancel)
        told = codes(await at_once(service, place, *pair), *pair)

        assert told == ["done", "done" if pair[1] is cancel else "prescription_voided"]


async def test_dispensed_elsewhere_and_a_pharmacys_start_at_one_moment_follow_the_table(service):
    async for number in in_rounds(service, SUBMITTED):
        place = some.numbered(number)
        start = some.start(**place, dispensation_id=UUID(int=700 + number))
        elsewhere = some.change_status("dispensed", **place)

        pair = in_turn(number, start, elsewhere)
        told = codes(await at_once(service, place, *pair), *pair)

        assert told == [
            "done",
            "already_being_dispensed" if pair[1] is elsewhere else "prescription_dispensed",
        ]


async def test_a_cancel_and_the_last_hand_over_at_one_moment_follow_the_table(service):
    async for number in in_rounds(service, SUBMITTED):
        place = some.numbered(number)
        held = {**place, "dispensation_id": UUID(int=700 + number)}
        await service.hears(some.start(**held))
        complete, cancel = some.complete("1", **held), some.change_status("cancelled", **place)

        pair = in_turn(number, complete, cancel)
        told = codes(await at_once(service, place, *pair), *pair)

        assert told == ["done", "invalid_transition" if pair[1] is cancel else "prescription_voided"]

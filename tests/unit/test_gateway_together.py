"""What is asked while a turn is under way goes into the next, and is answered each for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from services.gateway.store.together import TOGETHER_MAX, ForAll, Together

ONE, OTHER = UUID(int=1), UUID(int=2)


class Turns:
    """Doubles numbers; odd ones beyond a hundred can never be doubled."""

    def __init__(self, error: Exception | None = None) -> None:
        self.taken: list[tuple[UUID, list[int]]] = []
        self.error = error

    async def __call__(self, tenant_id: UUID, asked: Sequence[int]) -> Sequence[int]:
        self.taken.append((tenant_id, list(asked)))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if any(number > 100 and number % 2 for number in asked):
            raise ValueError("odd")
        return [2 * number for number in asked]


async def test_the_first_goes_at_once_and_those_that_come_meanwhile_go_together():
    turns = Turns()
    together = Together(turns)

    answers = await asyncio.gather(*(together.ask(ONE, number) for number in range(4)))

    assert answers == [0, 2, 4, 6]
    assert sum(len(asked) for _, asked in turns.taken) == 4
    assert len(turns.taken) < 4


async def test_a_turn_has_one_tenant_and_an_end():
    turns = Turns()
    together = Together(turns)

    await asyncio.gather(
        *(together.ask(owner, 1) for owner in (ONE, OTHER) for _ in range(TOGETHER_MAX + 50))
    )

    assert max(len(asked) for _, asked in turns.taken) == TOGETHER_MAX
    assert {owner for owner, _ in turns.taken} == {ONE, OTHER}
    assert sum(len(asked) for owner, asked in turns.taken if owner == ONE) == TOGETHER_MAX + 50


async def test_one_that_fails_costs_no_other():
    together = Together(Turns())

    found = await asyncio.gather(
        *(together.ask(ONE, number) for number in (100, 101, 102)), return_exceptions=True
    )

    assert [found[0], type(found[1]), found[2]] == [200, ValueError, 204]


async def test_what_nobody_may_try_again_is_told_to_all_and_not_tried_again():
    turns = Turns(ForAll(OSError()))
    together = Together(turns)

    found = await asyncio.gather(*(together.ask(ONE, number) for number in range(4)), return_exceptions=True)

    assert [type(one) for one in found] == [OSError] * 4
    assert sum(len(asked) for _, asked in turns.taken) == 4


async def test_who_no_longer_waits_keeps_nobody_from_the_answer():
    together = Together(Turns())
    gone = asyncio.ensure_future(together.ask(ONE, 1))
    await asyncio.sleep(0)
    gone.cancel()

    assert await together.ask(ONE, 2) == 4
    with pytest.raises(asyncio.CancelledError):
        await gone

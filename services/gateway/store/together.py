"""What is asked while one statement is under way goes into the next: many at once for the price of one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from uuid import UUID

TOGETHER_MAX: Final = 100

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class ForAll(Exception):
    """Nobody knows what became of it, and to try again is not for us: `error` is told to all who asked."""

    def __init__(self, error: Exception) -> None:
        super().__init__(type(error).__name__)
        self.error = error


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Asked, Answer]):
    asked: Asked
    answer: asyncio.Future[Answer]

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Together(Generic[Asked, Answer]):
    """Does what is asked in as few turns as its number allows, each of one tenant.

    What comes alone is done at once; nobody waits for company, only for the turn before. `act` answers each
    of those it is given, in their order.
    """

    def __init__(self, act: Callable[[UUID, Sequence[Asked]], Awaitable[Sequence[Answer]]]) -> None:
        self._act = act
        self._waiting: dict[UUID, list[_Waiting[Asked, Answer]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, tenant_id: UUID, asked: Asked) -> Answer:
        """Raises what `act` raises for it alone."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(asked, answer)
        if tenant_id in self._waiting:
            self._waiting[tenant_id].append(waiting)
        else:
            self._waiting[tenant_id] = [waiting]
            # In a context of its own: what it does is not done for the request that happened to be first.
            task = asyncio.create_task(self._empty(tenant_id), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _empty(self, tenant_id: UUID) -> None:
        queue = self._waiting[tenant_id]
        while queue:
            together = queue[:TOGETHER_MAX]
            del queue[:TOGETHER_MAX]
            await self._turn(tenant_id, together)
        del self._waiting[tenant_id]

    async def _turn(self, tenant_id: UUID, together: Sequence[_Waiting[Asked, Answer]]) -> None:
        try:
            answers = await self._act(tenant_id, [one.asked for one in together])
        except Exception as error:
            if isinstance(error, ForAll):
                for one in together:
                    one.fail(error.error)
            elif len(together) > 1:
                # One of them may be the reason: each by itself, so that it costs no other.
                await asyncio.gather(*(self._turn(tenant_id, [one]) for one in together))
            else:
                together[0].fail(error)
            return
        for one, answer in zip(together, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)

"""Accepting requests together: what is asked while one transaction is under way goes into the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from contracts.message import Command
from services.gateway.messages.requests import Request
from services.gateway.store import requests
from shared import database, outbox
from shared.database import Pool
from shared.errors import Unavailable
from shared.outbox import Row

TOGETHER_MAX: Final = 100


class Unsure(Unavailable):
    """The database broke off a commit: nobody knows whether it was one."""


@dataclass(frozen=True, eq=False)
class _Waiting:
    request: Request
    rows: Sequence[Row]
    accepted: asyncio.Future[bool]


class Accepting:
    """Requests with their commands, in as few transactions as their number allows, each of one tenant.

    A request that comes alone is accepted at once; nobody waits for company, only for the one before.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: dict[UUID, list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, new: Request, command: Command) -> bool:
        """Whether it is accepted; False if another request holds its key. Raises Unavailable, or Unsure."""
        accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(new, outbox.rows(command), accepted)
        tenant_id = new.asked.tenant_id
        if tenant_id in self._waiting:
            self._waiting[tenant_id].append(waiting)
        else:
            self._waiting[tenant_id] = [waiting]
            # In a context of its own: what it does is not done for the request that happened to be first.
            task = asyncio.create_task(self._empty(tenant_id), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await accepted

    async def _empty(self, tenant_id: UUID) -> None:
        queue = self._waiting[tenant_id]
        while queue:
            together = queue[:TOGETHER_MAX]
            del queue[:TOGETHER_MAX]
            await self._open(together)
        del self._waiting[tenant_id]

    async def _open(self, together: Sequence[_Waiting]) -> None:
        committing = False
        try:
            async with database.transaction(self._pool) as conn:
                opened = await requests.open_all(conn, [one.request for one in together])
                chosen = [one for one in together if one.request.asked.request_id in opened]
                await outbox.write(conn, [row for one in chosen for row in one.rows])
                committing = bool(opened)
        except Exception as error:
            if committing and isinstance(error, Unavailable):
                _fail(together, Unsure("the database broke off a commit"))
            elif len(together) > 1:
                # One of them may be the reason: each by itself, so that it costs no other.
                await asyncio.gather(*(self._open([one]) for one in together))
            else:
                _fail(together, error)
            return
        for one in together:
            if not one.accepted.done():
                one.accepted.set_result(one.request.asked.request_id in opened)


def _fail(together: Sequence[_Waiting], error: Exception) -> None:
    for one in together:
        if not one.accepted.done():
            one.accepted.set_exception(error)

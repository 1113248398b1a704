"""Accepting requests together: a statement a table for all that are asked at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.message import Command
from services.gateway.messages.requests import Request
from services.gateway.store import requests
from services.gateway.store.together import ForAll, Together
from shared import database, outbox
from shared.database import Pool
from shared.errors import Unavailable
from shared.outbox import Row


class Unsure(Unavailable):
    """The database broke off a commit: nobody knows whether it was one."""


@dataclass(frozen=True, eq=False)
class _New:
    request: Request
    rows: Sequence[Row]


class Accepting:
    """Requests with their commands, in as few transactions as their number allows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._together = Together(self._open)

    async def accept(self, new: Request, command: Command) -> bool:
        """Whether it is accepted; False if another request holds its key. Raises Unavailable, or Unsure."""
        return await self._together.ask(new.asked.tenant_id, _New(new, outbox.rows(command)))

    async def _open(self, _tenant_id: UUID, together: Sequence[_New]) -> Sequence[bool]:
        committing = False
        try:
            async with database.transaction(self._pool) as conn:
                opened = await requests.open_all(conn, [one.request for one in together])
                chosen = [one for one in together if one.request.asked.request_id in opened]
                await outbox.write(conn, [row for one in chosen for row in one.rows])
                committing = bool(opened)
        except Unavailable as error:
            if committing:
                raise ForAll(Unsure("the database broke off a commit")) from error
            raise
        return [one.request.asked.request_id in opened for one in together]

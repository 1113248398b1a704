"""Asking: a request and its command in one transaction, then the wait for the outcome, once per key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Self
from uuid import UUID

from starlette.requests import Request as HttpRequest

from contracts.message import Command, Event
from services.gateway.commands import asked as asking
from services.gateway.commands.accepting import Accepting, Unsure
from services.gateway.commands.asked import Asker, Preference
from services.gateway.commands.waiting import Outcomes
from services.gateway.messages import outcomes as answers
from services.gateway.messages import requests as messages
from services.gateway.messages.answers import Answer
from services.gateway.messages.errors import Problem
from services.gateway.messages.requests import Asked, Request
from services.gateway.settings import Settings
from services.gateway.store import requests, tenancy
from services.gateway.store.requests import Finished
from shared import clock, database, outbox
from shared.database import Connection, Pool
from shared.errors import Unavailable

ATTEMPTS_MAX: Final = 3
UNKNOWN_SECONDS_MAX: Final = 10.0
UNKNOWN_RETRY_SECONDS: Final = 0.2
DIRECTORY: Final = "directory"

Act = Callable[[Connection, UUID], Awaitable[Answer]]


class _Unknown(Exception):
    """The database went away while it committed, and has not come back."""


class Commands:
    """What clients ask. `pool` is under row-level security; outcomes are read by the owner of the tables."""

    def __init__(self, *, pool: Pool, owner: Pool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._accepting = Accepting(pool)
        self._outcomes = Outcomes(owner, settings.database_url)

    async def __aenter__(self) -> Self:
        await self._outcomes.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._outcomes.stop()

    async def earlier(self, request: HttpRequest, caller: Asker, body: object) -> Answer | None:
        """The answer to a repetition; None if nothing holds this key. Comes before all checks of content."""
        if not asking.repeatable(request):
            return None
        asked = asking.read(request, caller, body)
        holder = await requests.find_holder(self._pool, asked, now=clock.now())
        return None if holder is None else await self._repeated(asked, holder, asking.preference(request))

    async def ask(
        self,
        request: HttpRequest,
        caller: Asker,
        body: object,
        command: Command,
        **context: object,
    ) -> Answer:
        """Send a command once per key, and wait for its outcome as long as the client prefers."""
        new = Request(
            asking.read(request, caller, body),
            command.ce_type,
            clock.now(),
            command.prescription_id if isinstance(command, Event) else None,
            {"base_url": self._settings.base_url} | context,
        )
        return await self.send(new, command, asking.preference(request))

    async def send(self, new: Request, command: Command, preference: Preference) -> Answer:
        """Accept a request and its command in one transaction, then wait. Raises Overloaded before either."""
        for _ in range(ATTEMPTS_MAX):
            # Expected before it is committed: its outcome cannot come unheard.
            with self._outcomes.expecting(new.asked.request_id) as outcome:
                if await self._accept(new, command):
                    return await self._answer(new, outcome, preference)
            holder = await self._holder(new.asked)
            if holder is not None:
                return await self._repeated(new.asked, holder, preference)
        raise Unavailable("this idempotency key changes hands too fast")

    async def _accept(self, new: Request, command: Command) -> bool:
        """Whether it is accepted; False if another request holds its key.

        When the database breaks off a commit, nobody knows whether it was one. Such a write must not end in a
        5xx: it is tried again, harmless under the same request id, and then counts as accepted.
        """

        async def both(conn: Connection) -> None:
            await outbox.send(conn, command)

        try:
            return await self._accepting.accept(new, command)
        except Unsure:
            pass
        try:
            return await self._open(new, both, unknown=True)
        except _Unknown:
            return True

    async def _open(
        self, new: Request, beside: Callable[[Connection], Awaitable[None]], *, unknown: bool = False
    ) -> bool:
        """Open the request and do what belongs to it in one transaction, repeated until its fate is known.

        `unknown`: it may be open already. Raises Unavailable if it was not opened, _Unknown if that could not
        be learned.
        """
        give_up = time.monotonic() + UNKNOWN_SECONDS_MAX
        while True:
            committing = False
            try:
                async with database.transaction(self._pool) as conn:
                    opened = await requests.open(conn, new)
                    if opened:
                        await beside(conn)
                    committing = opened
                return opened or (unknown and await self._was_opened(new))
            except Unavailable:
                unknown = unknown or committing
                if not unknown:
                    raise
                if time.monotonic() > give_up:
                    raise _Unknown from None
            await asyncio.sleep(UNKNOWN_RETRY_SECONDS)

    async def _was_opened(self, new: Request) -> bool:
        asked = new.asked
        found = await requests.find(
            self._pool, tenant_id=asked.tenant_id, client=asked.client, request_id=asked.request_id
        )
        return found is not None

    async def _holder(self, asked: Asked) -> Request | None:
        """Who holds the key now; None if it is free, or was freed here because its days are over."""
        now = clock.now()
        holder = await requests.find_holder(self._pool, asked, now=now)
        if holder is None and asked.idempotency_key is not None:
            async with tenancy.transaction(self._pool, asked.tenant_id) as conn:
                await requests.free_expired_key(conn, asked, now=now)
        return holder

    async def _repeated(self, asked: Asked, holder: Request, preference: Preference) -> Answer:
        if requests.kept_digest(asked) != holder.asked.content_digest:
            raise messages.reused(holder)
        with self._outcomes.expecting(holder.asked.request_id) as outcome:
            if holder.answer is None:
                self._outcomes.look(holder.asked.request_id)
            else:
                outcome.set_result(holder.answer)
            answer = await self._answer(holder, outcome, preference)
        if answer.status == 202:
            return answer
        return replace(answer, headers={**answer.headers, "Idempotency-Replayed": "true"})

    async def _answer(
        self, request: Request, outcome: asyncio.Future[Answer], preference: Preference
    ) -> Answer:
        """The answer if it comes in time, else 202."""
        if not outcome.done() and preference.seconds:
            await asyncio.wait([outcome], timeout=preference.seconds)
        if not outcome.done():
            return messages.pending(request, applied=preference.applied)
        return _told(outcome.result(), request, preference)

    async def at_once(self, request: HttpRequest, caller: Asker, body: object, act: Act) -> Answer:
        """Do a write of the directory: request, rows, event and answer in one transaction (DESIGN 3.1.2).

        A Problem that `act` raises takes all of it back; one about state is then recorded and answered. Who
        prefers not to wait is told where to ask, as of every other write.
        """
        new = Request(
            asking.read(request, caller, body),
            DIRECTORY,
            clock.now(),
            context={"base_url": self._settings.base_url},
        )
        preference = asking.preference(request)
        for _ in range(ATTEMPTS_MAX):
            try:
                answer = await self._do(new, act)
            except Problem as problem:
                if problem.status == 422:
                    raise
                answer = answers.refusal(problem, new)
                await self._record(replace(new, answer=answer))
            if answer is not None:
                if preference.at_once:
                    return messages.pending(new, applied=preference.applied)
                return _told(answer, new, preference)
            holder = await self._holder(new.asked)
            if holder is not None:
                return await self._repeated(new.asked, holder, preference)
        raise Unavailable("this idempotency key changes hands too fast")

    async def _do(self, new: Request, act: Act) -> Answer | None:
        done: list[Answer] = []

        async def write(conn: Connection) -> None:
            answer = await act(conn, new.asked.request_id)
            await requests.finish(conn, [Finished(new, answer, None, clock.now())], told=False)
            done.append(answer)

        try:
            opened = await self._open(new, write)
        except _Unknown:
            return messages.pending(new, applied=None)
        return done[-1] if opened else None

    async def _record(self, refused: Request) -> None:
        async with database.transaction(self._pool) as conn:
            await requests.open(conn, refused)


def _told(answer: Answer, request: Request, preference: Preference) -> Answer:
    """An answer with the id of its request, and the wait that was granted."""
    headers = {**answer.headers, "X-Request-ID": request.id}
    if preference.seconds and preference.applied:
        headers["Preference-Applied"] = preference.applied
    return replace(answer, headers=headers)

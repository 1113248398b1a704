"""Clocks and outside calls: rows that fall due, are leased, acted on outside transactions, then committed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import orjson
import structlog

from shared import clock, database, outbox, telemetry
from shared.database import Connection, Pool
from shared.errors import Unavailable
from shared.outbox import Outbox

POLL_SECONDS: Final = 1.0
BACKOFF_SECONDS_MIN: Final = 0.5
STUCK_SECONDS: Final = 60.0
STOP_SECONDS_MAX: Final = 10.0

log = structlog.get_logger()


@dataclass
class Job:
    """One row of work, leased by this process."""

    id: int
    kind: str
    key: str
    tenant_id: UUID
    prescription_id: UUID | None
    payload: dict[str, Any]
    attempts: int
    due_at: datetime
    _version: int = field(repr=False, default=0)
    _lease: datetime | None = field(repr=False, default=None)
    _again: datetime | None = field(repr=False, default=None)

    def again(self, *, at: datetime) -> None:
        """Keep the row, due again at a later time, when the result is committed."""
        self._again = at


Finish: TypeAlias = Callable[[Connection, Outbox], Awaitable[None]]
Act: TypeAlias = Callable[[Job, Any], Awaitable[Finish]]
A = TypeVar("A", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True)
class NewWork:
    """A row to add: (kind, key) is unique, a second one moves `due_at`."""

    kind: str
    key: str
    tenant_id: UUID
    due_at: datetime
    prescription_id: UUID | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Kind:
    name: str
    act: Act
    lease_seconds: float
    concurrency: int
    attempts: int
    backoff_seconds_max: float


class Works:
    """What a service does by the clock or outside, by kind."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.kinds: dict[str, _Kind] = {}

    def on(
        self,
        kind: str,
        *,
        lease_seconds: float = 60,
        concurrency: int = 1,
        attempts: int = 3,
        backoff_seconds_max: float = 300,
    ) -> Callable[[A], A]:
        """Act on rows of a kind: async (job, resources) -> Finish, run in one transaction with the row's end.

        Unavailable is tried again, each time later; others `attempts` times, then the row stays, failed.
        """

        def register(act: A) -> A:
            if kind in self.kinds:
                raise ValueError(f"{kind} has its function already")
            self.kinds[kind] = _Kind(kind, act, lease_seconds, concurrency, attempts, backoff_seconds_max)
            return act

        return register


async def add(
    conn: Connection,
    *,
    kind: str,
    key: str,
    tenant_id: UUID,
    prescription_id: UUID | None = None,
    due_at: datetime,
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Have something done at a time; a second one with the same kind and key moves it."""
    await add_many(conn, [NewWork(kind, key, tenant_id, due_at, prescription_id, payload or {})])


async def add_many(conn: Connection, rows: Sequence[NewWork]) -> None:
    """Several at once; of two with the same kind and key the last one counts."""
    last = {(row.kind, row.key): row for row in rows}
    chosen = [last[place] for place in sorted(last)]
    if not chosen:
        return
    await conn.execute(
        """
        INSERT INTO work AS present (kind, key, tenant_id, prescription_id, due_at, payload)
        SELECT *
          FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::text[])
            ON CONFLICT ON CONSTRAINT work_kind_key DO UPDATE
           SET due_at = excluded.due_at, payload = excluded.payload,
               prescription_id = excluded.prescription_id, version = present.version + 1,
               attempts = 0, failed_at = NULL, error = NULL
        """,
        [row.kind for row in chosen],
        [row.key for row in chosen],
        [row.tenant_id for row in chosen],
        [row.prescription_id for row in chosen],
        [row.due_at for row in chosen],
        [orjson.dumps(dict(row.payload)).decode() for row in chosen],
    )
    pool = database.pool_in_use()
    wakes = _workers.get(pool, {}) if pool is not None else {}
    soon = clock.now() + timedelta(seconds=POLL_SECONDS)
    for kind in {row.kind for row in chosen if row.due_at <= soon and row.kind in wakes}:
        database.after_commit(wakes[kind].set)


async def cancel(conn: Connection, *, kind: str, key: str) -> None:
    """Have it not done after all; what is under way finds its row gone, and commits nothing."""
    await conn.execute("DELETE FROM work WHERE (kind, key) = ($1, $2)", kind, key)


# Workers of this process, by pool and kind: woken by what is due at once; polling finds what is due later.
_workers: dict[Pool, dict[str, asyncio.Event]] = {}


class _Lost(Exception):
    """The row is gone or leased by another: what was done counts for nothing here."""


class Worker:
    """Does the work of one process; any number of processes share the rows."""

    def __init__(self, works: Works, pool: Pool, resources: Any, *, instance: str = "") -> None:
        self._works = works
        self._instance = instance
        self._pool = pool
        self._resources = resources
        self._wakes = {name: asyncio.Event() for name in works.kinds}
        self._turned_at = dict.fromkeys(works.kinds, time.monotonic())
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        _workers[self._pool] = self._wakes
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run(kind)) for kind in self._works.kinds.values()]

    async def stop(self) -> None:
        """Take no more and end what is under way; what does not end in time is leased again elsewhere."""
        self._stopping = True
        _workers.pop(self._pool, None)
        for wake in self._wakes.values():
            wake.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS_MAX)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    @property
    def stuck(self) -> bool:
        moment = time.monotonic()
        allowed = {name: STUCK_SECONDS + kind.lease_seconds * 2 for name, kind in self._works.kinds.items()}
        return any(task.done() for task in self._tasks) or any(
            moment - turned > allowed[name] for name, turned in self._turned_at.items()
        )

    async def _run(self, kind: _Kind) -> None:
        wake = self._wakes[kind.name]
        taken_back = not self._instance
        while not self._stopping:
            self._turned_at[kind.name] = time.monotonic()
            wake.clear()
            try:
                if not taken_back:
                    await self._take_back(kind)
                    taken_back = True
                jobs = await self._lease(kind)
                await asyncio.gather(*(self._do(kind, job) for job in jobs))
            except Exception as error:
                log.warning("work_interrupted", kind=kind.name, **telemetry.failure(error))
                jobs = []
            if len(jobs) < kind.concurrency:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(wake.wait(), POLL_SECONDS)

    async def _take_back(self, kind: _Kind) -> None:
        """Let go of what a predecessor in this slot had leased when it was killed: the slot is ours alone."""
        await self._pool.execute(
            """
            UPDATE work
               SET leased_until = NULL
             WHERE kind = $1
               AND leased_by = $2
               AND leased_until IS NOT NULL
            """,
            kind.name,
            self._instance,
        )

    async def _lease(self, kind: _Kind) -> list[Job]:
        rows = await self._pool.fetch(
            """
            UPDATE work
               SET leased_until = clock_timestamp() + $3::interval, leased_by = $5, attempts = attempts + 1
             WHERE id = ANY (ARRAY(
                   SELECT id
                     FROM work
                    WHERE kind = $1
                      AND due_at <= $2
                      AND failed_at IS NULL
                      AND (leased_until IS NULL OR leased_until < clock_timestamp())
                    ORDER BY due_at
                    LIMIT $4
                      FOR UPDATE SKIP LOCKED))
            RETURNING id, kind, key, tenant_id, prescription_id, payload, attempts, due_at,
                      version, leased_until
            """,
            kind.name,
            clock.now(),
            timedelta(seconds=kind.lease_seconds),
            kind.concurrency,
            self._instance,
        )
        return [
            Job(
                id=row["id"],
                kind=row["kind"],
                key=row["key"],
                tenant_id=row["tenant_id"],
                prescription_id=row["prescription_id"],
                payload=orjson.loads(row["payload"]),
                attempts=row["attempts"],
                due_at=row["due_at"],
                _version=row["version"],
                _lease=row["leased_until"],
            )
            for row in rows
        ]

    async def _do(self, kind: _Kind, job: Job) -> None:
        bound = {"prescription_id": str(job.prescription_id) if job.prescription_id else None}
        with telemetry.span(job.kind, telemetry.new_traceparent(), kind="internal", work=job.key, **bound):
            try:
                async with asyncio.timeout(kind.lease_seconds):
                    finish = await kind.act(job, self._resources)
                await self._finish(job, finish)
                result = "done"
            except _Lost:
                result = "lost"
            except (Unavailable, TimeoutError, OSError) as error:
                result = "postponed"
                log.warning("work_postponed", kind=job.kind, attempt=job.attempts, **telemetry.failure(error))
                await self._postpone(kind, job)
            except Exception as error:
                result = "failed" if job.attempts >= kind.attempts else "retried"
                log.error("work_failed", kind=job.kind, attempt=job.attempts, **telemetry.failure(error))
                await (self._fail(job, error) if result == "failed" else self._postpone(kind, job))
        telemetry.work_done.labels(job.kind, result).inc()

    async def _finish(self, job: Job, finish: Finish) -> None:
        async with database.transaction(self._pool) as conn:
            said = Outbox(traceparent=telemetry.traceparent())
            await finish(conn, said)
            await outbox.write(conn, said.rows)
            # The row comes last, as everywhere: after patients and prescriptions.
            await _settle(conn, job)

    async def _postpone(self, kind: _Kind, job: Job) -> None:
        seconds = min(BACKOFF_SECONDS_MIN * 2 ** min(job.attempts - 1, 20), kind.backoff_seconds_max)
        await self._release(job, "due_at = $3", clock.now() + timedelta(seconds=seconds))

    async def _fail(self, job: Job, error: Exception) -> None:
        await self._release(job, "failed_at = clock_timestamp(), error = $3", type(error).__name__)

    async def _release(self, job: Job, change: str, value: object) -> None:
        async with database.transaction(self._pool) as conn:
            await conn.execute(
                f"UPDATE work SET leased_until = NULL, {change} WHERE id = $1 AND leased_until = $2",
                job.id,
                job._lease,
                value,
            )


async def _settle(conn: Connection, job: Job) -> None:
    """End the row, or keep it where the result said so, or where it was asked for again meanwhile."""
    row = await conn.fetchrow("SELECT version, leased_until FROM work WHERE id = $1 FOR UPDATE", job.id)
    if row is None or row["leased_until"] != job._lease:
        raise _Lost
    if row["version"] != job._version:
        await conn.execute("UPDATE work SET leased_until = NULL, attempts = 0 WHERE id = $1", job.id)
    elif job._again is not None:
        await conn.execute(
            "UPDATE work SET leased_until = NULL, attempts = 0, due_at = $2 WHERE id = $1", job.id, job._again
        )
    else:
        await conn.execute("DELETE FROM work WHERE id = $1", job.id)

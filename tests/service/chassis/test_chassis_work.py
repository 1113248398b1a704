"""Work that falls due or goes outside: leased, done once, postponed, moved, cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shared import clock, work
from shared import database as databases
from shared.database import Connection, Pool
from shared.errors import Unavailable
from shared.outbox import Outbox
from shared.work import Finish, Job, NewWork, Worker, Works
from tests.chassis_service import happened
from tests.infrastructure import until
from tests.service.conftest import kinds, said

TENANT = UUID(int=1)
NOBODY = None


@pytest.fixture(autouse=True)
def own_time() -> Iterator[None]:
    yield
    clock.reset()


@asynccontextmanager
async def working(pool: Pool, works: Works, resources: Any = NOBODY) -> AsyncIterator[Worker]:
    worker = Worker(works, pool, resources)
    worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


async def add(pool: Pool, *, kind: str = "remind", key: str = "a", after: float = 0) -> None:
    async with databases.transaction(pool) as conn:
        await work.add(
            conn, kind=kind, key=key, tenant_id=TENANT, due_at=clock.now() + timedelta(seconds=after)
        )


async def left(pool: Pool) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM work")
    return count


def reminding(done: list[str]) -> Works:
    works = Works("chassis")

    @works.on("remind", concurrency=4)
    async def remind(job: Job, resources: Any) -> Finish:
        async def finish(conn: Connection, outbox: Outbox) -> None:
            done.append(job.key)
            outbox.announce(happened(what=job.key))

        return finish

    return works


async def test_what_is_due_is_done_once_and_announced_with_its_end(pool: Pool) -> None:
    done: list[str] = []
    works = reminding(done)

    async with working(pool, works), working(pool, works):
        for key in ("a", "b", "c", "d", "e", "f"):
            await add(pool, key=key)
        await until(lambda: len(done) == 6, seconds=10)
        await until(lambda: nothing_left(pool), seconds=5)

    assert sorted(done) == ["a", "b", "c", "d", "e", "f"]
    assert kinds(await said(pool)) == ["Happened"] * 6


@asynccontextmanager
async def under_way(pool: Pool) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """One reminder that has begun, and how to let it end."""
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    works = Works("chassis")

    @works.on("remind")
    async def remind(job: Job, resources: Any) -> Finish:
        begun.set()
        await go_on.wait()

        async def finish(conn: Connection, outbox: Outbox) -> None:
            outbox.announce(happened())
            ended.set()

        return finish

    async def end() -> None:
        go_on.set()
        await ended.wait()

    async with working(pool, works):
        await add(pool)
        await begun.wait()
        yield end


async def nothing_left(pool: Pool) -> bool:
    return await left(pool) == 0


async def test_what_is_due_later_waits_for_the_clock(pool: Pool) -> None:
    done: list[str] = []

    async with working(pool, reminding(done)):
        await add(pool, after=3_600)
        await add(pool, key="now")
        await until(lambda: done == ["now"], seconds=10)
        clock.shift(timedelta(hours=1))
        await until(lambda: done == ["now", "a"], seconds=10)


async def test_a_second_request_moves_the_first(pool: Pool) -> None:
    await add(pool, after=0)
    await add(pool, after=3_600)

    rows = await pool.fetch("SELECT due_at > now() AS later FROM work")

    assert [row["later"] for row in rows] == [True]


async def test_of_two_with_one_key_in_one_statement_the_last_counts(pool: Pool) -> None:
    soon, late = clock.now(), clock.now() + timedelta(hours=1)

    async with databases.transaction(pool) as conn:
        await work.add_many(
            conn, [NewWork("remind", "a", TENANT, soon), NewWork("remind", "a", TENANT, late)]
        )

    assert await pool.fetchval("SELECT due_at FROM work") == late


async def test_what_is_asked_for_again_while_it_is_done_is_done_again(pool: Pool) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    done: list[int] = []
    works = Works("chassis")

    @works.on("remind")
    async def remind(job: Job, resources: Any) -> Finish:
        begun.set()
        await go_on.wait()

        async def finish(conn: Connection, outbox: Outbox) -> None:
            done.append(job.id)

        return finish

    async with working(pool, works):
        await add(pool)
        await begun.wait()
        await add(pool)
        go_on.set()
        await until(lambda: len(done) == 2, seconds=10)
        await until(lambda: nothing_left(pool), seconds=5)


async def test_what_is_cancelled_while_it_is_done_leaves_nothing(pool: Pool) -> None:
    async with under_way(pool) as end:
        async with databases.transaction(pool) as conn:
            await work.cancel(conn, kind="remind", key="a")
        await end()

    assert await said(pool) == []


async def test_what_another_has_leased_meanwhile_is_for_that_one_to_end(pool: Pool) -> None:
    async with under_way(pool) as end:
        # As another process does once the lease of one that slept has run out.
        await pool.execute("UPDATE work SET leased_until = leased_until + interval '1 hour'")
        await end()

    assert await said(pool) == []
    assert await pool.fetchval("SELECT count(*) FROM work WHERE leased_until IS NOT NULL") == 1


async def test_an_outage_postpones_and_a_bug_ends_after_its_attempts(pool: Pool) -> None:
    tried: dict[str, int] = {"outage": 0, "bug": 0}
    works = Works("chassis")

    @works.on("remind", concurrency=2, attempts=2, backoff_seconds_max=0.1)
    async def remind(job: Job, resources: Any) -> Finish:
        tried[job.key] += 1
        if job.key == "bug":
            raise ZeroDivisionError
        if tried[job.key] < 4:
            raise Unavailable

        async def finish(conn: Connection, outbox: Outbox) -> None:
            outbox.announce(happened())

        return finish

    async with working(pool, works):
        await add(pool, key="outage")
        await add(pool, key="bug")
        await until(lambda: tried == {"outage": 4, "bug": 2}, seconds=15)
        await until(lambda: failed(pool), seconds=5)

    assert kinds(await said(pool)) == ["Happened"]
    assert await pool.fetchval("SELECT error FROM work") == "ZeroDivisionError"


async def failed(pool: Pool) -> bool:
    return bool(await pool.fetchval("SELECT count(*) = 1 FROM work WHERE failed_at IS NOT NULL"))


async def test_what_says_again_is_done_again_at_that_time(pool: Pool) -> None:
    done: list[int] = []
    works = Works("chassis")

    @works.on("remind")
    async def remind(job: Job, resources: Any) -> Finish:
        done.append(job.attempts)
        if len(done) < 3:
            job.again(at=clock.now())

        async def finish(conn: Connection, outbox: Outbox) -> None:
            return None

        return finish

    async with working(pool, works):
        await add(pool)
        await until(lambda: len(done) == 3, seconds=10)
        await until(lambda: nothing_left(pool), seconds=5)


async def test_a_result_that_cannot_be_committed_leaves_the_row_for_the_next_time(pool: Pool) -> None:
    tries: list[int] = []
    works = Works("chassis")

    @works.on("remind", backoff_seconds_max=0.1)
    async def remind(job: Job, resources: Any) -> Finish:
        async def finish(conn: Connection, outbox: Outbox) -> None:
            outbox.announce(happened(number=len(tries)))
            tries.append(job.id)
            if len(tries) == 1:
                raise Unavailable("the commit is lost")

        return finish

    async with working(pool, works):
        await add(pool)
        await until(lambda: nothing_left(pool), seconds=10)

    assert len(tries) == 2
    assert kinds(await said(pool)) == ["Happened"]


async def test_what_a_killed_process_had_leased_is_done_as_soon_as_its_slot_is_taken_again(
    pool: Pool,
) -> None:
    done: list[str] = []
    await add(pool, key="mine")
    await add(pool, key="another's")
    await pool.execute(
        """
        UPDATE work
           SET leased_until = clock_timestamp() + interval '600 s',
               leased_by = CASE key WHEN 'mine' THEN 'chassis-0' ELSE 'chassis-1' END
        """
    )

    worker = Worker(reminding(done), pool, NOBODY, instance="chassis-0")
    worker.start()
    await until(lambda: done, seconds=10)
    await worker.stop()

    assert done == ["mine"]
    assert await left(pool) == 1

"""Views rebuilt from what prescription announces again: two services, and the test between them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.catalog import TOPICS
from contracts.message import named
from contracts.rebuilding import AnnounceAgain, AnnouncementEnded, StateAnnounced
from services.gateway.handlers import handlers as gateway_handlers
from services.gateway.operator import rebuilding, rotation
from services.gateway.store import at_rest, generations, history, rebuilds, views
from services.gateway.work import works as gateway_works
from services.prescription import work as prescription_work
from services.prescription.handlers import handlers as prescription_handlers
from services.prescription.messages import announcing
from shared import clock, database, graves, outbox
from shared.database import Pool
from shared.errors import Rejected
from shared.messaging import Delivery, Handlers
from shared.records import Stored
from shared.work import Worker
from tests.gateway import DATA_KEY, Serving, serving
from tests.infrastructure import Database
from tests.service import prescriptions as some
from tests.service import records
from tests.service.prescriptions import ID, Service, numbered

MANY = 7
SEALED = {column.table: column for column in at_rest.COLUMNS}


@dataclass
class Both:
    """prescription and the gateway, and the records on their way between them."""

    service: Service
    gateway: Serving
    _offsets: itertools.count[int] = field(default_factory=itertools.count)

    async def taken(self, pool: Pool, to: Handlers) -> list[Stored]:
        """What a relay would publish of an outbox, for this reader."""
        rows = await pool.fetch("DELETE FROM outbox RETURNING seq, topic, key, headers, value")
        return [
            Stored(
                topic=row["topic"],
                partition=0,
                offset=next(self._offsets),
                timestamp=0,
                key=row["key"],
                value=row["value"],
                headers=outbox.unpack(row["headers"]),
            )
            for row in sorted(rows, key=lambda row: row["seq"])
            if row["topic"] in to.topics
        ]

    async def shown(self, *also: Stored) -> None:
        """Let the gateway read what prescription has announced."""
        found = [*also, *await self.taken(self.service.pool, gateway_handlers)]
        if found:
            await self.gateway.deliver(*found)
            assert not self.gateway.deliver.waits

    async def begun(self, *, again: bool = False) -> UUID:
        id = await rebuilding.begin(self.gateway.owner, again=again, say=lambda _: None)
        asked = await self.taken(self.gateway.owner, prescription_handlers)
        await self.service.deliver(*asked)
        return id

    async def announced(self, pieces: int | None = None, *, kept: list[Stored] | None = None) -> int:
        """Have prescription announce some pieces, or all, each read by the gateway or kept here."""
        worker = Worker(prescription_work.works, self.service.pool, self.service.pool)
        kind = prescription_work.works.kinds["announce"]
        await self._published(kept)
        done = 0
        while (pieces is None or done < pieces) and (jobs := await worker._lease(kind)):
            await asyncio.gather(*(worker._do(kind, job) for job in jobs))
            await self._published(kept)
            done += 1
        return done

    async def _published(self, kept: list[Stored] | None) -> None:
        if kept is None:
            await self.shown()
        else:
            kept += await self.taken(self.service.pool, gateway_handlers)

    async def looked(self) -> None:
        """Let the gateway look once whether all has arrived."""
        clock.shift(timedelta(seconds=2))
        await works_of(self.gateway.owner)

    async def outcome(self, id: UUID) -> str | None:
        found = await rebuilds.find(self.gateway.owner, id)
        assert found is not None
        return found.outcome

    async def rows(self, generation: str = "public") -> dict[str, list[dict[str, Any]]]:
        """Every row of every view, opened."""
        found = {}
        for view in generations.VIEWS:
            rows = await self.gateway.owner.fetch(f"SELECT * FROM {generation}.{view} ORDER BY 1, 2, 3")
            found[view] = [opened(view, dict(row)) for row in rows]
        return found


async def works_of(pool: Pool) -> None:
    worker = Worker(gateway_works, pool, pool)
    kind = gateway_works.kinds["swap-views"]
    for job in await worker._lease(kind):
        await worker._do(kind, job)


def opened(view: str, row: dict[str, Any]) -> dict[str, Any]:
    if (column := SEALED.get(view)) is not None:
        key = [row[name] for name in column.key]
        row[column.name] = column.open(row[column.name], row["tenant_id"], *key)
    return row


def types(found: Iterable[Stored]) -> list[str]:
    return [dict(one.headers)["ce_type"].decode() for one in found]  # type: ignore[union-attr]


def read(one: Stored) -> StateAnnounced | AnnouncementEnded:
    known = named(TOPICS[one.topic].messages)[types([one])[0]]
    assert one.value is not None
    message = known.model_validate_json(one.value)
    assert isinstance(message, StateAnnounced | AnnouncementEnded)
    return message


@pytest.fixture
async def both(
    open_pool: Callable[..., Awaitable[Pool]],
    database: Callable[[str], Awaitable[Database]],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Both]:
    some.stop_the_clock(monkeypatch)
    monkeypatch.setattr(prescription_work, "PIECE", 3)
    async with serving(await database("gateway")) as gateway:
        found = Both(Service.on(await open_pool("prescription")), gateway)
        await some_of_everything(found)
        yield found
    clock.reset()


async def some_of_everything(both: Both) -> None:
    await both.service.issues(*(some.issue(**numbered(n)) for n in range(MANY)))
    other = some.start(**numbered(1), dispensation_id=UUID(int=91))
    await both.service.hears(some.start(), some.update(), other)
    await both.service.hears(some.complete(), some.void(**numbered(2)))
    await both.service.hears(records.put())
    for n, name in enumerate(("Amigdalite", "Otite", "Gripe", "Febre")):
        await both.service.hears(records.save(template_id=UUID(int=71 + n), name=name))
    await both.service.hears(records.delete(record_id=UUID(int=72)))
    # One whose issue is under way: nobody may see it, then or now.
    await both.service.hears(some.issue(**numbered(50)))
    await both.shown()


async def test_rebuilt_views_equal_those_that_were_there_row_by_row(both: Both) -> None:
    before = await both.rows()
    assert all(before.values())
    assert len(before["prescription_view"]) == MANY

    id = await both.begun()
    pieces = await both.announced()
    rebuilt = await both.rows("rebuilt")
    await both.looked()

    assert pieces > 5
    assert rebuilt == before
    assert await both.outcome(id) == "done"
    assert await both.rows() == before
    assert not any((await both.rows("rebuilt")).values())


async def test_what_changes_while_they_are_rebuilt_is_in_both(both: Both) -> None:
    before = await both.rows()
    id = await both.begun()
    for n, pieces in enumerate((1, 1, 1, 2)):
        await both.announced(pieces)
        # One that was announced before its change or after it, and one that is new.
        await both.service.hears(some.void(**numbered(3 + n)))
        await both.service.issues(
            some.issue(**numbered(100 + n)),
            some.issue(**(numbered(0) | {"prescription_id": UUID(int=5 + n)})),
        )
        await both.service.hears(records.put(status="completed", record_id=UUID(int=60 - n)))
        await both.service.hears(records.save(template_id=UUID(int=81 + n), name=f"Nova {n}"))
    await both.service.hears(records.delete(record_id=UUID(int=73)))
    await both.announced()
    shown, rebuilt = await both.rows(), await both.rows("rebuilt")
    await both.looked()

    assert len(shown["prescription_view"]) == MANY + 8 != len(before["prescription_view"])
    assert rebuilt == shown
    assert (await both.outcome(id), await both.rows()) == ("done", shown)


async def test_what_was_lost_or_wrong_comes_back(both: Both) -> None:
    before = await both.rows()
    owner = both.gateway.owner
    await owner.execute("DELETE FROM prescription_view WHERE prescription_id = $1", ID)
    await owner.execute("UPDATE prescription_view SET status = 'draft', revision = 99, state = '\\x00'")
    await owner.execute("DELETE FROM prescription_history WHERE revision > 2")
    await owner.execute("DELETE FROM dispensation_view")
    await owner.execute("DELETE FROM consultation_view")
    await owner.execute("UPDATE template_view SET deleted = NOT deleted")

    await both.begun()
    await both.announced()
    await both.looked()

    assert await both.rows() == before


@pytest.mark.parametrize("seed", range(3))
async def test_in_whatever_order_the_records_come_the_count_decides(both: Both, seed: int) -> None:
    before = await both.rows()
    kept: list[Stored] = []
    id = await both.begun()
    await both.announced(kept=kept)
    random.Random(seed).shuffle(kept)
    kept.sort(key=lambda one: types([one]) != [AnnouncementEnded.ce_type])  # The end marker first of all.
    end = read(kept[0])
    assert isinstance(end, AnnouncementEnded)
    assert end.announced == len(kept) - 1

    await both.shown(*kept[:-1])
    await both.looked()
    assert (await both.outcome(id), await both.rows()) == (None, before)

    await both.shown(kept[-1], kept[1])  # One of them twice: it counts once.
    await both.looked()
    assert (await both.outcome(id), await both.rows()) == ("done", before)


async def killed_before_it_commits(both: Both, worker: Worker) -> None:
    kind = prescription_work.works.kinds["announce"]
    (job,) = await worker._lease(kind)
    finish = await kind.act(job, both.service.pool)
    with contextlib.suppress(ConnectionAbortedError):
        async with both.service.pool.acquire() as conn, conn.transaction():
            said = outbox.Outbox(traceparent="00-aa-bb-01")
            await finish(conn, said)
            await outbox.write(conn, said.rows)
            assert said.rows
            raise ConnectionAbortedError


async def test_an_announcement_that_is_killed_half_way_goes_on_where_it_was(both: Both) -> None:
    before = await both.rows()
    id = await both.begun()
    await both.announced(2)
    slot = Worker(prescription_work.works, both.service.pool, both.service.pool, instance="prescription-0")
    await killed_before_it_commits(both, slot)
    assert await both.announced() == 0  # Its lease still runs.

    await slot._take_back(prescription_work.works.kinds["announce"])
    await both.announced()
    await both.looked()

    assert (await both.outcome(id), await both.rows()) == ("done", before)


async def test_the_next_piece_waits_until_the_last_is_published(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prescription_work, "PUBLISHED_SECONDS_MAX", 0.1)
    await both.begun()
    worker = Worker(prescription_work.works, both.service.pool, both.service.pool)
    kind = prescription_work.works.kinds["announce"]
    for _ in range(2):
        for job in await worker._lease(kind):
            await worker._do(kind, job)
        clock.shift(timedelta(minutes=1))

    waiting = await both.taken(both.service.pool, gateway_handlers)
    assert types(waiting) == [StateAnnounced.ce_type] * 3

    assert await both.announced(1) == 1


async def test_two_at_once_are_refused_with_a_sentence(both: Both) -> None:
    id = await both.begun()

    with pytest.raises(Rejected, match="the views are being rebuilt since 2026-06-25 12:00:00 UTC"):
        await both.begun()

    assert await both.outcome(id) is None
    assert not await both.taken(both.gateway.owner, prescription_handlers)


async def test_one_that_is_begun_again_counts_nothing_of_the_one_given_up(both: Both) -> None:
    before = await both.rows()
    late: list[Stored] = []
    first = await both.begun()
    await both.announced(3)
    await both.announced(1, kept=late)

    second = await both.begun(again=True)
    await both.shown(*late)
    assert not any((await both.rows("rebuilt")).values())
    await both.announced()
    await both.looked()
    await both.looked()

    assert [await both.outcome(id) for id in (first, second)] == ["abandoned", "done"]
    assert await both.rows() == before
    with pytest.raises(Rejected, match="was given up"):
        await rebuilding.wait(both.gateway.owner, first, say=lambda _: None)


async def test_whoever_waits_is_told_what_is_buried_and_its_replay_ends_the_rebuild(both: Both) -> None:
    before = await both.rows()
    kept: list[Stored] = []
    id = await both.begun()
    await both.announced(kept=kept)
    (place,) = (n for n, one in enumerate(kept) if one.key == str(ID).encode())
    whole = kept[place]
    assert whole.value is not None
    kept[place] = replace(whole, value=whole.value.replace(b'"tenant_id"', b'"tenant"'))
    await both.shown(*kept)
    said: list[str] = []

    with pytest.raises(Rejected, match=f"those of {ID} are buried.*dead-letters replay"):
        await rebuilding.wait(both.gateway.owner, id, say=said.append, sleep=lambda _: both.looked())
    assert said == [f"{len(kept) - 2} records of {len(kept) - 1} have arrived"]
    assert (await both.outcome(id), await both.rows()) == (None, before)

    async with database.transaction(both.gateway.owner) as conn:
        buried = await graves.first(conn, whole.topic, str(ID).encode())
        assert buried is not None
        # As if the fault that had it buried were mended.
        delivery = Delivery(gateway_handlers, both.gateway.owner)
        await delivery.replay(conn, replace(buried.record, value=whole.value))
        await graves.release(conn, buried)
    await rebuilding.wait(both.gateway.owner, id, say=said.append, sleep=lambda _: both.looked())
    assert said[-1] == f"the views are rebuilt from {len(kept) - 1} records"
    assert await both.rows() == before


async def test_a_long_history_is_announced_in_several_records(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "HISTORY_BYTES_MAX", 400)
    before = await both.rows()
    kept: list[Stored] = []
    await both.begun()
    await both.announced(kept=kept)

    of_one = [one for one in map(read, kept) if isinstance(one, StateAnnounced) and one.record_id == ID]
    assert len(of_one) > 2
    assert [one.prescription is not None for one in of_one] == [True] + [False] * (len(of_one) - 1)
    await both.shown(*kept)
    await both.looked()
    assert await both.rows() == before


async def test_reads_neither_fail_nor_go_back_while_views_are_rebuilt_and_swapped(both: Both) -> None:
    over = asyncio.Event()
    seen: list[int] = []

    async def read_on(number: int) -> None:
        place, last = numbered(number), 0
        while not over.is_set():
            found = await views.find(both.gateway.pool, **place)
            assert found is not None
            assert found.prescription.revision >= last
            last = found.prescription.revision
            told = await history.page(
                both.gateway.pool, **place, actions=["issued", "cancelled"], limit=10, offset=0
            )
            assert told is not None
            assert told.complete
            seen.append(last)

    readers = [asyncio.create_task(read_on(n)) for n in (3, 3, 4)]
    for _ in range(3):
        id = await both.begun()
        await both.announced(2)
        await both.service.hears(some.note_access(**numbered(3)))
        await both.announced()
        while await both.outcome(id) is None:
            await asyncio.gather(both.looked(), both.shown())
        for reader in readers:
            assert not reader.done(), reader.exception()
    over.set()
    await asyncio.gather(*readers)

    assert len(seen) > 20


async def test_whoever_writes_while_a_rebuild_begins_is_waited_for(both: Both) -> None:
    async with database.transaction(both.gateway.owner) as writing:
        assert await rebuilds.to_fill(writing) is None
        beginning = asyncio.create_task(rebuilding.begin(both.gateway.owner, again=False, say=lambda _: None))
        await asyncio.sleep(0.2)
        assert not beginning.done()

    id = await beginning
    async with database.transaction(both.gateway.owner) as writing:
        assert await rebuilds.to_fill(writing) == id


async def test_a_new_data_key_reaches_both_generations(both: Both) -> None:
    async def sleep(seconds: float) -> None:
        clock.shift(timedelta(seconds=seconds + 1))

    id = await both.begun()
    await both.announced()
    before = await both.rows()

    await rotation.rotate(both.gateway.owner, DATA_KEY, say=lambda _: None, sleep=sleep)

    under = await both.gateway.owner.fetch(
        """
        SELECT substring(state, 1, 4) FROM public.prescription_view
         UNION
        SELECT substring(state, 1, 4) FROM rebuilt.prescription_view
        """
    )
    assert len(under) == 1
    await both.looked()
    assert (await both.outcome(id), await both.rows()) == ("done", before)


SHAPES = {
    "columns": """
        SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default
          FROM information_schema.columns WHERE table_schema = $1 AND table_name = ANY ($2)""",
    "constraints": """
        SELECT conrelid::regclass::oid::regclass::text <> '', conname, pg_get_constraintdef(oid)
          FROM pg_constraint WHERE connamespace = $1::text::regnamespace
           AND conrelid IN (SELECT oid FROM pg_class WHERE relname = ANY ($2))""",
    "indexes": """
        SELECT tablename, indexname, replace(indexdef, ' ON ' || $1 || '.', ' ON ')
          FROM pg_indexes WHERE schemaname = $1 AND tablename = ANY ($2)""",
    "policies": """
        SELECT tablename, policyname, cmd, qual, with_check
          FROM pg_policies WHERE schemaname = $1 AND tablename = ANY ($2)""",
    "tables": """
        SELECT relname, relrowsecurity, relacl::text, reloptions::text, pg_get_userbyid(relowner)
          FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relname = ANY ($2)""",
}
"""What a table is made of, in one schema."""


@pytest.mark.parametrize("what", SHAPES)
async def test_both_generations_are_made_alike(both: Both, what: str) -> None:
    """A migration that changes a view changes both: else the next rebuild would undo it."""

    async def shape(generation: str) -> list[tuple[object, ...]]:
        rows = await both.gateway.owner.fetch(SHAPES[what], generation, list(generations.VIEWS))
        return sorted((tuple(row) for row in rows), key=str)

    assert await shape("public")
    assert await shape("rebuilt") == await shape("public")


async def test_requests_reach_the_second_generation_in_no_way(both: Both) -> None:
    id = await both.begun()
    await both.announced()
    for view in generations.VIEWS:
        with pytest.raises(Exception, match="permission denied for schema rebuilt"):
            await both.gateway.pool.fetch(f"SELECT FROM rebuilt.{view}")
    await both.looked()

    assert await both.outcome(id) == "done"
    for view in generations.VIEWS:
        assert await both.gateway.owner.fetchval(f"SELECT count(*) FROM {view}")
        assert await both.gateway.pool.fetchval(f"SELECT count(*) FROM {view}") == 0, "no tenant, no row"


def test_rebuilds_are_asked_for_in_order() -> None:
    assert AnnounceAgain(rebuild_id=UUID(int=1)).key == AnnounceAgain(rebuild_id=UUID(int=2)).key


def test_the_command_is_asked_of_prescription_alone() -> None:
    assert AnnounceAgain in prescription_handlers.messages
    assert {StateAnnounced, AnnouncementEnded} <= gateway_handlers.messages

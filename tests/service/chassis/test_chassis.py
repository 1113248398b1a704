"""Delivery, tested once for all services: each message once, batches, poison, outages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from contracts.dispense_reports import StartReport
from contracts.message import Message
from shared import database, inbox
from shared.database import Connection, Pool
from shared.errors import Rejected
from shared.messaging import Delivery, Handlers
from shared.outbox import Outbox
from tests.chassis_service import Happened, ask, handlers_for, happened
from tests.service.chassis.ground import answers, dead, effects, headers_of_dead, numbers
from tests.service.conftest import Deliver, said

REPORTS = StartReport.topic


class TestOnce:
    async def test_a_message_that_comes_again_has_its_effect_once(self, pool: Pool, deliver: Deliver) -> None:
        record = deliver.record(happened())

        await deliver(record)
        await deliver(record)

        assert await effects(pool) == ["ordinary"]
        assert await answers(pool) == ["ordinary"]

    async def test_an_id_twice_in_one_batch_counts_once(self, pool: Pool, deliver: Deliver) -> None:
        record = deliver.record(happened())

        await deliver(record, record, happened("other"))

        assert await effects(pool) == ["ordinary", "other"]

    async def test_two_processes_with_the_same_batch_have_one_effect(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        records = [deliver.record(happened(number=number)) for number in range(20)]

        await asyncio.gather(deliver(*records), deliver(*reversed(records)))

        assert sorted(await numbers(pool)) == list(range(20))

    async def test_two_claims_of_the_same_ids_in_opposite_orders_meet_no_deadlock(self, pool: Pool) -> None:
        async def claim(ids: list[str]) -> int:
            async with database.transaction(pool) as conn:
                return len(await inbox.claim(conn, ids))

        for number in range(20):
            ids = [f"{number}-{one}" for one in range(300)]
            assert sum(await asyncio.gather(claim(ids), claim(ids[::-1]))) == 300

    async def test_a_batch_speaks_in_the_order_of_its_messages(self, pool: Pool, deliver: Deliver) -> None:
        await deliver(*(happened(str(number), thing=number) for number in range(20)))

        assert await answers(pool) == [str(number) for number in range(20)]

    async def test_what_is_announced_says_what_caused_it(self, pool: Pool, deliver: Deliver) -> None:
        record = deliver.record(ask(request=5))

        await deliver(record)

        (one,) = await said(pool)
        assert one.envelope is not None
        assert one.envelope.causationid == dict(record.headers)["ce_id"].decode()  # type: ignore[union-attr]
        assert one.envelope.correlationid == str(UUID(int=5))


class TestPoison:
    @pytest.mark.parametrize("place", [0, 1, 2])
    async def test_one_bad_message_costs_only_itself(self, pool: Pool, deliver: Deliver, place: int) -> None:
        batch: list[Message] = [happened(number=number, thing=number) for number in range(2)]
        batch.insert(place, happened("bug", thing=9))

        await deliver(*batch)

        assert await numbers(pool) == [0, 1]
        assert [one.topic for one in await dead(pool)] == ["chassis-events-v1-dead"]

    async def test_a_bug_gets_three_attempts_and_a_refusal_one(self, pool: Pool) -> None:
        tried: list[str] = []
        handlers = Handlers("chassis")

        @handlers.on(Happened)
        async def on_happened(event: Happened, conn: Connection, outbox: Outbox) -> None:
            tried.append(event.what)
            raise ZeroDivisionError if event.what == "bug" else Rejected

        await Deliver(handlers, pool)(happened("bug"))
        await Deliver(handlers, pool)(happened("refused", thing=8))

        assert tried == ["bug", "bug", "bug", "refused"]

    async def test_a_dead_letter_is_the_record_itself_and_says_who_and_why(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        record = deliver.record(happened("refused"))
        strange = replace(record, headers=[*record.headers, ("x", b"\xff\x00"), ("y", None)])

        await deliver(strange)

        found = await headers_of_dead(pool)
        assert found == dict(strange.headers) | {
            "recepta-consumer": b"chassis",
            "recepta-error": b"wrong_status",
        }
        (one,) = await dead(pool)
        assert one.message == record.value

    async def test_an_error_is_known_by_its_class_and_never_by_its_words(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        await deliver(happened("bug"))

        assert (await headers_of_dead(pool))["recepta-error"] == b"ZeroDivisionError"

    @pytest.mark.parametrize(
        "value",
        [
            b'{"number": ' + b"9" * 5_000 + b"}",
            b'{"other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b"[" * 100_000,
            b'"\xff"',
            b"",
            None,
            b"{}",
            b"null",
            b'{"text": "' + b"\\ud800" + b'"}',
            b" " * (9 * 1024 * 1024),
        ],
        ids=[
            "digits",
            "nested",
            "open",
            "not utf-8",
            "empty",
            "null",
            "members",
            "json null",
            "half",
            "9 MiB",
        ],
    )
    async def test_what_breaks_readers_is_buried_and_its_neighbours_are_handled(
        self, pool: Pool, deliver: Deliver, value: bytes | None
    ) -> None:
        poison = replace(deliver.record(happened(thing=9)), value=value)

        await deliver(poison, happened(number=1), happened(number=2))

        assert await numbers(pool) == [1, 2]
        assert [one.message for one in await dead(pool)] == [value]
        assert deliver.waits == {}

    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [("ce_id", None)],
            [("ce_id", b"\xff\xfe")],
            [("ce_time", b"yesterday")],
            [("ce_specversion", b"0.3")],
            [("h", b"")] * 200,
            [("ce_id", b"i" * 20_000)],
        ],
        ids=["none", "null", "not utf-8", "time", "version", "many", "long"],
    )
    async def test_a_record_with_bad_headers_is_buried_and_its_neighbours_are_handled(
        self, pool: Pool, deliver: Deliver, headers: list[tuple[str, bytes | None]]
    ) -> None:
        good = deliver.record(happened(thing=9))
        changed = {name for name, _ in headers}
        rest = [] if not headers else [pair for pair in good.headers if pair[0] not in changed]
        poison = replace(good, headers=[*headers, *rest])

        await deliver(poison, happened(number=1), happened(number=2))

        assert await numbers(pool) == [1, 2]
        assert len(await dead(pool)) == 1

    @pytest.mark.parametrize("header", [("stranger", b"\xff"), ("ce_subject", None), ("traceparent", b"no")])
    async def test_a_strangers_header_changes_nothing(
        self, pool: Pool, deliver: Deliver, header: tuple[str, bytes | None]
    ) -> None:
        good = deliver.record(happened(number=1))

        await deliver(replace(good, headers=[header, *good.headers]))

        assert await numbers(pool) == [1]

    async def test_a_type_that_nobody_handles_is_passed_over(self, pool: Pool, deliver: Deliver) -> None:
        good = deliver.record(happened())
        headers = [(n, b"recepta.chassis.newer.v1" if n == "ce_type" else v) for n, v in good.headers]

        await deliver(replace(good, headers=headers), happened(number=1))

        assert await numbers(pool) == [1]
        assert await dead(pool) == []

    async def test_a_buried_record_that_comes_again_is_not_buried_again(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        unreadable = replace(deliver.record(happened()), value=b"{")
        refused = deliver.record(happened("refused", thing=8))

        for _ in range(2):
            await deliver(unreadable, refused)

        assert len(await dead(pool)) == 2


class TestOutages:
    async def test_an_outage_holds_only_its_partition(self, pool: Pool, deliver: Deliver) -> None:
        outage = deliver.record(happened("outage"))
        behind = deliver.record(happened(number=1))
        elsewhere = replace(deliver.record(happened(number=2, thing=8)), partition=1)

        await deliver(outage, behind, elsewhere)

        assert deliver.waits == {("chassis-events-v1", 0): outage.offset}
        assert await numbers(pool) == [2]
        assert await dead(pool) == []

    async def test_when_the_disk_is_full_everything_waits_and_nothing_is_buried(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        records = [deliver.record(happened(number=number)) for number in range(3)]
        await pool.execute(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
            CREATE TRIGGER no_space BEFORE INSERT ON inbox FOR EACH STATEMENT EXECUTE FUNCTION refuse();
            """
        )

        await deliver(*records)
        waits = deliver.waits
        await pool.execute("DROP TRIGGER no_space ON inbox")
        await deliver(*records)

        assert waits == {("chassis-events-v1", 0): records[0].offset}
        assert await numbers(pool) == [0, 1, 2]
        assert await dead(pool) == []

    async def test_a_lock_that_somebody_keeps_is_waited_for_a_second_and_then_its_partition_waits(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        event = deliver.record(happened(number=1))
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute("LOCK TABLE effect")
            begun = time.monotonic()
            await deliver(event)
            seconds = time.monotonic() - begun
        waits = deliver.waits
        await deliver(event)

        assert waits == {("chassis-events-v1", 0): event.offset}
        assert seconds < 10
        assert await numbers(pool) == [1]
        assert await dead(pool) == []

    async def test_a_deadlock_waits_and_is_not_a_bug(self, pool: Pool, deliver: Deliver) -> None:
        one = deliver.record(happened("crossed", thing=1, other=UUID(int=2)))
        two = replace(deliver.record(happened("crossed", thing=2, other=UUID(int=1))), partition=1)
        other = Deliver(handlers_for("chassis"), pool)

        await asyncio.gather(deliver(one), other(two))
        for _ in range(3):
            await deliver(one, two)

        assert await effects(pool) == ["crossed", "crossed"]
        assert await dead(pool) == []


class TestHolding:
    async def test_all_of_a_batch_is_held_after_its_claim_and_before_its_first_handler(
        self, pool: Pool
    ) -> None:
        handlers = Handlers("chassis")
        order: list[str] = []

        @handlers.on(Happened)
        async def on_happened(event: Happened, conn: Connection, outbox: Outbox) -> None:
            order.append(f"handled {event.number}")

        @handlers.hold
        async def hold(conn: Connection, messages: Sequence[Any]) -> None:
            claimed = await conn.fetchval("SELECT count(*) FROM inbox")
            order.append(f"claimed {claimed}, held {len(messages)}")

        await Deliver(handlers, pool)(happened(number=1), happened(number=2))

        assert order == ["claimed 2, held 2", "handled 1", "handled 2"]

    async def test_one_batch_is_one_statement_for_the_inbox_and_one_for_the_outbox(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        asked: list[str] = []
        async with pool.acquire() as conn:
            conn.add_query_logger(lambda record: asked.append(" ".join(record.query.split())))
            single = _Single(conn)
            records = [deliver.record(happened(number=number)) for number in range(50)]
            await Delivery(deliver.handlers, single).run(records)  # type: ignore[arg-type]

        assert sum("INTO inbox" in query for query in asked) == 1
        assert sum("INTO outbox" in query for query in asked) == 1
        assert sum("FROM grave" in query for query in asked) == 1
        assert sum(query.startswith("COMMIT") for query in asked) == 1


class _Single:
    """A pool of one given connection, whose statements are listened to."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    async def acquire(self, *, timeout: float) -> Connection:
        return self._conn

    async def release(self, conn: Connection) -> None:
        return None

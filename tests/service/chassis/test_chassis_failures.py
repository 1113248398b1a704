"""What becomes of what cannot be handled: commands answered, events buried and replayed, outsiders."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.catalog import TOPICS
from contracts.dispense_reports import StartReport
from shared import database, dead_letters, graves, inbox
from shared.database import Connection, Pool
from shared.errors import Rejected, TooLarge
from shared.messaging import Handlers
from shared.outbox import Outbox
from shared.records import Arrived, Stored, digs_graves
from shared.settings import Settings
from tests.chassis_service import CATALOGUE, Happened, ask, handlers_for, happened
from tests.infrastructure import until
from tests.service.chassis.ground import answers, dead, effects, headers_of_dead, numbers
from tests.service.conftest import Deliver

REPORTS = StartReport.topic


class TestCommands:
    async def test_a_refused_command_is_answered_and_its_batch_goes_on(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        await deliver(ask("refused", request=1), ask(request=2))

        assert await answers(pool) == ["refused: wrong_status", "ordinary"]
        assert await dead(pool) == []

    async def test_a_command_that_cannot_be_executed_is_answered_and_digs_no_grave(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        await deliver(ask("bug", request=1))
        await deliver(ask(request=2))

        assert await answers(pool) == ["refused: internal_error", "ordinary"]
        assert [one.topic for one in await dead(pool)] == ["chassis-commands-v1-dead"]
        assert await pool.fetchval("SELECT count(*) FROM grave") == 0

    async def test_a_command_is_answered_once_however_often_it_comes(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        record = deliver.record(ask("bug"))

        await deliver(record)
        await deliver(record)

        assert await answers(pool) == ["refused: internal_error"]

    async def test_an_answer_too_large_to_travel_is_a_refusal_and_nothing_was_written(
        self, pool: Pool
    ) -> None:
        deliver = Deliver(handlers_for("chassis"), pool)
        told: list[str] = []

        @deliver.handlers.refused
        async def refused(command: Any, error: Exception, conn: Connection, outbox: Outbox) -> None:
            told.append(type(error).__name__)

        handlers = deliver.handlers
        ask_type = ("chassis-commands-v1", "recepta.chassis.ask.v1")
        del handlers._by_type[ask_type]

        @handlers.on(type(ask()))
        async def do_ask(command: Any, conn: Connection, outbox: Outbox) -> None:
            await conn.execute("INSERT INTO effect (thing, what, number) VALUES ($1, 'x', 1)", UUID(int=1))
            outbox.announce(happened(text="x" * (7 * 1024 * 1024)))

        await deliver(ask(), happened(thing=3))

        assert told == ["TooLarge"]
        assert await effects(pool) == ["ordinary"]
        assert await dead(pool) == []

    async def test_a_service_that_cannot_even_answer_keeps_the_command(self, pool: Pool) -> None:
        deliver = Deliver(handlers_for("chassis"), pool)

        @deliver.handlers.refused
        async def refused(command: Any, error: Exception, conn: Connection, outbox: Outbox) -> None:
            raise KeyError

        await deliver(ask("bug"), happened(number=1))

        assert await numbers(pool) == [1]
        assert [one.topic for one in await dead(pool)] == ["chassis-commands-v1-dead"]


class TestGraves:
    async def test_what_follows_a_buried_event_is_buried_behind_it_and_other_keys_flow(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        await deliver(happened("refused"), happened(number=1), happened(number=2, thing=8))
        await deliver(happened(number=3), happened(number=4, thing=8))

        assert await numbers(pool) == [2, 4]
        assert len(await dead(pool)) == 3

    async def test_a_replay_handles_a_key_in_order_and_lifts_its_grave(
        self, pool: Pool, deliver: Deliver, url: Settings
    ) -> None:
        await deliver(happened("refused", number=0), happened(number=1), happened(number=2))
        mended = Handlers("chassis")
        replayed: list[int] = []

        @mended.on(Happened)
        async def on_happened(event: Happened, conn: Connection, outbox: Outbox) -> None:
            await conn.execute(
                "INSERT INTO effect (thing, what, number) VALUES ($1, $2, $3)",
                event.prescription_id,
                event.what,
                event.number,
            )

        @mended.replayed
        async def said_so(event: Happened, conn: Connection, outbox: Outbox) -> None:
            replayed.append(event.number)

        code, told = await operate(mended, url, "replay", "--all")
        await Deliver(mended, pool)(happened(number=3))

        assert (code, await numbers(pool)) == (0, [0, 1, 2, 3])
        assert replayed == [0, 1, 2]
        assert told[-1] == "1 of 1 keys are free"
        assert await pool.fetchval("SELECT count(*) FROM grave") == 0

    async def test_a_replay_that_fails_stops_there_and_goes_on_from_there(
        self, pool: Pool, deliver: Deliver, url: Settings
    ) -> None:
        await deliver(happened("refused"), happened("bug"), happened(number=2))
        ours = handlers_for("chassis")

        first = await operate(ours, url, "replay", "--topic", "chassis-events-v1", "--key", str(UUID(int=7)))
        seqs = [row["seq"] for row in await pool.fetch("SELECT seq FROM grave_record ORDER BY seq")]
        for seq in seqs[:2]:
            await operate(ours, url, "discard", str(seq))
        second = await operate(ours, url, "replay", "--all")

        assert (first[0], second[0]) == (1, 0)
        assert await numbers(pool) == [2]

    async def test_a_dry_run_says_what_would_happen_and_changes_nothing(
        self, pool: Pool, deliver: Deliver, url: Settings
    ) -> None:
        await deliver(happened("refused"), happened(number=1))
        before = await pool.fetch("SELECT * FROM grave_record")

        code, told = await operate(handlers_for("chassis"), url, "replay", "--all", "--dry-run")

        assert (code, "would fail with wrong_status after 0 handled" in told[0]) == (1, True)
        assert await pool.fetch("SELECT * FROM grave_record") == before

    async def test_what_is_listed_and_shown_holds_no_payload_unless_asked(
        self, pool: Pool, deliver: Deliver, url: Settings
    ) -> None:
        await deliver(happened("refused", text="anamnesis"))
        ours = handlers_for("chassis")
        seq = str(await pool.fetchval("SELECT seq FROM grave_record"))

        listed = await operate(ours, url, "list")
        shown = await operate(ours, url, "show", seq)
        whole = await operate(ours, url, "show", seq, "--payload")

        assert "anamnesis" not in str(listed) + str(shown)
        assert "anamnesis" in str(whole)

    async def test_while_a_replay_runs_what_arrives_is_neither_lost_nor_early(
        self, pool: Pool, deliver: Deliver, url: Settings
    ) -> None:
        await deliver(happened("refused"), *(happened(number=number) for number in range(1, 20)))
        mended = handlers_for("chassis")
        first = await pool.fetchval("SELECT min(seq) FROM grave_record")
        await operate(mended, url, "discard", str(first))

        async def more() -> None:
            for number in range(20, 40):
                await deliver(happened(number=number))

        await asyncio.gather(operate(mended, url, "replay", "--all"), more())
        await operate(mended, url, "replay", "--all")

        assert await numbers(pool) == list(range(1, 40))

    async def test_what_arrives_while_its_grave_is_lifted_waits_for_that_and_is_handled(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        await deliver(happened("refused"))
        row = await pool.fetchrow("SELECT topic, key FROM grave")
        assert row is not None

        async with database.transaction(pool) as conn:
            buried = await graves.first(conn, row["topic"], row["key"])
            assert buried is not None
            assert await graves.release(conn, buried)
            arriving = asyncio.create_task(deliver(happened(number=1)))
            await until(lambda: waits_for_a_lock(pool), seconds=10)
        await arriving

        assert await numbers(pool) == [1]
        assert await pool.fetchval("SELECT count(*) FROM grave") == 0


async def waits_for_a_lock(pool: Pool) -> bool:
    return bool(
        await pool.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
    )


class TestOutsiders:
    async def test_an_outsiders_garbage_is_buried_without_a_grave_and_without_its_credentials(
        self, pool: Pool
    ) -> None:
        handlers = Handlers("gateway")
        seen: list[Arrived] = []

        @handlers.on_record(REPORTS)
        async def report(record: Arrived, conn: Connection, outbox: Outbox) -> None:
            seen.append(record)
            if record.value == b"garbage":
                raise Rejected("no JSON", code="not_json", details={"client": "pharmacy-1"})

        deliver = Deliver(handlers, pool)
        garbage = outside(b"garbage", offset=1)

        await deliver(garbage)
        await deliver(outside(b"{}", offset=2))

        found = await headers_of_dead(pool)
        assert found["authorization"] == b"removed"
        assert (found["recepta-client"], found["recepta-error"]) == (b"pharmacy-1", b"not_json")
        assert await pool.fetchval("SELECT count(*) FROM grave") == 0
        assert [one.value for one in seen] == [b"garbage", b"{}"]
        assert seen[0].headers["authorization"] == "ApiKey secret"

    async def test_one_outsider_cannot_use_up_an_id_of_another(self, pool: Pool) -> None:
        handlers = Handlers("gateway")
        seen: list[int] = []

        @handlers.on_record(REPORTS)
        async def report(record: Arrived, conn: Connection, outbox: Outbox) -> None:
            seen.append(record.offset)

        deliver = Deliver(handlers, pool)
        await deliver(outside(b"{}", offset=1), outside(b"{}", offset=2))
        await deliver(outside(b"{}", offset=2))

        assert seen == [1, 2]


class TestOutboxAndInbox:
    async def test_a_message_above_seven_mebibytes_is_refused_before_the_commit(self, pool: Pool) -> None:
        with pytest.raises(TooLarge):
            Outbox().announce(happened(text="x" * (7 * 1024 * 1024)))

    async def test_strangers_are_not_told_whose_it_was_or_what_led_to_it(
        self, pool: Pool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        public = replace(CATALOGUE["chassis-events-v1"], public=True)
        monkeypatch.setitem(TOPICS, public.name, public)  # type: ignore[misc]
        made = Outbox()

        made.announce(happened())

        names = {name for name, _ in made.rows[0].headers}
        assert not names & {"tenantid", "causationid", "correlationid"}

    async def test_the_inbox_forgets_what_no_topic_can_bring_again(
        self, pool: Pool, deliver: Deliver
    ) -> None:
        await deliver(happened(number=1), happened(number=2))
        await pool.execute(
            "UPDATE inbox SET received_at = now() - interval '9 days' WHERE id = (SELECT min(id) FROM inbox)"
        )

        gone = await inbox.prune(pool, older_than=timedelta(days=8))

        assert (gone, await pool.fetchval("SELECT count(*) FROM inbox")) == (1, 1)

    async def test_messages_of_a_compacted_topic_take_no_place_in_the_inbox(
        self, pool: Pool, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compacted = replace(CATALOGUE["chassis-events-v1"], compacted=True)
        monkeypatch.setitem(TOPICS, compacted.name, compacted)  # type: ignore[misc]

        record = deliver.record(happened(number=1))

        await deliver(happened("refused"), record)
        await deliver(record)

        # It may come after years, when every inbox has forgotten it: the version decides, not the inbox.
        assert await numbers(pool) == [1, 1]
        ids = [value.decode() for name, value in record.headers if name == "ce_id" and value is not None]
        assert await pool.fetchval("SELECT count(*) FROM inbox WHERE id = ANY ($1)", ids) == 0
        assert await pool.fetchval("SELECT count(*) FROM grave") == 0


@pytest.fixture
def url(database_url: str) -> Settings:
    """Settings with which an operator reaches this test's database."""
    return Settings(database_url=database_url, kafka_bootstrap="", instance="chassis-0")


async def operate(handlers: Handlers, settings: Settings, *words: str) -> tuple[int, list[str]]:
    told: list[str] = []
    code = await asyncio.to_thread(dead_letters.main, handlers, settings, words, tell=told.append)
    return code, told


def outside(value: bytes, *, offset: int) -> Stored:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"report-1"),
        ("ce_type", b"recepta.dispense-report.start.v1"),
        ("ce_source", b"/pharmacy"),
        ("ce_time", b"2026-07-01T10:00:00Z"),
        ("authorization", b"ApiKey secret"),
    ]
    return Stored(REPORTS, 0, offset, 0, b"CODE", value, headers)


def test_only_events_of_ours_dig_graves() -> None:
    dug = {name for name in TOPICS if digs_graves(name)}

    assert "prescription-events-v1" in dug
    assert not dug & {"prescription-commands-v1", REPORTS, "drug-catalog-v1"}

"""Several processes of one service, and a broker that dies, on a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from confluent_kafka.admin import AdminClient

from contracts.message import Envelope
from dev import kafka as dev_kafka
from dev.kafka import Kafka
from dev.supervisor import Supervisor
from shared import database, outbox, relay
from shared.database import Pool
from shared.errors import Unavailable
from shared.outbox import Row
from tests.chassis_service import happened
from tests.infrastructure import until
from tests.service.chassis.ground import EVENTS, OUTCOMES, Ground, prepare


class TestSeveralProcesses:
    async def test_what_follows_a_refused_message_waits_until_that_is_set_aside(self, ground: Ground) -> None:
        """Refused by our own producer before it was sent: what comes later must not overtake it."""
        key = str(UUID(int=7)).encode()
        too_large = Row(EVENTS, key, [], b"x" * (relay.REQUEST_BYTES_MAX + 1), burial=True)
        async with database.transaction(ground.pool) as conn:
            await outbox.send(conn, happened(number=1, thing=7))
            await outbox.write(conn, [too_large])
            await outbox.send(conn, happened(number=2, thing=7))

        async with ground.pool.acquire() as kept:
            held = kept.transaction()
            await held.start()
            await kept.execute("LOCK TABLE outbox_refused IN ACCESS EXCLUSIVE MODE")
            async with ground.running():
                await until(lambda: _tried(ground), seconds=20)
                before = len(await ground.read(EVENTS))
                await held.rollback()
                await until(lambda: ground.handled(2), seconds=30)

        assert before == 1

        assert await ground.numbers() == [1, 2]
        assert await ground.pool.fetchval("SELECT count(*) FROM outbox_refused") == 1

    async def test_when_the_relay_goes_another_takes_over(self, ground: Ground) -> None:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(ground.running("chassis-0"))
            second = await stack.enter_async_context(ground.running("chassis-1"))
            assert [first.relay.active, second.relay.active] == [True, False]

            await first.relay.stop()
            await until(lambda: second.relay.active, seconds=5)
            await ground.send(happened(number=1))
            await until(lambda: ground.handled(1), seconds=20)
            await until(ground.said_all, seconds=10)

    async def test_crossed_things_cost_a_retry_and_no_more(self, ground: Ground) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(ground.running("chassis-0"))
            await stack.enter_async_context(ground.running("chassis-1"))
            await ground.send(
                *(
                    happened("crossed", number=number, thing=number % 6, other=UUID(int=(number + 3) % 6))
                    for number in range(120)
                )
            )
            await until(lambda: ground.handled(120), seconds=40)

        assert sorted(await ground.numbers()) == list(range(120))
        assert await ground.pool.fetchval("SELECT count(*) FROM grave") == 0

    async def test_a_rolling_restart_loses_and_doubles_nothing_and_stops_nobody_for_long(
        self, ground: Ground
    ) -> None:
        sending = asyncio.create_task(_send_steadily(ground, 300))
        longest = 0.0
        async with AsyncExitStack() as all_of_them:
            stacks = []
            for slot in range(2):
                stack = await all_of_them.enter_async_context(AsyncExitStack())
                await stack.enter_async_context(ground.running(f"chassis-{slot}"))
                stacks.append(stack)
            for slot, stack in enumerate(stacks):
                began = asyncio.get_running_loop().time()
                more = partial(ground.handled, len(await ground.numbers()) + 1)
                await stack.aclose()
                await stack.enter_async_context(ground.running(f"chassis-{slot}"))
                await until(more, seconds=10)
                longest = max(longest, asyncio.get_running_loop().time() - began)
            await sending
            await until(lambda: ground.handled(300), seconds=30)

        assert sorted(await ground.numbers()) == list(range(300))
        assert longest < 10

    async def test_two_processes_that_name_no_slot_get_one_each(self, ground: Ground) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(ground.running("auto"))
            await stack.enter_async_context(ground.running("auto"))
            held = await ground.pool.fetch(
                "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted"
                "   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                " ORDER BY objid",
                0x736C_6F74,
            )

        assert [row["objid"] for row in held] == [0, 1]

    async def test_its_group_knows_a_process_by_its_slot(self, ground: Ground) -> None:
        """So that a restart of it is the same member, and moves no partition."""
        admin = AdminClient({"bootstrap.servers": ground.kafka})

        async with ground.running("chassis-3"):
            asked = admin.describe_consumer_groups([ground.group])[ground.group]
            group = await asyncio.to_thread(asked.result, 30)

        assert [member.group_instance_id for member in group.members] == ["chassis-3"]

    async def test_two_processes_are_never_in_one_slot(self, ground: Ground) -> None:
        async with ground.running("chassis-0"):
            with pytest.raises(Unavailable, match="another process is chassis-0"):
                async with ground.running("chassis-0", start_seconds_max=1):
                    raise AssertionError("it started")


async def _send_steadily(ground: Ground, count: int) -> None:
    for number in range(count):
        await ground.send(happened(number=number, thing=number))
        await asyncio.sleep(0.02)


class TestBrokerRestart:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Iterator[tuple[Kafka, Supervisor]]:
        """A broker of this test's own, to be restarted."""
        broker, supervisor = Kafka.on(), Supervisor(lambda name, line: None)
        try:
            supervisor.start([dev_kafka.part(tmp_path / "kafka", broker)])
            yield broker, supervisor
        finally:
            supervisor.stop()

    async def test_a_broker_that_is_killed_costs_no_message_no_order_and_no_second_effect(
        self, own: tuple[Kafka, Supervisor], database_url: str, pool: Pool
    ) -> None:
        broker, supervisor = own
        ground = await prepare(broker.bootstrap, database_url, pool)

        async with ground.running():
            sending = asyncio.create_task(_send_steadily(ground, 400))
            await until(lambda: ground.handled(50), seconds=30)
            await asyncio.to_thread(supervisor.hold_down, "kafka")
            await asyncio.sleep(2)
            await asyncio.to_thread(supervisor.restart, "kafka")
            count = len(await ground.numbers())
            await until(lambda: ground.handled(count + 1), seconds=10)
            await ground.send(*(happened(number=1_000 + number) for number in range(100)))
            await sending
            await until(lambda: ground.handled(500), seconds=30)
            await until(ground.said_all, seconds=10)

        found = await ground.numbers()
        assert sorted(found) == [*range(400), *range(1_000, 1_100)]
        assert [number for number in found if number >= 1_000] == list(range(1_000, 1_100))
        told = [Envelope.read(one.headers).id for one in await ground.read(OUTCOMES)]
        assert len(set(told)) == 500


async def _tried(ground: Ground) -> bool:
    """Whether the relay waits to set something aside."""
    return bool(
        await ground.pool.fetchval(
            """
            SELECT EXISTS (SELECT FROM pg_locks
                            WHERE relation = 'outbox_refused'::regclass AND NOT granted)
            """
        )
    )

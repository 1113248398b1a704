"""Whatever dies while prescriptions are issued, each accepted request has one outcome and one effect."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from dev.platform import Platform
from tests.clients import Clinic, mails, uuid_of
from tests.infrastructure import until
from tests.operating import operate

IN_FLIGHT = 200
AT_ONCE = 20
FLOWING_AGAIN_SECONDS = 10.0
REBUILDS = "SELECT outcome FROM view_rebuild ORDER BY begun_at"
SERVICES = ("gateway", "prescription", "safety-check", "signing", "notification")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Two processes of prescription, so that one holds the relay's lock and one stands by."""
    home = tmp_path_factory.mktemp("crash")
    Path(home).chmod(0o755)
    platform = Platform(home, instances={"prescription": 2})
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()


@pytest.fixture
async def clinic(platform: Platform) -> AsyncIterator[Clinic]:
    async with Clinic(platform.url, platform.credentials["RECEPTA_DOCTOR_CLIENT"]) as client:
        yield client


@dataclass
class Load:
    """Issues prescriptions under keys of their own, and asks until each has its outcome."""

    clinic: Clinic
    name: str
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    done_at: list[float] = field(default_factory=list)

    async def run(self, count: int = IN_FLIGHT) -> None:
        patients = [await self.clinic.patient() for _ in range(AT_ONCE)]
        turns = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._one(f"{self.name}-{n}", patients, n, turns) for n in range(count)))

    async def _one(self, key: str, patients: list[str], number: int, turns: asyncio.Semaphore) -> None:
        order = self.clinic.order(patients[number % len(patients)], notes=key)
        async with turns:
            self.done[key] = await self._until_answered(key, order)
            self.done_at.append(time.monotonic())

    async def _until_answered(self, key: str, order: dict[str, Any]) -> dict[str, Any]:
        """Repeat under the same key, as a client that was cut off does, until there is a final answer."""
        while True:
            with contextlib.suppress(httpx.HTTPError):
                answer = await self.clinic.post("/ehr/v1/prescriptions", order, idempotency_key=key)
                if answer.status_code == 201:
                    return dict(answer.json())
                assert answer.status_code in (202, 503), answer.text
            await asyncio.sleep(0.1)

    def longest_pause_after(self, moment: float) -> float:
        """How long nothing was answered, at the most, from a moment on."""
        times = [moment, *sorted(at for at in self.done_at if at > moment)]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)


async def rows(platform: Platform, service: str, query: str, *values: Any) -> list[asyncpg.Record]:
    conn = await asyncpg.connect(platform.postgres.url(service))
    try:
        return await conn.fetch(query, *values)
    finally:
        await conn.close()


async def every_event(platform: Platform, topic: str) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    """All that a topic holds, by key: (id, type, value), in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=platform.kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(12)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: dict[str, list[tuple[str, str, dict[str, Any]]]] = collections.defaultdict(list)
        for partition in partitions:
            await consumer.seek_to_beginning(partition)
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                for record in batch:
                    headers = {name: value.decode() for name, value in record.headers if value is not None}
                    found[record.key.decode()].append(
                        (headers["ce_id"], headers["ce_type"], json.loads(record.value))
                    )
        return found
    finally:
        await consumer.stop()


async def nothing_lost_nothing_doubled(platform: Platform, load: Load) -> None:
    """Judge what clients were told against what every store and topic says."""
    ids = {uuid_of(body["prescription_id"]) for body in load.done.values()}
    assert len(load.done) == len(ids) == IN_FLIGHT

    requests = await rows(
        platform,
        "gateway",
        "SELECT idempotency_key, state, prescription_id::text FROM request WHERE idempotency_key LIKE $1",
        f"{load.name}-%",
    )
    assert collections.Counter(one["state"] for one in requests) == {"SUCCEEDED": IN_FLIGHT}
    assert {one["prescription_id"] for one in requests} == ids

    kept = await rows(
        platform,
        "prescription",
        "SELECT id::text AS id FROM prescription WHERE id = ANY ($1::uuid[])",
        list(ids),
    )
    assert {one["id"] for one in kept} == ids
    seals = await rows(
        platform,
        "signing",
        "SELECT prescription_id::text AS id FROM seal WHERE prescription_id = ANY ($1::uuid[])",
        list(ids),
    )
    assert collections.Counter(one["id"] for one in seals) == dict.fromkeys(ids, 1)

    async def emptied() -> bool:
        left = [
            await rows(platform, name.replace("-", "_"), "SELECT 1 FROM outbox LIMIT 1") for name in SERVICES
        ]
        return not any(left)

    await until(emptied, seconds=20)
    told = await every_event(platform, "dispense-events-v1")
    for one in ids:
        distinct = list({id: (kind, value["version"]) for id, kind, value in told[one]}.values())
        assert [kind for kind, _ in distinct] == ["recepta.dispense.released.v1"]
    for service in SERVICES:
        assert not await rows(platform, service.replace("-", "_"), "SELECT 1 FROM grave LIMIT 1")


async def goes_on_without(victim: str, platform: Platform, clinic: Clinic) -> None:
    load = Load(clinic, f"kill-{victim}")
    running = asyncio.create_task(load.run())
    await until(lambda: len(load.done) > IN_FLIGHT // 4, seconds=60)

    killed = time.monotonic()
    platform.kill(victim)
    await running

    await nothing_lost_nothing_doubled(platform, load)
    assert load.longest_pause_after(killed) <= FLOWING_AGAIN_SECONDS


@pytest.mark.parametrize(
    "victim", ["gateway-0", "prescription-0", "prescription-1", "safety-check-0", "signing-0"]
)
async def test_a_service_killed_with_two_hundred_in_flight(platform, clinic, victim):
    await goes_on_without(victim, platform, clinic)
    platform.until_ready(victim)


@pytest.mark.parametrize("victim", ["kafka", "postgres"])
async def test_broker_or_database_killed_with_two_hundred_in_flight(platform, clinic, victim):
    await goes_on_without(victim, platform, clinic)


async def test_mail_asked_for_while_notification_dies_has_one_message_id_each(platform, clinic):
    issued = [await clinic.issue() for _ in range(20)]
    path = "/ehr/v1/prescriptions/{}/resend"

    async def resend(number: int, body: dict[str, Any]) -> None:
        to = {"channel": "EMAIL", "email_address": f"crash.{number}@example.org"}
        answer = await clinic.post(path.format(body["prescription_id"]), to)
        assert answer.status_code == 200, answer.text

    await asyncio.gather(*(resend(number, body) for number, body in enumerate(issued)))
    platform.kill("notification-0")

    folder = str(platform.mail)
    for number in range(len(issued)):
        address = f"crash.{number}@example.org"
        await until(lambda address=address: mails(folder, address), seconds=60)
        assert len({mail["Message-ID"] for mail in mails(folder, address)}) == 1


def said(read: dict[str, Any]) -> dict[str, Any]:
    """What of a prescription no delivery changes, which may arrive in between."""
    return {name: read[name] for name in ("id", "prescription_code", "status", "signature", "patient")}


async def test_views_are_rebuilt_while_both_who_announce_are_killed_and_while_others_prescribe(
    platform, clinic
):
    issued = [(await clinic.issue())["prescription_id"] for _ in range(20)]
    before = [said(await clinic.read(id)) for id in issued]
    load = Load(clinic, "rebuild")

    running = asyncio.create_task(load.run())
    await until(lambda: load.done, seconds=60)
    await asyncio.to_thread(operate, platform, ["rebuild-views"], ["rebuild-views", "--again"])
    for victim in ("prescription-0", "gateway-0", "prescription-1"):
        platform.kill(victim)
        await asyncio.sleep(1.0)
    outcomes = []
    async with asyncio.timeout(90):
        while outcomes != ["abandoned", "done"]:
            await asyncio.sleep(0.5)
            found = await rows(platform, "gateway", REBUILDS)
            outcomes = [row["outcome"] for row in found]
    await running
    await asyncio.to_thread(platform.until_ready, "gateway-0")

    assert [said(await clinic.read(id)) for id in issued] == before
    await nothing_lost_nothing_doubled(platform, load)

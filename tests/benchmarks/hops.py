"""Where the time of a create goes: from its client, from message to message by their `ce_time`, and back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.catalog import TOPICS
from contracts.command_outcomes import CommandSucceeded
from contracts.message import Envelope, Message
from contracts.prescription_commands import IssuePrescription
from contracts.prescription_events import SafetyCheckRequested, SealRequested
from contracts.safety_check_events import SafetyCheckCompleted
from contracts.signing_events import PrescriptionSealed
from dev.platform import Platform
from services.gateway.messages import ids
from tests.benchmarks.orders import Orders
from tests.benchmarks.wire import PERCENTILES, Wire

COUNT: Final = 200
RATE: Final = 20.0
CONNECTIONS: Final = 40
READ_SECONDS_MAX: Final = 20.0

# Each message is written into an outbox at its time: what follows is its commit, its relay, the broker, the
# consumer, and what its handler does until the next message is made.
WAY: Final[Sequence[tuple[type[Message], str]]] = (
    (IssuePrescription, "gateway: from the client to the command"),
    (SafetyCheckRequested, "prescription: the order taken in"),
    (SafetyCheckCompleted, "safety-check: the verdict"),
    (SealRequested, "prescription: the verdict taken in"),
    (PrescriptionSealed, "signing: the seal"),
    (CommandSucceeded, "prescription: released"),
)
ANSWERED: Final = "gateway: from the outcome to the client"

Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """One create as its client saw it, in seconds since 1970."""

    prescription_id: UUID
    sent_at: float
    answered_at: float


async def measure(platform: Platform, orders: Orders) -> Rows:
    """Milliseconds of each hop of a create, at a quiet rate."""
    async with _Log(platform.kafka.bootstrap) as log:
        asked = await _creates(platform.url, orders.make(COUNT))
        passed = await log.read({one.prescription_id for one in asked})
    ways = [
        [one.sent_at, *(passed[one.prescription_id][kind.ce_type] for kind, _ in WAY), one.answered_at]
        for one in asked
    ]
    hops = [[(later - sooner) * 1_000 for sooner, later in pairwise(way)] for way in ways]
    names = [*(name for _, name in WAY), ANSWERED]
    return {
        f"a create at {RATE:.0f}/s, hop by hop": _row([sum(one) for one in hops]),
        **{f"  {name}": _row(each) for name, each in zip(names, zip(*hops, strict=True), strict=True)},
    }


def _row(milliseconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(milliseconds)
    return {name: round(ordered[int(len(ordered) * share)], 1) for name, share in PERCENTILES.items()}


async def _creates(url: str, requests: Sequence[bytes]) -> list[Asked]:
    wires: asyncio.Queue[Wire] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        wires.put_nowait(await Wire.open(url))
    began = time.time()

    async def one(number: int, sent: bytes) -> Asked:
        await asyncio.sleep(max(0.0, began + number / RATE - time.time()))
        wire = await wires.get()
        sent_at = time.time()
        _, body = await wire.send(sent)
        answered_at = time.time()
        wires.put_nowait(wire)
        prescription_id = ids.find("rx", json.loads(body)["prescription_id"])
        assert prescription_id is not None
        return Asked(prescription_id, sent_at, answered_at)

    asked = await asyncio.gather(*(one(number, sent) for number, sent in enumerate(requests)))
    while not wires.empty():
        wires.get_nowait().close()
    return asked


class _Log:
    """What is published from now on on the topics that a create passes."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)

    async def __aenter__(self) -> _Log:
        await self._consumer.start()
        partitions = [
            TopicPartition(topic, number)
            for topic in sorted({kind.topic for kind, _ in WAY})
            for number in range(TOPICS[topic].partitions)
        ]
        self._consumer.assign(partitions)
        for partition, end in (await self._consumer.end_offsets(partitions)).items():
            self._consumer.seek(partition, end)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read(self, wanted: set[UUID]) -> dict[UUID, dict[str, float]]:
        """When each message of these prescriptions was made, by its type."""
        found: dict[UUID, dict[str, float]] = {one: {} for one in wanted}
        kinds = {kind.ce_type for kind, _ in WAY}
        async with asyncio.timeout(READ_SECONDS_MAX):
            while any(len(passed) < len(kinds) for passed in found.values()):
                record = await self._consumer.getone()
                envelope = Envelope.read(record.headers)
                passed = found.get(UUID(record.key.decode()))
                if passed is not None and envelope.type in kinds:
                    passed.setdefault(envelope.type, envelope.time.timestamp())
        return found

"""FastStream's subscriber: how records come to `Delivery`, and how offsets are committed or waited at."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, cast

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage, Topic
from faststream.kafka.message import KafkaAckableMessage

from shared import header_names, telemetry
from shared.messaging import Delivery, Handlers, Place
from shared.records import Record

COMMIT_SECONDS: Final = 0.25
WAIT_SECONDS_MIN: Final = 0.5
WAIT_SECONDS_MAX: Final = 30.0
REVOKE_SECONDS_MAX: Final = 4.0
FINISH_SECONDS_MAX: Final = 15.0
REACH_SECONDS_MAX: Final = 1.0
FETCH_WAIT_MS: Final = 500

log = structlog.get_logger()


@dataclass
class _Wait:
    """A partition that waits at an offset, and what will resume it."""

    offset: int
    recorded: float
    seconds: float
    timer: asyncio.TimerHandle | None = None


class Arrivals(ConsumerRebalanceListener):  # type: ignore[misc]
    """Handles what has arrived, commits by a clock what was handled, reads again later what must wait."""

    def __init__(self, delivery: Delivery, *, batch_max: int) -> None:
        self._delivery = delivery
        self._batch_max = batch_max
        self._consumer: AIOKafkaConsumer | None = None
        self._handled: dict[TopicPartition, int] = {}
        self._waiting: dict[TopicPartition, _Wait] = {}
        self._in_hand = asyncio.Lock()
        self._stopping = False
        # Raised by each revocation: what was in hand then may be another's now.
        self._epoch = 0
        self._clock: asyncio.TimerHandle | None = None
        self._commit: asyncio.Task[None] | None = None
        self._oldest_in_hand: float | None = None
        self.in_hand_since: float | None = None
        self.subscribed: Callable[[], AIOKafkaConsumer | None] = lambda: None
        self.assigned = False

    async def take(self, consumer: AIOKafkaConsumer, first: Record) -> None:
        """Handle a record and what waits behind it. Never raises: FastStream would pass over the batch."""
        self._consumer = consumer
        if self._stopping:
            return  # Neither handled nor committed: whoever comes next reads it again.
        records: list[Record] = [first]
        async with self._in_hand:
            epoch = self._epoch
            self.in_hand_since = time.monotonic()
            self._oldest_in_hand = first.timestamp / 1000
            waits: dict[Place, int] | None = None
            try:
                if self._batch_max > 1:
                    behind = await consumer.getmany(timeout_ms=0, max_records=self._batch_max - 1)
                    records += chain.from_iterable(behind.values())
                waits = await self._delivery.run(records)
            except Exception as error:
                log.critical("batch_failed", messages=len(records), **telemetry.failure(error))
            finally:
                self.in_hand_since = self._oldest_in_hand = None
                if epoch == self._epoch:
                    self._made(records, waits)

    def _made(self, records: Sequence[Record], waits: dict[Place, int] | None) -> None:
        begun: dict[TopicPartition, int] = {}
        recorded: dict[tuple[TopicPartition, int], float] = {}
        reached: dict[TopicPartition, int] = {}
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            begun.setdefault(partition, record.offset)
            recorded[partition, record.offset] = record.timestamp / 1000
            reached[partition] = record.offset + 1
        for partition, next_offset in reached.items():
            # Without an answer nothing is known to be handled: all are sought back to where they began.
            at = begun[partition] if waits is None else waits.get((partition.topic, partition.partition))
            if at is None:
                self._waiting.pop(partition, None)
                self._handled[partition] = next_offset
                continue
            if at > begun[partition]:
                self._handled[partition] = at
            self._wait(partition, at, recorded[partition, at])
        self._commit_later()

    def _wait(self, partition: TopicPartition, offset: int, recorded: float) -> None:
        before = self._waiting.get(partition)
        again = before is not None and before.offset == offset
        seconds = min(before.seconds * 2, WAIT_SECONDS_MAX) if before and again else WAIT_SECONDS_MIN
        if before is not None and before.timer is not None:
            before.timer.cancel()
        wait = _Wait(offset, recorded, seconds)
        self._waiting[partition] = wait
        assert self._consumer is not None
        # A partition that was taken from us meanwhile is another's to wait for.
        with contextlib.suppress(IllegalStateError):
            self._consumer.seek(partition, offset)
            self._consumer.pause(partition)
            wait.timer = asyncio.get_running_loop().call_later(seconds, self._resume, partition)

    def _resume(self, partition: TopicPartition) -> None:
        assert self._consumer is not None
        with contextlib.suppress(IllegalStateError):
            self._consumer.resume(partition)

    @property
    def waiting(self) -> bool:
        """Whether any partition waits."""
        return bool(self._waiting)

    def resume_all(self) -> None:
        """Try again at once what waits: the outage that it waits out may be over."""
        for partition, wait in self._waiting.items():
            if wait.timer is not None:
                wait.timer.cancel()
            wait.seconds = WAIT_SECONDS_MIN
            self._resume(partition)

    def _commit_later(self) -> None:
        if self._clock is None and self._handled and not self._stopping:
            self._clock = asyncio.get_running_loop().call_later(COMMIT_SECONDS, self._commit_now)

    def _commit_now(self) -> None:
        self._clock = None
        if self._commit is not None and not self._commit.done():
            self._commit_later()  # The last one is still under way.
            return
        self._commit = asyncio.get_running_loop().create_task(self._commit_handled())

    async def _commit_handled(self) -> None:
        handled, self._handled = self._handled, {}
        if self._consumer is None or not handled:
            return
        ours = self._consumer.assignment()
        offsets = {partition: offset for partition, offset in handled.items() if partition in ours}
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except (KafkaError, IllegalStateError) as error:
            # Refused after a rebalance, or the broker is away: the inbox knows what was handled.
            log.info("commit_refused", error=type(error).__name__)

    @property
    def lost(self) -> bool:
        """Whether what keeps this consumer in its group has ended, which only a fault of its own can do."""
        consumer = self.subscribed()
        coordinator = getattr(consumer, "_coordinator", None)
        task = getattr(coordinator, "_coordination_task", None)
        return not self._stopping and task is not None and task.done()

    async def reachable(self) -> bool:
        """Whether the broker answers this consumer."""
        consumer = self.subscribed()
        if consumer is None:
            return False
        try:
            await asyncio.wait_for(consumer.topics(), REACH_SECONDS_MAX)
        except (TimeoutError, KafkaError, OSError):
            return False
        return True

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Finish the batch in hand, commit it, forget what was ours."""
        if not revoked:
            return
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(REVOKE_SECONDS_MAX):
                async with self._in_hand:
                    await self._commit_handled()
        self._epoch += 1
        self._handled.clear()
        for wait in self._waiting.values():
            if wait.timer is not None:
                wait.timer.cancel()
        self._waiting.clear()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self.assigned = True
        log.info("assigned", partitions=len(assigned))

    async def finish(self) -> None:
        """Take nothing new, finish the batch in hand, commit it."""
        self._stopping = True
        if self._clock is not None:
            self._clock.cancel()
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(FINISH_SECONDS_MAX):
                async with self._in_hand:
                    await self._commit_handled()
        for wait in self._waiting.values():
            if wait.timer is not None:
                wait.timer.cancel()

    def oldest_seconds(self) -> float:
        """The age of the oldest message that waits to be handled; 0 when none does."""
        recorded = [wait.recorded for wait in self._waiting.values()]
        if self._oldest_in_hand is not None:
            recorded.append(self._oldest_in_hand)
        return max(0.0, time.time() - min(recorded)) if recorded else 0.0


def bring(
    broker: KafkaBroker, handlers: Handlers, delivery: Delivery, *, instance: str, batch_max: int
) -> Arrivals:
    """Subscribe a service to its topics."""
    header_names.tolerate()
    arrivals = Arrivals(delivery, batch_max=batch_max)
    telemetry.oldest_unhandled_seconds.set_function(arrivals.oldest_seconds)

    async def untouched(record: Any) -> KafkaMessage:
        # FastStream's parser decodes every header and its decoder the value: what they choke on would be
        # committed unhandled.
        return KafkaAckableMessage(raw_message=record, body=b"", consumer=subscriber.consumer)

    async def itself(message: KafkaMessage) -> Any:
        return message

    subscriber = broker.subscriber(
        *(Topic(name, declare=False) for name in sorted(handlers.topics)),
        group_id=handlers.service,
        group_instance_id=instance,
        ack_policy=AckPolicy.MANUAL,  # The default acknowledges first: a failed message would be gone.
        auto_offset_reset="earliest",  # The default, latest, skips what came before a first deploy.
        # The default, round robin, may give one prescription's two topics to two processes.
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=6_000,  # The default notices a killed process after ten seconds.
        heartbeat_interval_ms=1_500,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        listener=arrivals,
        parser=untouched,
        decoder=itself,
    )

    arrivals.subscribed = lambda: subscriber.consumer

    @subscriber
    async def arrived(first: KafkaMessage) -> None:
        await arrivals.take(subscriber.consumer, cast(Record, first.raw_message))

    return arrivals

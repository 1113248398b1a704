"""Topics: made on purpose from the catalogue, and looked at before a service starts.

`python -m shared.topics create --bootstrap HOST:PORT`
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from contracts.catalog import DEAD_BYTES_MAX, TOPICS, Topic
from shared.errors import Unavailable

DEAD_KEPT: Final = timedelta(days=30)
DEAD_PARTITIONS: Final = 1
# A broker deletes whole segments: a record lives for its retention and for the time its segment was filled.
SEGMENT: Final = timedelta(hours=12)
REPLICATION_MAX: Final = 3
# Senders may compress as they like and the broker undoes it: our client would stop at what it cannot undo.
UNCOMPRESSED: Final = {"compression.type": "uncompressed"}
CREATE_TIMEOUT_MS: Final = 30_000


class WrongTopics(Exception):
    """Topics are not as the catalogue says: to start would lose order, or have effects twice."""


@dataclass(frozen=True)
class Shape:
    """How a topic is to be made."""

    name: str
    partitions: int
    settings: Mapping[str, str]


def shapes() -> list[Shape]:
    """Every topic of the catalogue, and the dead letters of those that somebody of ours reads."""
    live = [_live(topic) for topic in TOPICS.values()]
    return live + [_dead(topic) for topic in TOPICS.values() if topic.inbound or not topic.public]


def _live(topic: Topic) -> Shape:
    settings = UNCOMPRESSED | {"max.message.bytes": str(topic.bytes_max), "segment.ms": str(_ms(SEGMENT))}
    if topic.compacted:
        settings["cleanup.policy"] = "compact"
    if topic.kept is not None:
        settings["retention.ms"] = str(_ms(topic.kept))
    if topic.inbound:
        # When a token must have been valid is not for its sender to say.
        settings["message.timestamp.type"] = "LogAppendTime"
    return Shape(topic.name, topic.partitions, settings)


def _dead(topic: Topic) -> Shape:
    settings = {"max.message.bytes": str(DEAD_BYTES_MAX), "retention.ms": str(_ms(DEAD_KEPT))}
    return Shape(topic.dead, DEAD_PARTITIONS, UNCOMPRESSED | settings)


def _ms(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


async def create(bootstrap: str, *, replication: int | None = None) -> list[str]:
    """Make what is missing; gives the names made. Raises WrongTopics over another partition count."""
    async with _admin(bootstrap) as admin:
        wanted = shapes()
        present = await _partitions(admin, {shape.name for shape in wanted})
        _compare(present, {shape.name: shape.partitions for shape in wanted if shape.name in present})
        missing = [shape for shape in wanted if shape.name not in present]
        if missing:
            await _make(admin, missing, replication or await _copies(admin))
        return [shape.name for shape in missing]


async def _make(admin: AIOKafkaAdminClient, missing: Collection[Shape], replication: int) -> None:
    response = await admin.create_topics(
        [
            NewTopic(shape.name, shape.partitions, replication, topic_configs=dict(shape.settings))
            for shape in missing
        ],
        timeout_ms=CREATE_TIMEOUT_MS,
    )
    for name, error_code, *_ in response.topic_errors:
        error = for_code(error_code)
        if error_code and error is not TopicAlreadyExistsError:
            raise WrongTopics(f"{name} could not be made: {error.__name__}")


async def _copies(admin: AIOKafkaAdminClient) -> int:
    """Three of each partition where there are brokers for it."""
    cluster = await admin.describe_cluster()
    return min(REPLICATION_MAX, len(cluster["brokers"]))


async def check(bootstrap: str, *, reads: Collection[str], writes: Collection[str], inbox: timedelta) -> None:
    """Raises WrongTopics in words for an operator; Unavailable without a broker or its topics."""
    async with _admin(bootstrap) as admin:
        wanted = {name: TOPICS[name].partitions for name in {*reads, *writes} if name in TOPICS}
        present = await _partitions(admin, set(wanted))
        missing = sorted(set(wanted) - set(present))
        if missing:
            raise Unavailable(
                f"topics are missing, make them with shared.topics create: {', '.join(missing)}"
            )
        _compare(present, wanted)
        remembered = [name for name in reads if name in TOPICS and not TOPICS[name].compacted]
        if remembered:
            _compare_kept(await _settings(admin, remembered), inbox)


def _compare(present: Mapping[str, int], wanted: Mapping[str, int]) -> None:
    wrong = [
        f"{name} has {present[name]} partitions instead of {count}"
        for name, count in sorted(wanted.items())
        if present[name] != count
    ]
    if wrong:
        raise WrongTopics("; ".join(wrong))


def _compare_kept(settings: Mapping[str, Mapping[str, str]], inbox: timedelta) -> None:
    for name, found in sorted(settings.items()):
        kept_ms, segment_ms = int(found["retention.ms"]), int(found["segment.ms"])
        if kept_ms < 0 or "compact" in found["cleanup.policy"]:
            raise WrongTopics(f"{name} keeps its records for ever, but the inbox forgets after {inbox}")
        if kept_ms + segment_ms > _ms(inbox):
            longest = timedelta(milliseconds=kept_ms + segment_ms)
            raise WrongTopics(
                f"{name} keeps records for up to {longest} (retention.ms and segment.ms together), "
                f"but the inbox forgets after {inbox}: a message could have its effect twice"
            )


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        yield admin
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka does not answer: {type(error).__name__}") from error
    finally:
        await admin.close()


async def _partitions(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, int]:
    # Asking for all: a broker that makes topics by itself would make those that are named.
    present = set(await admin.list_topics())
    described = (
        await admin.describe_topics([name for name in sorted(names) if name in present]) if names else []
    )
    return {one["topic"]: len(one["partitions"]) for one in described if not one["error_code"]}


async def _settings(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, dict[str, str]]:
    asked = ("retention.ms", "segment.ms", "cleanup.policy")
    responses: list[Any] = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs=dict.fromkeys(asked)) for name in names]
    )
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for response in responses
        for resource in response.resources
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m shared.topics", description=__doc__)
    parser.add_argument(
        "command", choices=["create"], help="make the topics of the catalogue that are missing"
    )
    parser.add_argument("--bootstrap", required=True, help="address of the broker, host:port")
    parser.add_argument("--replication", type=int, help="copies of each partition; up to three by default")
    asked = parser.parse_args(argv)
    try:
        made = asyncio.run(create(asked.bootstrap, replication=asked.replication))
    except (WrongTopics, Unavailable) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(made)} topics made, {len(shapes()) - len(made)} were there")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A service of nothing but the chassis: it takes an event or a command, writes one row, and announces it.

`CHASSIS_DATABASE_URL=… CHASSIS_KAFKA_BOOTSTRAP=… python -m tests.chassis_service`
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, Literal
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import Field

from contracts.catalog import TOPICS, Topic
from contracts.message import Caller, Command, Event, Message
from shared import arrivals, database, messaging, outbox, service
from shared.database import Connection
from shared.errors import Unavailable
from shared.messaging import Handlers
from shared.outbox import Outbox
from shared.records import Record
from shared.settings import Settings

TENANT = UUID(int=1)


class Happened(Event):
    """Something happened to one thing."""

    topic: ClassVar[str] = "chassis-events-v1"
    source: ClassVar[str] = "/chassis"
    ce_type: ClassVar[str] = "recepta.chassis.happened.v1"

    what: str = "ordinary"
    number: int = 0
    other: UUID | None = None
    text: Annotated[str, Field(repr=False)] = ""


class Ask(Command, Event):
    """Do something with one thing."""

    topic: ClassVar[str] = "chassis-commands-v1"
    source: ClassVar[str] = "/chassis"
    ce_type: ClassVar[str] = "recepta.chassis.ask.v1"

    what: str = "ordinary"


class Answered(Event):
    """What became of it."""

    topic: ClassVar[str] = "chassis-outcomes-v1"
    source: ClassVar[str] = "/chassis"
    ce_type: ClassVar[str] = "recepta.chassis.answered.v1"

    how: str
    number: int = 0
    text: Annotated[str, Field(repr=False)] = ""


class Refused(Exception):
    """The domain's own refusal."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _topic(name: str, *messages: type[Message]) -> Topic:
    return Topic(name, frozenset({"chassis"}), frozenset({"chassis"}), messages, "Tests of the chassis.")


CATALOGUE = {
    one.name: one
    for one in (
        _topic("chassis-events-v1", Happened),
        _topic("chassis-commands-v1", Ask),
        _topic("chassis-outcomes-v1", Answered),
    )
}


def happened(what: str = "ordinary", *, thing: int = 7, number: int = 0, **more: object) -> Happened:
    return Happened.model_validate(
        {"tenant_id": TENANT, "prescription_id": UUID(int=thing), "what": what, "number": number, **more}
    )


def ask(what: str = "ordinary", *, request: int = 1) -> Ask:
    caller = Caller(tenant_id=TENANT, client="clinic")
    thing, request_id = UUID(int=7), UUID(int=request)
    return Ask(tenant_id=TENANT, prescription_id=thing, request_id=request_id, caller=caller, what=what)


def answered(about: Event, how: str, *, number: int = 0, text: str = "") -> Answered:
    return Answered(
        tenant_id=about.tenant_id, prescription_id=about.prescription_id, how=how, number=number, text=text
    )


EFFECTS = """
    CREATE TABLE IF NOT EXISTS effect (
        place  bigint GENERATED ALWAYS AS IDENTITY,
        thing  uuid NOT NULL,
        what   text NOT NULL,
        number int NOT NULL,
        by_whom text NOT NULL DEFAULT current_setting('application_name')
    );
    CREATE TABLE IF NOT EXISTS thing (id uuid PRIMARY KEY, touched bigint NOT NULL DEFAULT 0);
"""


def handlers_for(name: str) -> Handlers:
    """The handlers, in a consumer group of the given name."""
    handlers = Handlers(name, refusal=Refused)

    @handlers.on(Happened)
    async def on_happened(event: Happened, conn: Connection, outbox: Outbox) -> None:
        match event.what:
            case "refused":
                raise Refused("wrong_status")
            case "outage":
                raise Unavailable("the other side is away")
            case "bug":
                raise ZeroDivisionError
            case "crossed":
                # In the order of the message, not in one order for all: what `hold` is there to prevent.
                await touch(conn, event.prescription_id)
                await asyncio.sleep(0.01)
                await touch(conn, event.other or event.prescription_id)
        await conn.execute(
            "INSERT INTO effect (thing, what, number) VALUES ($1, $2, $3)",
            event.prescription_id,
            event.what,
            event.number,
        )
        outbox.announce(answered(event, event.what, number=event.number, text=event.text))

    @handlers.on(Ask)
    async def do_ask(command: Ask, conn: Connection, outbox: Outbox) -> None:
        if command.what == "refused":
            raise Refused("wrong_status")
        if command.what == "bug":
            raise ZeroDivisionError
        outbox.announce(answered(command, command.what))

    @handlers.refused
    async def refused(command: Ask, error: Exception, conn: Connection, outbox: Outbox) -> None:
        outbox.announce(answered(command, f"refused: {getattr(error, 'code', '')}"))

    return handlers


async def touch(conn: Connection, thing: UUID) -> None:
    await conn.execute(
        "INSERT INTO thing (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET touched = thing.touched + 1", thing
    )


async def make_tables(url: str) -> None:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute(EFFECTS)
    finally:
        await conn.close()


# How long a planted fault lies open, so that a kill meets it for certain and not now and then.
FAULT_SECONDS: Final = 0.15


class ChassisSettings(Settings):
    """Beside all else the consumer group, so that tests keep apart, and a fault to plant."""

    group: str = "chassis"
    fault: Literal["", "commit_first", "outbox_outside"] = ""


def main() -> None:
    TOPICS.update(CATALOGUE)  # type: ignore[attr-defined]
    settings = ChassisSettings.from_environment("CHASSIS")
    match settings.fault:
        case "commit_first":
            commit_first()
        case "outbox_outside":
            write_outbox_outside()
    service.run(handlers_for(settings.group), settings)


def commit_first() -> None:
    """The fault of most consumers: offsets are committed before what they stand for is done."""
    honest_take, honest_run = arrivals.Arrivals.take, messaging.Delivery.run
    consumers: list[AIOKafkaConsumer] = []

    async def take(self: arrivals.Arrivals, consumer: AIOKafkaConsumer, first: Record) -> None:
        consumers[:] = [consumer]
        await honest_take(self, consumer, first)

    async def run(self: messaging.Delivery, records: Sequence[Record]) -> dict[tuple[str, int], int]:
        offsets = {TopicPartition(one.topic, one.partition): one.offset + 1 for one in records}
        await consumers[0].commit(offsets)
        await asyncio.sleep(FAULT_SECONDS)
        return await honest_run(self, records)

    arrivals.Arrivals.take = take  # type: ignore[method-assign]
    messaging.Delivery.run = run  # type: ignore[method-assign]


def write_outbox_outside() -> None:
    """The fault of most producers: what is said is stored after the transaction that makes it true."""
    honest_write = outbox.write
    unfinished: set[asyncio.Task[None]] = set()

    async def write(conn: Connection, rows: Sequence[outbox.Row]) -> None:
        pool = database.pool_in_use()
        assert pool is not None

        async def later() -> None:
            await asyncio.sleep(FAULT_SECONDS)
            async with database.transaction(pool) as conn:
                await honest_write(conn, rows)

        def soon() -> None:
            unfinished.add(asyncio.get_running_loop().create_task(later()))

        database.after_commit(soon)

    outbox.write = write


if __name__ == "__main__":
    main()

"""A service's life: start with what it needs, run, and an orderly stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import structlog
import uvicorn
import uvloop
from faststream.asgi import AsgiFastStream
from faststream.kafka import KafkaBroker

from contracts.catalog import TOPICS
from shared import database, health, inbox, migrations, slots, telemetry, topics
from shared.arrivals import Arrivals, bring
from shared.database import Pool
from shared.errors import Unavailable
from shared.messaging import Delivery, Handlers
from shared.migrations import MigrationsDiffer
from shared.relay import Relay
from shared.settings import Settings
from shared.topics import WrongTopics
from shared.work import Worker, Works

RETRY_SECONDS: Final = 0.5
BATCH_SECONDS_MAX: Final = 60.0
PRUNE_SECONDS: Final = 3600.0
# The default looks for garbage after 700 new values: a hundred times in one busy batch, for next to none.
GARBAGE_VALUES: Final = 20_000
GARBAGE_GENERATIONS: Final = (20, 20)
WATCH_SECONDS: Final = 1.0

Resources: TypeAlias = Callable[[Pool], AbstractAsyncContextManager[Any]]
Ready: TypeAlias = Callable[[Pool], Awaitable[bool]]
T = TypeVar("T")

log = structlog.get_logger()


@dataclass
class Running:
    """A service that has all it needs."""

    handlers: Handlers
    settings: Settings
    pool: Pool
    broker: KafkaBroker
    delivery: Delivery
    arrivals: Arrivals
    relay: Relay
    worker: Worker | None
    resources: Any
    ready: Ready | None

    def stuck(self) -> Sequence[str]:
        since = self.arrivals.in_hand_since
        found = {
            "batch": since is not None and time.monotonic() - since > BATCH_SECONDS_MAX,
            "consumer": self.arrivals.lost,
            "relay": self.relay.stuck,
            "work": self.worker is not None and self.worker.stuck,
        }
        return [name for name, stuck in found.items() if stuck]

    async def lacking(self) -> Sequence[str]:
        found = []
        try:
            await self.pool.fetchval("SELECT 1")
            if self.ready is not None and not await self.ready(self.pool):
                found.append("what the service waits for")
        except Exception as error:
            if not database.passes(error) and not isinstance(error, Unavailable):
                raise
            found.append("database")
        if not await self.arrivals.reachable():
            found.append("kafka")
        elif not self.arrivals.assigned:
            found.append("a place in the consumer group")
        return found


def run(
    handlers: Handlers,
    settings: Settings,
    *,
    works: Works | None = None,
    resources: Resources | None = None,
    ready: Ready | None = None,
) -> None:
    """All that a service's `main` does. Ends the process with one sentence when it may not start."""
    telemetry.configure(
        handlers.service, settings.instance, form=settings.log_format, level=settings.log_level
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(handlers, settings, works, resources, ready))
        except (WrongTopics, MigrationsDiffer, Unavailable) as error:
            log.critical("refused_to_start", reason=str(error))
            raise SystemExit(f"{handlers.service} does not start: {error}") from None
        except asyncio.CancelledError:
            log.info("stopped_before_start")


async def _serve(
    handlers: Handlers,
    settings: Settings,
    works: Works | None,
    resources: Resources | None,
    ready: Ready | None,
) -> None:
    stop = _Stop()
    async with _parts(handlers, settings, works=works, resources=resources, ready=ready) as running:
        keep_what_is_loaded()
        app = AsgiFastStream(
            running.broker,
            asgi_routes=health.routes(running),
            logger=None,
            on_shutdown=[running.arrivals.finish],
        )
        config = uvicorn.Config(
            app,
            host=settings.health_host,
            port=settings.health_port,
            log_config=None,
            access_log=False,
            lifespan="on",
            ws="none",
        )
        server = _Server(config)
        stop.call(lambda: setattr(server, "should_exit", True))
        await server.serve()
        if not server.started:
            raise Unavailable("the health port or Kafka could not be reached")
    log.info("stopped")


class _Server(uvicorn.Server):
    """Uvicorn raises a signal again once it has stopped serving: that would end us before relay and pool."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Stop:
    """What SIGTERM and SIGINT do: they end a start that is under way, and stop in order what runs."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        self._call: Callable[[], object] = task.cancel
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self)

    def __call__(self) -> None:
        self._call()

    def call(self, function: Callable[[], object]) -> None:
        self._call = function


@asynccontextmanager
async def started(
    handlers: Handlers,
    settings: Settings,
    *,
    works: Works | None = None,
    resources: Resources | None = None,
    ready: Ready | None = None,
) -> AsyncIterator[Running]:
    """The same parts inside another program's life: the gateway's, under FastAPI's lifespan."""
    async with _parts(handlers, settings, works=works, resources=resources, ready=ready) as running:
        await running.broker.start()
        try:
            yield running
        finally:
            await running.arrivals.finish()
            await running.broker.stop()


@asynccontextmanager
async def _parts(
    handlers: Handlers,
    settings: Settings,
    *,
    works: Works | None,
    resources: Resources | None,
    ready: Ready | None,
) -> AsyncIterator[Running]:
    """All but the consumer; in the order of need, ended in reverse."""
    async with contextlib.AsyncExitStack() as stack:
        if settings.otlp_endpoint is not None:
            telemetry.trace_with(settings.otlp_endpoint, handlers.service, settings.instance)
            stack.push_async_callback(asyncio.to_thread, telemetry.end_traces)
        pool = await _stores(stack, handlers, settings)
        await _patiently(settings, lambda: _check_topics(handlers, settings))
        instance = await _instance(stack, handlers, settings)

        delivery = Delivery(handlers, pool)
        broker = KafkaBroker(
            settings.kafka_bootstrap,
            consumer_only=True,  # Its own producer is not needed beside the relay's.
            logger=None,  # It would print what it was given.
            apply_types=False,  # A failed injection would lose the message without a word.
            graceful_timeout=15.0,
        )
        arrivals = bring(broker, handlers, delivery, instance=instance, batch_max=settings.batch_max)
        relay = Relay(pool, settings.kafka_bootstrap, client=f"{instance}-relay")
        relay.start()
        stack.push_async_callback(relay.stop)
        opened = await stack.enter_async_context(resources(pool)) if resources is not None else None
        worker = None
        if works is not None:
            worker = Worker(works, pool, opened, instance=instance)
            worker.start()
            stack.push_async_callback(worker.stop)
        for task in (_tidy(pool, settings), _watch(pool, arrivals)):
            stack.callback(asyncio.get_running_loop().create_task(task).cancel)
        yield Running(handlers, settings, pool, broker, delivery, arrivals, relay, worker, opened, ready)


def keep_what_is_loaded() -> None:
    """Modules, classes and tables are never garbage: no look for it goes through them again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_VALUES, *GARBAGE_GENERATIONS)


async def _stores(stack: contextlib.AsyncExitStack, handlers: Handlers, settings: Settings) -> Pool:
    await _patiently(
        settings,
        lambda: migrations.migrate(settings.database_url, handlers.service, role=settings.database_role),
    )
    pool = await _patiently(
        settings,
        lambda: database.open_pool(
            settings.database_url,
            min_size=2,
            max_size=settings.database_connections_max,
            role=settings.database_role,
            application_name=handlers.service,
        ),
    )
    stack.push_async_callback(_close, pool)
    return pool


async def _close(pool: Pool) -> None:
    try:
        await asyncio.wait_for(pool.close(), 5.0)
    except TimeoutError:
        pool.terminate()


async def _check_topics(handlers: Handlers, settings: Settings) -> None:
    await topics.check(
        settings.kafka_bootstrap,
        reads=handlers.topics,
        writes=[name for name, topic in TOPICS.items() if handlers.service in topic.producers],
        inbox=timedelta(days=settings.inbox_days),
    )


async def _instance(stack: contextlib.AsyncExitStack, handlers: Handlers, settings: Settings) -> str:
    slot = slots.Slot(settings.database_url, handlers.service)
    stack.push_async_callback(slot.leave)
    return await _patiently(settings, lambda: slot.take(settings.instance))


async def _patiently(settings: Settings, attempt: Callable[[], Awaitable[T]]) -> T:
    """What a service leans on may still be starting."""
    until = time.monotonic() + settings.start_seconds_max
    while True:
        try:
            return await attempt()
        except Unavailable as error:
            if time.monotonic() > until:
                raise
            log.info("waiting_to_start", reason=str(error))
            await asyncio.sleep(RETRY_SECONDS)


async def _watch(pool: Pool, arrivals: Arrivals) -> None:
    """What nobody else would notice: a database that is back, a place in the consumer group that is lost."""
    answered = True
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        if arrivals.lost:
            log.critical("consumer_lost")
            signal.raise_signal(signal.SIGTERM)
            return
        if arrivals.waiting:
            before, answered = answered, await _answers(pool)
            if answered and not before:
                arrivals.resume_all()


async def _answers(pool: Pool) -> bool:
    try:
        await asyncio.wait_for(pool.fetchval("SELECT 1"), WATCH_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


async def _tidy(pool: Pool, settings: Settings) -> None:
    while True:
        await asyncio.sleep(PRUNE_SECONDS)
        try:
            gone = await inbox.prune(pool, older_than=timedelta(days=settings.inbox_days))
            log.info("inbox_pruned", messages=gone)
        except Exception as error:
            log.warning("prune_interrupted", **telemetry.failure(error))

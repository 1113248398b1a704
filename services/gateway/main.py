"""The gateway: everything public, over HTTP, with the chassis's consumer and relay beside it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Final

import structlog
import uvicorn
import uvloop

from services.gateway.api.app import create_app
from services.gateway.api.context import Gateway
from services.gateway.auth.api_keys import KeyDoor
from services.gateway.auth.door import Door
from services.gateway.auth.grants import Grants
from services.gateway.auth.keys import VERIFIES_AFTER, WrongSecretKey
from services.gateway.commands import Commands
from services.gateway.handlers import handlers
from services.gateway.handlers.entrance import entrance
from services.gateway.settings import Settings
from services.gateway.store import at_rest, catalogue, data_keys, directory, requests, token_keys
from services.gateway.store.data_keys import WrongDataKey
from services.gateway.store.issue import LookUps
from services.gateway.work import works
from shared import clock, database, outbox, service, telemetry
from shared.database import Pool
from shared.errors import Unavailable
from shared.migrations import MigrationsDiffer
from shared.topics import WrongTopics

UNREVEALED_KEPT: Final = timedelta(days=7)
TIDY_SECONDS: Final = 3_600.0
TIDY_ROWS_MAX: Final = 10_000
USES_NOTED_SECONDS: Final = 5.0
STOP_SECONDS_MAX: Final = 15
KEEP_ALIVE_SECONDS: Final = 75

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Gateway]:
    """All parts of one instance, for as long as it serves."""
    async with (
        service.started(
            handlers,
            settings,
            works=works,
            ready=_has_catalogue,
            resources=lambda owner: _data_keys(owner, settings),
        ) as running,
        _requests_pool(settings, running.pool) as pool,
        _look_ups(settings) as look_ups,
        Commands(pool=pool, owner=running.pool, settings=settings) as commands,
    ):
        door = Door(running.pool, settings)
        await door.token_keys()
        key_door = KeyDoor(running.pool, settings)
        entrance.open(door, key_door, settings.base_url)
        tasks = [
            asyncio.create_task(_tidy(running.pool)),
            asyncio.create_task(_note_uses(key_door)),
        ]
        grants = Grants(running.pool, door, settings)
        service.keep_what_is_loaded()
        try:
            yield Gateway(settings, pool, look_ups, running.pool, door, grants, commands, running, key_door)
        finally:
            for task in tasks:
                task.cancel()
            await _noted(key_door)


@contextlib.asynccontextmanager
async def _requests_pool(settings: Settings, owner: Pool) -> AsyncIterator[Pool]:
    """Connections under row-level security; what they announce is published by the owner's relay."""
    pool = await database.open_pool(
        settings.database_url, min_size=2, max_size=settings.pool_max, application_name="gateway requests"
    )
    try:
        with outbox.filled_by(pool, relayed_with=owner):
            yield pool
    finally:
        await pool.close()


@contextlib.asynccontextmanager
async def _look_ups(settings: Settings) -> AsyncIterator[LookUps]:
    """Connections of their own, under row-level security: planning what each create looks up costs four times
    as much as doing it."""
    pool = await database.open_pool(
        settings.database_url,
        max_size=settings.look_ups_max,
        application_name="gateway look-ups",
        planned_once=True,
    )
    try:
        yield LookUps(pool)
    finally:
        await pool.close()


@contextlib.asynccontextmanager
async def _data_keys(pool: Pool, settings: Settings) -> AsyncIterator[Pool]:
    """Read before the first handler runs, and again and again; the pool is what works act with."""
    await _read_data_keys(pool, settings)
    learning = asyncio.create_task(_learn_data_keys(pool, settings))
    try:
        yield pool
    finally:
        learning.cancel()


async def _read_data_keys(pool: Pool, settings: Settings) -> None:
    async with database.transaction(pool) as conn:
        await data_keys.read(conn, settings.data_key.get_secret_value(), now=clock.now())


async def _learn_data_keys(pool: Pool, settings: Settings) -> None:
    """Know a new key before the first value is under it; at once, should one be met."""
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(at_rest.keyring.wanted.wait(), at_rest.READ_AGAIN_SECONDS)
        try:
            await _read_data_keys(pool, settings)
            at_rest.keyring.wanted.clear()
        except Exception as error:
            log.warning("data_keys_not_read", **telemetry.failure(error))
        await asyncio.sleep(1.0)


async def _has_catalogue(pool: Pool) -> bool:
    async with database.transaction(pool) as conn:
        return await catalogue.is_there(conn)


async def _tidy(pool: Pool) -> None:
    """Remove what nobody will ask for again."""
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        now = clock.now()
        try:
            async with database.transaction(pool) as conn:
                await directory.forget_unrevealed(conn, before=now - UNREVEALED_KEPT, limit=TIDY_ROWS_MAX)
                await token_keys.forget_token_keys(conn, superseded_before=now - VERIFIES_AFTER)
                await data_keys.forget_unused(conn, now=now)
            await requests.prune(pool, now=now)
        except Exception as error:
            log.warning("tidying_interrupted", **telemetry.failure(error))


async def _note_uses(key_door: KeyDoor) -> None:
    """Write down what API keys were used, every few seconds."""
    while True:
        await asyncio.sleep(USES_NOTED_SECONDS)
        await _noted(key_door)


async def _noted(key_door: KeyDoor) -> None:
    try:
        await key_door.note_uses()
    except Exception as error:
        log.warning("key_uses_not_noted", **telemetry.failure(error))


def main() -> None:
    """Serve until told to stop. Ends the process with one sentence when it may not start."""
    settings = Settings.from_environment("GATEWAY")
    telemetry.configure("gateway", settings.instance, form=settings.log_format, level=settings.log_level)
    refusal: list[str] = []

    @contextlib.asynccontextmanager
    async def opening() -> AsyncIterator[Gateway]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                gateway = await stack.enter_async_context(opened(settings))
            except (WrongTopics, MigrationsDiffer, Unavailable, WrongSecretKey, WrongDataKey) as error:
                refusal.append(str(error))
                raise
            yield gateway

    server = _Server(_config(settings, create_app(opening, base_url=settings.base_url)))
    with (
        contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(server.serve())
    if refusal:
        raise SystemExit(f"gateway does not start: {refusal[0]}")
    if not server.started and not server.stopped_early:
        raise SystemExit("gateway does not start: its port cannot be opened, or see the log")


def _config(settings: Settings, app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # FastAPI is an ASGI application by shape alone
        host=settings.host,
        port=settings.port,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
        # The default believes X-Forwarded-For of everyone on this machine.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
    )


class _Server(uvicorn.Server):
    """Uvicorn raises a signal again once it has stopped, and hears none while it starts."""

    stopped_early = False

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        serving = asyncio.current_task()

        def stop() -> None:
            self.should_exit = True
            if not self.started and serving is not None:
                self.stopped_early = True
                serving.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        yield

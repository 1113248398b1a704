"""A real Kafka and a real PostgreSQL for the tests: given ones, containers, or local programs."""

import asyncio
import contextlib
import inspect
import itertools
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from dev import kafka, postgres, setup
from dev.kafka import Kafka
from dev.parts import POLL_SECONDS, READY_SECONDS_MAX, Part
from dev.places import RUN, free_port, home_for
from dev.platform import Platform, forget
from dev.postgres import Postgres, Role
from dev.services import SERVICES
from dev.supervisor import Supervisor

POSTGRES_IMAGE = "postgres:18"
PASSWORD = "recepta-tests"

# Nothing of a test outlives a power cut, so nothing waits for the disk; a kill -9 loses nothing either way.
FAST = {"fsync": "off", "full_page_writes": "off"}


_numbers = itertools.count()


class Road(StrEnum):
    """Where the tests take a part from."""

    GIVEN = "given address"
    CONTAINER = "testcontainers"
    LOCAL = "local programs"


def kafka_road() -> Road:
    return _road("RECEPTA_TEST_KAFKA", setup.kafka_image())


def postgres_road() -> Road:
    return _road("RECEPTA_TEST_POSTGRES", POSTGRES_IMAGE)


def _road(variable: str, image: str) -> Road:
    """The first road that is open; an image that is not there is not pulled."""
    if os.environ.get(variable):
        return Road.GIVEN
    if setup.docker_answers() and setup.docker_has(image):
        return Road.CONTAINER
    return Road.LOCAL


@contextlib.contextmanager
def running_kafka() -> Iterator[str]:
    """The address of a broker for as long as the block lasts."""
    broker = Kafka.on()
    match kafka_road():
        case Road.GIVEN:
            yield os.environ["RECEPTA_TEST_KAFKA"]
        case Road.CONTAINER:
            container = DockerContainer(setup.kafka_image()).with_bind_ports(9092, broker.port)
            with _contained(container, kafka.container_environment(broker), broker.answers):
                yield broker.bootstrap
        case Road.LOCAL:
            setup.ensure_kafka()
            with home("kafka") as folder, _supervised(kafka.part(folder / "kafka", broker)):
                yield broker.bootstrap


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server and its superuser for as long as the block lasts."""
    match postgres_road():
        case Road.GIVEN:
            given = urlsplit(os.environ["RECEPTA_TEST_POSTGRES"])
            login = {"user": given.username or "postgres", "password": given.password or ""}
            yield Postgres(given.hostname or "localhost", given.port or 5432, **login)
        case Road.CONTAINER:
            server = Postgres("127.0.0.1", free_port(), PASSWORD)
            settings = " ".join(
                f"-c {name}={value}" for name, value in (FAST | {"max_connections": "200"}).items()
            )
            container = DockerContainer(POSTGRES_IMAGE, command=f"postgres {settings}")
            container.with_bind_ports(5432, server.port)
            with _contained(container, {"POSTGRES_PASSWORD": PASSWORD}, server.answers):
                yield server
        case Road.LOCAL:
            server = Postgres("127.0.0.1", free_port(), PASSWORD)
            with home("postgres") as folder, _supervised(postgres.part(folder / "postgres", server, FAST)):
                yield server


@contextlib.contextmanager
def _contained(
    container: DockerContainer, environment: Mapping[str, str], ready: Callable[[], bool]
) -> Iterator[None]:
    # Its reaper removes containers of a killed run; without its image the run must do without it.
    testcontainers_config.ryuk_disabled |= not setup.docker_has(testcontainers_config.ryuk_image)
    for name, value in environment.items():
        container.with_env(name, value)
    with container:
        give_up = time.monotonic() + READY_SECONDS_MAX
        while not ready():
            assert time.monotonic() < give_up, container.get_logs()
            time.sleep(POLL_SECONDS)
        yield


@contextlib.contextmanager
def _supervised(part: Part) -> Iterator[None]:
    supervisor = Supervisor(lambda name, line: None)
    try:
        supervisor.start([part])
        yield
    finally:
        supervisor.stop()


@contextlib.contextmanager
def running_platform(*, chosen: Sequence[str] = SERVICES, **instances: int) -> Iterator[Platform]:
    """Everything as processes of this machine, seeded; `prescription=2` starts two of that service."""
    with home("platform") as folder:
        platform = Platform(folder, chosen=chosen, instances=instances)
        try:
            platform.start()
            yield platform
        finally:
            platform.stop()
            forget(folder)


@contextlib.contextmanager
def home(name: str) -> Iterator[Path]:
    """A folder of this run's own, gone after it."""
    folder = home_for(RUN / "tests" / f"{os.getpid()}-{next(_numbers)}-{name}")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Database:
    """One test's database of one service: the URL that the service would get, and the superuser's."""

    service: str
    name: str
    url: str
    admin_url: str


@dataclass
class Databases:
    """Makes migrated databases: a template for each service, once, and a clone of it for each test."""

    server: Postgres
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _templates: dict[str, str] = field(default_factory=dict)

    async def make(self, service: str) -> Database:
        role = Role.of(service, PASSWORD)
        template = self._templates.get(service)
        if template is None:
            template = self._templates[service] = await self._make_template(role)
        name = self._name(service)
        await self._say(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER "{role.owner}"')
        # Rights on a database are not copied with it.
        await self._say(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
        await self._say(f'GRANT CONNECT ON DATABASE "{name}" TO "{service}"')
        return Database(service, name, self.server.url(name, service, PASSWORD), self.server.url(name))

    async def drop(self, database: Database) -> None:
        await self._say(f'DROP DATABASE "{database.name}" WITH (FORCE)')

    async def drop_templates(self) -> None:
        for template in self._templates.values():
            await self._say(f'DROP DATABASE "{template}" WITH (FORCE)')

    async def _make_template(self, role: Role) -> str:
        from shared.migrations import migrate  # A test of Kafka alone needs no migrations.

        name = self._name(role.service)
        url = await asyncio.to_thread(self.server.make_database, role, name)
        await migrate(url, role.service, role=role.owner if role.owner != role.service else None)
        return name

    def _name(self, service: str) -> str:
        # Several runs may share a given server.
        return f"{service}_{os.getpid()}_{next(self._numbers)}"

    async def _say(self, statement: str) -> None:
        conn = await asyncpg.connect(self.server.url())
        try:
            await conn.execute(statement)
        finally:
            await conn.close()


async def until(condition: Callable[[], Awaitable[object] | object], seconds: float) -> None:
    """Wait until a condition, plain or async, holds. Raises AssertionError when `seconds` pass without."""
    give_up = time.monotonic() + seconds
    while True:
        outcome = condition()
        if await outcome if inspect.isawaitable(outcome) else outcome:
            return
        assert time.monotonic() < give_up, (
            f"this did not come true within {seconds} s: {inspect.getsource(condition)}"
        )
        await asyncio.sleep(POLL_SECONDS)

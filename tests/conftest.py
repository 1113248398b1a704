"""The real parts that tests ask for by name."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import hypothesis
import pytest

from dev.places import RUN
from dev.platform import Platform
from dev.postgres import Postgres
from tests import infrastructure
from tests.infrastructure import Database, Databases

# An example that takes long on a busy machine says nothing about what it checks.
hypothesis.settings.register_profile("recepta", deadline=None)
hypothesis.settings.load_profile("recepta")


def pytest_report_header() -> list[str]:
    return [
        f"kafka: {infrastructure.kafka_road()}",
        f"postgres: {infrastructure.postgres_road()}",
    ]


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The bootstrap address of a real broker, the same for all tests."""
    with infrastructure.running_kafka() as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real server: `url()` is its superuser's, `make_database(role)` makes what a service gets."""
    with infrastructure.running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    """All five services and their surroundings as processes, seeded: `platform.env`, `kill(name)` …"""
    with infrastructure.running_platform() as running:
        yield running
        if request.session.testsfailed:
            shutil.copytree(running.logs.folder, RUN / "failed", dirs_exist_ok=True)


@pytest.fixture(scope="session")
def databases(postgres: Postgres) -> Iterator[Databases]:
    made = Databases(postgres)
    yield made
    asyncio.run(made.drop_templates())


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Callable[[str], Awaitable[Database]]]:
    """`await database("prescription")`: a migrated database of that service for this test alone."""
    mine: list[Database] = []

    async def make(service: str) -> Database:
        mine.append(await databases.make(service))
        return mine[-1]

    yield make
    for one in mine:
        await databases.drop(one)

"""What tests of the chassis begin with: its topics in the catalogue, a database with a table of effects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from contracts.catalog import TOPICS
from shared.database import Pool
from tests.chassis_service import CATALOGUE, EFFECTS, handlers_for
from tests.infrastructure import Database
from tests.service.chassis.ground import Ground, prepare
from tests.service.conftest import Deliver, open_pool_at


@pytest.fixture
async def database_url(database: Callable[[str], Awaitable[Database]]) -> str:
    return (await database("chassis")).url


@pytest.fixture
async def pool(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    for name, topic in CATALOGUE.items():
        monkeypatch.setitem(TOPICS, name, topic)  # type: ignore[misc]
    pool = await open_pool_at(database_url)
    await pool.execute(EFFECTS)
    yield pool
    await pool.close()


@pytest.fixture
def deliver(pool: Pool) -> Deliver:
    return Deliver(handlers_for("chassis"), pool)


@pytest.fixture
async def ground(kafka: str, database_url: str, pool: Pool) -> Ground:
    return await prepare(kafka, database_url, pool)

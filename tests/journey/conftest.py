"""The whole platform for journeys: real Kafka, real Postgres, five services as processes, their clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dev.platform import Platform
from shared import clock
from tests import clients
from tests.clients import Clinic, Pharmacy

Later = Callable[[timedelta], Awaitable[None]]


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Started once for all journeys."""
    home = tmp_path_factory.mktemp("platform")
    Path(home).chmod(0o755)
    (home / "clock").write_text("0", encoding="ascii")
    platform = Platform(home, environment={"RECEPTA_CLOCK_FILE": str(home / "clock")})
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()


@pytest.fixture
async def clinic(platform: Platform) -> AsyncIterator[Clinic]:
    async with Clinic(platform.url, platform.credentials["RECEPTA_DOCTOR_CLIENT"]) as client:
        yield client


@pytest.fixture
async def other_clinic(platform: Platform) -> AsyncIterator[Clinic]:
    async with Clinic(platform.url, platform.credentials["RECEPTA_OTHER_CLINIC_CLIENT"]) as client:
        yield client


@pytest.fixture
async def pharmacy(platform: Platform) -> AsyncIterator[Pharmacy]:
    async with Pharmacy(platform.url, platform.credentials["RECEPTA_PHARMACY_CLIENT"]) as client:
        yield client


@pytest.fixture
async def other_pharmacy(platform: Platform) -> AsyncIterator[Pharmacy]:
    async with Pharmacy(platform.url, platform.credentials["RECEPTA_OTHER_PHARMACY_CLIENT"]) as client:
        yield client


@pytest.fixture
async def later(platform: Platform) -> AsyncIterator[Later]:
    """`await later(timedelta(days=1))`: it is so much later everywhere; after the test it is now again."""
    moved = timedelta()

    async def to(offset: timedelta) -> None:
        (platform.home / "clock").write_text(str(offset.total_seconds()), encoding="ascii")
        clients._TOKENS.clear()
        await asyncio.sleep(4 * clock.REREAD_SECONDS)

    async def later(by: timedelta) -> None:
        nonlocal moved
        moved += by
        await to(moved)

    yield later
    await to(timedelta())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Time moves for everybody: tests that move it run last."""
    items.sort(key=lambda item: "later" in getattr(item, "fixturenames", ()))

"""The whole platform for journeys: real Kafka, real Postgres, five services as processes, their clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dev.platform import Platform
from tests.clients import Clinic, Pharmacy


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

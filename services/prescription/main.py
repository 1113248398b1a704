"""Moves each prescription from order to end: decides what may happen to it, and tells whoever needs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.prescription import store
from services.prescription.handlers import handlers
from services.prescription.settings import Settings
from services.prescription.work import works
from shared.database import Pool, transaction
from shared.service import run


def main() -> None:
    """Runs the service until it is told to stop."""
    settings = Settings.from_environment("PRESCRIPTION")
    run(handlers, settings, works=works, resources=_its_pool, ready=_has_catalogue)


@asynccontextmanager
async def _its_pool(pool: Pool) -> AsyncIterator[Pool]:
    yield pool


async def _has_catalogue(pool: Pool) -> bool:
    async with transaction(pool) as conn:
        return await store.has_catalogue(conn)

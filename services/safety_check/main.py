"""Checks every prescription that is to be signed, and keeps the catalogue of what can be prescribed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.safety_check import messages, store
from services.safety_check.domain import Knowledge, KnowledgeRefused, Tables
from services.safety_check.handlers import handlers, use
from services.safety_check.settings import Settings
from services.safety_check.work import Catalogue, announce_release, works
from shared import clock, outbox
from shared.database import Pool, transaction
from shared.service import run


def main() -> None:
    """Run until told to stop."""
    run(handlers, Settings.from_environment("SAFETY_CHECK"), works=works, resources=catalogue)


@asynccontextmanager
async def catalogue(pool: Pool) -> AsyncIterator[Catalogue]:
    """The knowledge base, compiled once; handlers and work use the same."""
    knowledge = _knowledge()
    use(knowledge)
    await begin(pool, knowledge)
    yield Catalogue(pool, knowledge)


async def begin(pool: Pool, knowledge: Knowledge) -> None:
    """With another knowledge base than before, old verdicts are stale and names differ: tell it once."""
    async with transaction(pool) as conn:
        await store.hold_catalogue(conn)
        if not await store.begin(conn, knowledge.version, at=clock.now()):
            return
        await outbox.send(conn, messages.updated(knowledge.version, at=clock.now()))
        if active := await store.find_active(conn):
            await announce_release(conn, active.release, knowledge, at=clock.now())


def _knowledge() -> Knowledge:
    try:
        return Knowledge(Tables.read())
    except (KnowledgeRefused, OSError) as error:
        raise SystemExit(f"safety-check does not start: {error}") from error

"""Begins to announce again all that views show."""

from contracts.rebuilding import AnnounceAgain
from services.prescription import store
from services.prescription.handlers.registry import handlers
from shared import clock
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(AnnounceAgain)
async def announce_again(command: AnnounceAgain, conn: Connection, outbox: Outbox) -> None:
    """Have it announced piece by piece; what was under way for an earlier rebuild ends."""
    await store.announce_again(conn, command.rebuild_id, at=clock.now())

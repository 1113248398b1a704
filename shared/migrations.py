"""Migrations: plain SQL files, forward only, each once, by one process at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import structlog

from shared.errors import Unavailable

LOCK: Final = 0x7265_6365  # "rece": one advisory lock in each database
WAIT_SECONDS_MAX: Final = 120.0

_root: Final = Path(__file__).resolve().parent.parent
log = structlog.get_logger()


class MigrationsDiffer(Exception):
    """What this database has had is not what this release would have given it."""


@dataclass(frozen=True)
class Migration:
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def of(service: str) -> Iterator[Migration]:
    """The chassis's files, then the service's, by number."""
    module = service.replace("-", "_")  # One name in every database, however the caller spells it.
    for owner, folder in (
        ("shared", _root / "shared" / "migrations"),
        (module, _root / "services" / module / "migrations"),
    ):
        for path in sorted(folder.glob("*.sql")):
            yield Migration(f"{owner}/{path.name}", path.read_text(encoding="utf-8"))


async def migrate(url: str, service: str, *, role: str | None = None) -> None:
    """Bring a database up to this release. Raises MigrationsDiffer if a file that was applied has changed."""
    settings = {"application_name": f"{service} migrations", **({"role": role} if role else {})}
    try:
        conn = await asyncpg.connect(url, server_settings=settings)
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
        raise Unavailable("the database does not answer") from error
    try:
        await conn.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=WAIT_SECONDS_MAX)
        await _apply(conn, service)
    finally:
        await conn.close()


async def _apply(conn: asyncpg.Connection[asyncpg.Record], service: str) -> None:
    await conn.execute(
        """
        CREATE TABLE IF NOT EXISTS migration (
            name       text PRIMARY KEY,
            checksum   text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    applied = {
        row["name"]: row["checksum"] for row in await conn.fetch("SELECT name, checksum FROM migration")
    }
    for one in of(service):
        if one.name in applied:
            if applied[one.name] != one.checksum:
                raise MigrationsDiffer(
                    f"{one.name} was changed after it was applied: write a new file instead"
                )
            continue
        async with conn.transaction():
            await conn.execute(one.sql)
            await conn.execute(
                "INSERT INTO migration (name, checksum) VALUES ($1, $2)", one.name, one.checksum
            )
        log.info("migrated", migration=one.name)

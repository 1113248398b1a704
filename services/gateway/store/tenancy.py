"""Connections on which row-level security shows one provider's rows and no others.

Whoever uses the pool of the login role goes through here: a session that names no provider sees nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from shared import database
from shared.database import Connection, Pool
from shared.errors import Unavailable


@asynccontextmanager
async def transaction(pool: Pool, tenant_id: UUID) -> AsyncIterator[Connection]:
    """One transaction in the name of a provider. Raises Unavailable for what may be better the next time."""
    async with database.transaction(pool) as conn:
        await conn.execute("SELECT set_config('recepta.tenant_id', $1, true)", str(tenant_id))
        yield conn


@asynccontextmanager
async def reading(pool: Pool, tenant_id: UUID) -> AsyncIterator[Connection]:
    """For reads of one statement each, without the round trips of a transaction."""
    try:
        async with pool.acquire(timeout=database.ACQUIRE_SECONDS_MAX) as conn:
            # It stays with the session, and the next to take the connection names its own before anything else.
            await conn.execute("SELECT set_config('recepta.tenant_id', $1, false)", str(tenant_id))
            yield conn
    except Exception as error:
        if database.passes(error):
            raise Unavailable(f"the database said {type(error).__name__}") from error
        raise

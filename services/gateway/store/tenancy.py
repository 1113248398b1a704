"""Connections on which row-level security shows one provider's rows and no others.

Whoever uses the pool of the login role goes through here: a session that names no provider sees nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from shared import database
from shared.database import Connection, Pool


@asynccontextmanager
async def transaction(pool: Pool, tenant_id: UUID) -> AsyncIterator[Connection]:
    """One transaction in the name of a provider. Raises Unavailable for what may be better the next time."""
    async with database.transaction(pool) as conn:
        await conn.execute("SELECT set_config('recepta.tenant_id', $1, true)", str(tenant_id))
        yield conn

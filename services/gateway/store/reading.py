"""Reading as one tenant, under row-level security, in one round trip."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from shared import database
from shared.database import Connection, Pool
from shared.errors import Unavailable

# Policies compare with this setting, which ends with the statement. Whatever reads a table does so LATERAL to
# `present`: it needs the id from here, so the setting is made before the first row is looked for. The other
# way round nothing would be found.
TENANT: Final = """WITH present AS MATERIALIZED (
                SELECT set_config('recepta.tenant_id', $1, true)::uuid AS id)"""


@asynccontextmanager
async def reading(pool: Pool) -> AsyncIterator[Connection]:
    """A connection for a single statement, without begin and commit. Raises Unavailable."""
    try:
        async with database.acquired(pool) as conn:
            yield conn
    except Exception as error:
        if database.passes(error):
            raise Unavailable(f"the database said {type(error).__name__}") from error
        raise

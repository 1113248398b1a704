"""Names of the catalogue's ingredients as they are shown, remembered: they change with a release alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from services.gateway.store.catalogue import PRESENT
from services.gateway.store.reading import reading
from shared.database import Connection, Pool

READ_AGAIN_SECONDS: Final = 30.0


class IngredientNames:
    """Of this process: what renders is plain functions, to whom the names are handed."""

    def __init__(self) -> None:
        self._names: Mapping[str, str] = {}
        self._read_at = float("-inf")

    async def seen_by(self, conn: Connection) -> Mapping[str, str]:
        """The names by row of the knowledge base, no older than half a minute."""
        if not self._fresh:
            self._names = await _read(conn)
            self._read_at = time.monotonic()
        return self._names

    async def read_from(self, pool: Pool) -> Mapping[str, str]:
        """The same, with a connection only where one is needed. Raises Unavailable."""
        if self._fresh:
            return self._names
        async with reading(pool) as conn:
            return await self.seen_by(conn)

    def forget(self) -> None:
        """Read them anew the next time: a release has become the present one."""
        self._read_at = float("-inf")

    @property
    def _fresh(self) -> bool:
        return bool(self._names) and time.monotonic() - self._read_at < READ_AGAIN_SECONDS


async def _read(conn: Connection) -> Mapping[str, str]:
    rows = await conn.fetch(
        f"""
        SELECT DISTINCT ingredient, display_name
          FROM catalogue_name
         WHERE release = {PRESENT}
           AND display_name IS NOT NULL
        """
    )
    return {row["ingredient"]: row["display_name"] for row in rows}


names: Final = IngredientNames()

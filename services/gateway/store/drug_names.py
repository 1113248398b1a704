"""The catalogue's names compiled to resolve by, and kept: they change with a release alone."""

from __future__ import annotations

from typing import Final

from contracts.drug_names import Name, Names
from services.gateway.store.catalogue import PRESENT
from shared.database import Connection


class DrugNames:
    """Of this process. Compiling takes some hundredths of a second, so it is done once a release."""

    def __init__(self) -> None:
        self._release: str | None = None
        self._names = Names.of(())

    async def present(self, conn: Connection) -> Names:
        """The names of the present release; none before the first."""
        release: str | None = await conn.fetchval(f"SELECT {PRESENT}")
        if release != self._release:
            self._names = await _read(conn, release)
            self._release = release
        return self._names


async def _read(conn: Connection, release: str | None) -> Names:
    rows = await conn.fetch(
        """
        SELECT ingredient, name, kind, country
          FROM catalogue_name
         WHERE release = $1
           AND name IS NOT NULL
         ORDER BY ingredient, key
        """,
        release,
    )
    # A name of several ingredients has them all, joined.
    return Names.of(
        Name(row["name"], tuple(row["ingredient"].split("+")), row["kind"], row["country"] or "")
        for row in rows
    )


drug_names: Final = DrugNames()

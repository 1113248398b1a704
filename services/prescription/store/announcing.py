"""What is announced again for views that are rebuilt: read piece by piece in the order of its keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from asyncpg import Record

from services.prescription.domain.consultation import Consultation
from services.prescription.domain.history import Entry
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.template import Template
from services.prescription.store import record_rows, rows
from services.prescription.store.unsigned import NOBODY
from shared import work
from shared.database import Connection

ANNOUNCE: Final = "announce"
"""The kind of work that announces."""
READ_AT_ONCE: Final = 50
"""Rows in memory, however many a piece has."""


@dataclass(frozen=True)
class Reached:
    """How far an announcement has come: after which key of which table, with how many records said."""

    table: str = "prescription"
    tenant_id: UUID = NOBODY
    id: UUID = NOBODY
    announced: int = 0

    @classmethod
    def of(cls, payload: dict[str, object]) -> Reached:
        return cls(
            table=str(payload["table"]),
            tenant_id=UUID(str(payload["tenant_id"])),
            id=UUID(str(payload["id"])),
            announced=int(str(payload["announced"])),
        )


async def announce_again(conn: Connection, rebuild_id: UUID, *, at: datetime) -> None:
    """Begin from the first; an announcement for another rebuild ends where it is."""
    await conn.execute("DELETE FROM work WHERE kind = $1 AND key <> $2", ANNOUNCE, str(rebuild_id))
    await announce_on(conn, rebuild_id, Reached(), at=at)


async def announce_on(conn: Connection, rebuild_id: UUID, reached: Reached, *, at: datetime) -> None:
    """Go on from here, in another transaction."""
    payload = orjson.loads(orjson.dumps(asdict(reached)))
    await work.add(conn, kind=ANNOUNCE, key=str(rebuild_id), tenant_id=NOBODY, due_at=at, payload=payload)


async def prescriptions_after(
    conn: Connection, reached: Reached, *, limit: int
) -> AsyncIterator[tuple[Prescription, tuple[Entry, ...]]]:
    """The next that anybody may see, each with all that happened to it, as they stand at one moment."""
    async for row in conn.cursor(
        """
        SELECT page.content, page.state, told.entries
          FROM (SELECT tenant_id, id, content, state
                  FROM prescription
                 WHERE (tenant_id, id) > ($1, $2)
                   AND NOT hidden
                 ORDER BY tenant_id, id
                 LIMIT $3) AS page
         CROSS JOIN LATERAL (
               SELECT coalesce(array_agg(entries ORDER BY revision), '{}') AS entries
                 FROM history
                WHERE (tenant_id, prescription_id) = (page.tenant_id, page.id)) AS told
         ORDER BY page.tenant_id, page.id
        """,
        reached.tenant_id,
        reached.id,
        limit,
        prefetch=READ_AT_ONCE,
    ):
        told = tuple(entry for text in row["entries"] for entry in rows.told_in(text))
        yield rows.prescription(row), told


async def consultations_after(
    conn: Connection, reached: Reached, *, limit: int
) -> AsyncIterator[Consultation]:
    async for row in _states_after(conn, reached, "consultation", "version > 0", limit):
        yield record_rows.consultation(row["state"])


async def templates_after(conn: Connection, reached: Reached, *, limit: int) -> AsyncIterator[Template]:
    """The next templates, deleted ones too: what is told late of them must not bring them back."""
    async for row in _states_after(conn, reached, "template", "true", limit):
        yield record_rows.template(row["state"])


async def _states_after(
    conn: Connection, reached: Reached, table: str, condition: str, limit: int
) -> AsyncIterator[Record]:
    async for row in conn.cursor(
        f"""
        SELECT state
          FROM {table}
         WHERE (tenant_id, id) > ($1, $2)
           AND {condition}
         ORDER BY tenant_id, id
         LIMIT $3
        """,
        reached.tenant_id,
        reached.id,
        limit,
        prefetch=READ_AT_ONCE,
    ):
        yield row

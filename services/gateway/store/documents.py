"""Final PDF copies: one for each leading page a prescription may have, and each language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.notification_events import DocumentFinished
from services.gateway.store import at_rest
from services.gateway.store.reading import TENANT, reading
from shared.database import Connection, Pool

DRAFT: Final = "draft"
"""The face of what is not signed: its copies are marked as not valid, and the newest replaces the others."""


@dataclass(frozen=True)
class Which:
    """One copy: of whose prescription, with which leading page, in which language.

    `ended_at`: the moment that the leading page tells; another one is another document.
    """

    tenant_id: UUID
    prescription_id: UUID
    face: str
    language: str
    ended_at: datetime | None


async def find(pool: Pool, which: Which) -> bytes | None:
    async with reading(pool) as conn:
        sealed: bytes | None = await conn.fetchval(
            f"""
            {TENANT}
            SELECT copy.content
              FROM present
             CROSS JOIN LATERAL (
                   SELECT content
                     FROM document
                    WHERE (tenant_id, prescription_id, face, language) = (present.id, $2, $3, $4)
                      AND ended_at IS NOT DISTINCT FROM $5
                   OFFSET 0) AS copy
            """,
            str(which.tenant_id),
            which.prescription_id,
            which.face,
            which.language,
            which.ended_at,
        )
    if sealed is None:
        return None
    return at_rest.DOCUMENT.open(sealed, which.tenant_id, which.prescription_id, which.face, which.language)


async def keep(
    conn: Connection, document: DocumentFinished, *, face: str, ended_at: datetime | None, made_at: datetime
) -> None:
    """Keep the first copy of its kind, until what its leading page tells is told anew.

    A document that was handed out never changes otherwise; of a draft the newest copy is kept.
    """
    which = (document.prescription_id, face, document.language)
    await conn.execute(
        """
        INSERT INTO document (tenant_id, prescription_id, face, language, document_id, revision, sha256,
                              content, made_at, ended_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (tenant_id, prescription_id, face, language) DO UPDATE
           SET document_id = excluded.document_id, revision = excluded.revision, sha256 = excluded.sha256,
               content = excluded.content, made_at = excluded.made_at, ended_at = excluded.ended_at
         WHERE CASE WHEN document.face = $11 THEN document.revision <= excluded.revision
                    ELSE document.revision < excluded.revision
                         AND document.ended_at IS DISTINCT FROM excluded.ended_at END
        """,
        document.tenant_id,
        document.prescription_id,
        face,
        document.language,
        document.document_id,
        document.revision,
        document.sha256,
        at_rest.DOCUMENT.seal(document.content, document.tenant_id, *which),
        made_at,
        ended_at,
        DRAFT,
    )

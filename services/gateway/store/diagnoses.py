"""The diagnoses of ICD-10: found by code, by name and by synonym, in three languages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from asyncpg import Record

from contracts.values import Diagnosis
from services.gateway.messages import search
from services.gateway.messages.search import Search
from shared.database import Connection


@dataclass(frozen=True)
class ListedDiagnosis:
    """A code with its names; English is always there. `synonyms` are of all languages."""

    code: str
    english: str
    spanish: str | None = None
    portuguese: str | None = None
    synonyms: tuple[str, ...] = ()

    def named(self, language: str) -> str:
        return {"es": self.spanish, "pt": self.portuguese}.get(language) or self.english


def _listed(row: Record) -> ListedDiagnosis:
    return ListedDiagnosis(
        row["diagnosis_code"], row["description_en"], row["description_es"], row["description_pt"]
    )


async def diagnoses(conn: Connection, codes: Collection[str], language: str) -> dict[str, Diagnosis]:
    """Those of these codes that ICD-10 has, as a prescription keeps them."""
    rows = await conn.fetch(
        """
        SELECT diagnosis_code, description_en, description_es, description_pt
          FROM diagnosis
         WHERE diagnosis_code = ANY ($1)
        """,
        list(codes),
    )
    found = (_listed(row) for row in rows)
    return {one.code: Diagnosis(diagnosis_code=one.code, description=one.named(language)) for one in found}


async def search_diagnoses(
    conn: Connection, wanted: Search | None, *, limit: int, offset: int
) -> tuple[list[ListedDiagnosis], int]:
    """By relevance (the code, whole words, beginnings of words), then code; and how many there are."""
    rows = await conn.fetch(
        """
        WITH found AS (
            SELECT diagnosis_code, description_en, description_es, description_pt,
                   CASE WHEN $1::text IS NULL OR code_folded = $1 THEN 0
                        WHEN code_folded LIKE $1 || '%' THEN 1
                        WHEN search @@ $2::text::tsquery THEN 2
                        ELSE 3 END AS rank
              FROM diagnosis
             WHERE $1::text IS NULL OR code_folded LIKE $1 || '%' OR search @@ $3::text::tsquery)
        SELECT counted.total, page.*
          FROM (SELECT count(*) AS total FROM found) AS counted
          LEFT JOIN LATERAL (SELECT * FROM found
                              ORDER BY rank, diagnosis_code
                              LIMIT $4 OFFSET $5) AS page ON true
        """,
        wanted and wanted.code,
        wanted and wanted.whole,
        wanted and wanted.beginning,
        limit,
        offset,
    )
    return [_listed(row) for row in rows if row["diagnosis_code"] is not None], rows[0]["total"]


async def save_diagnoses(conn: Connection, listed: Sequence[ListedDiagnosis]) -> None:
    """Store codes with their names, or what has changed of them."""
    await conn.executemany(
        """
        INSERT INTO diagnosis (diagnosis_code, code_folded, description_en, description_es, description_pt,
                               search)
        VALUES ($1, $2, $3, $4, $5, array_to_tsvector($6::text[]))
            ON CONFLICT ON CONSTRAINT diagnosis_pkey DO UPDATE
           SET description_en = EXCLUDED.description_en, description_es = EXCLUDED.description_es,
               description_pt = EXCLUDED.description_pt, search = EXCLUDED.search
         WHERE (diagnosis.description_en, diagnosis.description_es, diagnosis.description_pt,
                diagnosis.search)
               IS DISTINCT FROM
               (EXCLUDED.description_en, EXCLUDED.description_es, EXCLUDED.description_pt,
                EXCLUDED.search)
        """,
        [
            (
                one.code,
                search.code(one.code),
                one.english,
                one.spanish,
                one.portuguese,
                search.words(one.english, one.spanish, one.portuguese, *one.synonyms),
            )
            for one in listed
        ],
    )

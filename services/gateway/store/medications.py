"""Searching medicines by resemblance and by whole words, over the present release of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from asyncpg import Record

from contracts.drug_catalog import CatalogueProduct
from services.gateway.messages.products import Found
from services.gateway.store.catalogue import PRESENT
from shared.database import Connection

RANK_CONSTANT: Final = 60
# Scores are stored in fewer digits than a threshold is sent in: the index lets a little more through.
_SLACK: Final = 1e-6


@dataclass(frozen=True)
class Wanted:
    """What is searched for. `threshold`: how much of the query must resemble a name, 0 to 1."""

    query: str
    threshold: float
    limit: int
    kind: str | None = None
    therapeutic_class: str | None = None
    atc_prefix: str | None = None


def _found(row: Record) -> Found:
    return Found(
        CatalogueProduct.model_validate_json(row["record"]),
        row["substance"],
        tuple(row["atc_codes"]),
        row["text_score"],
        row["trigram_score"],
        row["fused_score"],
    )


async def search(conn: Connection, wanted: Wanted) -> list[Found]:
    """Best first: by both rankings together, then by name. Runs in a transaction, whose threshold it sets."""
    query = await conn.fetchrow(
        """
        SELECT plain($1) AS letters, plainto_tsquery('simple', plain_words($1))::text AS words,
               set_config('pg_trgm.word_similarity_threshold', $2::text, true)
        """,
        wanted.query,
        str(max(wanted.threshold - _SLACK, 0.0)),
    )
    assert query is not None
    rows = await conn.fetch(
        # Whoever resembles nothing at all is in no index of resemblance.
        _BY_INDEX if wanted.threshold > 0 else _ALL,
        query["letters"],
        query["words"],
        wanted.threshold,
        wanted.kind,
        wanted.therapeutic_class,
        wanted.atc_prefix,
        wanted.limit,
    )
    return [_found(row) for row in rows]


_CHOSEN: Final = f"""release = {PRESENT}
               AND product_type = 'MEDICATION'
               AND ($4::text IS NULL OR kind_plain = plain($4))
               AND ($5::text IS NULL OR class_plain = plain($5))
               AND ($6::text IS NULL OR EXISTS (SELECT FROM unnest(atc_codes) AS code
                                                 WHERE starts_with(code, $6)))"""


def _statement(resembles: str) -> str:
    """Reciprocal rank fusion: a row counts in each ranking that it is found by, equal scores alike."""
    return f"""
        WITH alike AS MATERIALIZED (
            SELECT plain, score
              FROM (SELECT plain, word_similarity($1, plain) AS score
                      FROM catalogue_wording
                     WHERE release = {PRESENT}
                       AND {resembles}
                    OFFSET 0) AS scored
             WHERE score >= $3::real),
        resembling AS (
            SELECT medication_id, trade_name, max(score) AS score
              FROM (SELECT medication_id, trade_name, score
                      FROM alike
                      JOIN catalogue_product ON name_plain = alike.plain
                     WHERE {_CHOSEN}
                     UNION ALL
                    SELECT medication_id, trade_name, score
                      FROM alike
                      JOIN catalogue_product ON substance_plain = alike.plain
                     WHERE {_CHOSEN}) AS either
             GROUP BY medication_id, trade_name),
        worded AS (
            SELECT medication_id, trade_name, ts_rank(full_text, $2::tsquery)::float8 AS score
              FROM catalogue_product
             WHERE {_CHOSEN}
               AND full_text @@ $2::tsquery),
        ranked AS (
            SELECT medication_id, trade_name, coalesce(worded.score, 0) AS text_score,
                   CASE WHEN resembling.score IS NULL THEN NULL
                        ELSE rank() OVER (ORDER BY resembling.score DESC NULLS LAST) END AS trigram_rank,
                   CASE WHEN worded.score IS NULL THEN NULL
                        ELSE rank() OVER (ORDER BY worded.score DESC NULLS LAST) END AS text_rank
              FROM resembling
              FULL JOIN worded USING (medication_id, trade_name)),
        page AS (
            SELECT medication_id, text_score,
                   coalesce(1.0::float8 / ({RANK_CONSTANT} + trigram_rank), 0)
                       + coalesce(1.0::float8 / ({RANK_CONSTANT} + text_rank), 0) AS fused_score
              FROM ranked
             ORDER BY fused_score DESC, trade_name COLLATE "C", medication_id
             LIMIT $7)
        SELECT record, substance, atc_codes, text_score, fused_score,
               greatest(word_similarity($1, name_plain),
                        word_similarity($1, substance_plain))::float8 AS trigram_score
          FROM page
          JOIN catalogue_product USING (medication_id)
         WHERE release = {PRESENT}
         ORDER BY fused_score DESC, trade_name COLLATE "C", medication_id
        """


_BY_INDEX: Final = _statement("plain %> $1")
_ALL: Final = _statement("true")

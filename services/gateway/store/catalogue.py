"""The catalogue of products as safety-check publishes it, and which of them a provider has registered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg import Record

from contracts.drug_catalog import CatalogueName, CatalogueProduct, CatalogueReleased
from contracts.values import Product
from services.gateway.messages import search
from services.gateway.messages.products import trade_name
from services.gateway.messages.search import Search
from shared.database import Connection

# Readers keep to the newest release that is complete.
PRESENT: Final = """(SELECT release
                       FROM catalogue_release
                      WHERE present_sequence IS NOT NULL
                      ORDER BY present_sequence DESC
                      LIMIT 1)"""


@dataclass(frozen=True)
class ListedProduct:
    """A product of the catalogue; `registered_at` is None where the provider has not registered it."""

    record: CatalogueProduct
    registered_at: datetime | None

    @property
    def product(self) -> Product:
        return self.record.product


def _listed(row: Record) -> ListedProduct:
    return ListedProduct(CatalogueProduct.model_validate_json(row["record"]), row["registered_at"])


async def is_there(conn: Connection) -> bool:
    """Whether a first release is complete."""
    found: bool = await conn.fetchval(f"SELECT {PRESENT} IS NOT NULL")
    return found


async def products(conn: Connection, tenant_id: UUID, codes: Collection[str]) -> dict[str, ListedProduct]:
    """Those of these codes that the catalogue knows."""
    rows = await conn.fetch(
        f"""
        SELECT product_code, record, registered_at
          FROM catalogue_product
          LEFT JOIN (SELECT product_code, registered_at
                       FROM provider_product
                      WHERE tenant_id = $1) AS mine USING (product_code)
         WHERE release = {PRESENT}
           AND product_code = ANY ($2)
        """,
        tenant_id,
        list(codes),
    )
    return {row["product_code"]: _listed(row) for row in rows}


async def search_products(
    conn: Connection,
    tenant_id: UUID,
    *,
    kind: str | None,
    wanted: Search | None,
    registered_only: bool,
    limit: int,
    offset: int,
) -> tuple[list[ListedProduct], int]:
    """By relevance (the code, whole words, beginnings of words), then code; and how many there are."""
    rows = await conn.fetch(
        f"""
        WITH found AS (
            SELECT product_code, record, registered_at,
                   CASE WHEN $3::text IS NULL OR code_folded = $3 THEN 0
                        WHEN code_folded LIKE $3 || '%' THEN 1
                        WHEN search @@ $4::text::tsquery THEN 2
                        ELSE 3 END AS rank
              FROM catalogue_product
              LEFT JOIN (SELECT product_code, registered_at
                           FROM provider_product
                          WHERE tenant_id = $1) AS mine USING (product_code)
             WHERE release = {PRESENT}
               AND ($2::text IS NULL OR product_type = $2)
               AND ($3::text IS NULL OR code_folded LIKE $3 || '%' OR search @@ $5::text::tsquery)
               AND (registered_at IS NOT NULL OR NOT $6))
        SELECT counted.total, page.*
          FROM (SELECT count(*) AS total FROM found) AS counted
          LEFT JOIN LATERAL (SELECT * FROM found
                              ORDER BY rank, product_code
                              LIMIT $7 OFFSET $8) AS page ON true
        """,
        tenant_id,
        kind,
        wanted and wanted.code,
        wanted and wanted.whole,
        wanted and wanted.beginning,
        registered_only,
        limit,
        offset,
    )
    return [_listed(row) for row in rows if row["record"] is not None], rows[0]["total"]


async def codes(conn: Connection, *, kind: str | None = None) -> list[str]:
    """All codes of the catalogue, in order."""
    rows = await conn.fetch(
        f"""
        SELECT product_code
          FROM catalogue_product
         WHERE release = {PRESENT}
           AND ($1::text IS NULL OR product_type = $1)
         ORDER BY product_code
        """,
        kind,
    )
    return [row["product_code"] for row in rows]


async def register(
    conn: Connection, tenant_id: UUID, product_code: str, *, now: datetime
) -> tuple[datetime, bool]:
    """When the provider registered this product, and whether that was now."""
    made = await conn.fetchval(
        """
        INSERT INTO provider_product (tenant_id, product_code, registered_at)
        VALUES ($1, $2, $3)
            ON CONFLICT DO NOTHING
        RETURNING registered_at
        """,
        tenant_id,
        product_code,
        now,
    )
    if made is not None:
        return made, True
    found = await conn.fetchval(
        "SELECT registered_at FROM provider_product WHERE (tenant_id, product_code) = ($1, $2)",
        tenant_id,
        product_code,
    )
    return found or now, False


async def unregister(conn: Connection, tenant_id: UUID, product_code: str) -> None:
    await conn.execute(
        "DELETE FROM provider_product WHERE (tenant_id, product_code) = ($1, $2)", tenant_id, product_code
    )


async def save_product(conn: Connection, record: CatalogueProduct) -> None:
    product = record.product
    names = [product.product_name, *product.names.values(), *record.synonyms]
    ingredients = [one.name for one in product.active_ingredients]
    new = await conn.fetchval(
        """
        INSERT INTO catalogue_product (release, medication_id, product_code, product_type, ingredients,
                                       code_folded, search, record, substance, trade_name, kind_plain,
                                       class_plain, atc_codes, full_text)
        VALUES ($1, $2, $3, $4, $5, $6, array_to_tsvector($7::text[]), $8, upper(plain($9)), $10,
                plain($11), plain($12), $13, setweight(to_tsvector('simple', plain_words($10)), 'A')
                                             || to_tsvector('simple', plain_words($14)))
            ON CONFLICT ON CONSTRAINT catalogue_product_pkey DO UPDATE
           SET product_code = EXCLUDED.product_code, product_type = EXCLUDED.product_type,
               ingredients = EXCLUDED.ingredients, code_folded = EXCLUDED.code_folded,
               search = EXCLUDED.search, record = EXCLUDED.record, substance = EXCLUDED.substance,
               trade_name = EXCLUDED.trade_name, kind_plain = EXCLUDED.kind_plain,
               class_plain = EXCLUDED.class_plain, atc_codes = EXCLUDED.atc_codes,
               full_text = EXCLUDED.full_text
         -- A record that comes again would undo what the switch to its release has added.
         WHERE catalogue_product.record <> EXCLUDED.record
        RETURNING xmax = 0
        """,
        record.release,
        record.medication_id,
        product.product_code,
        product.product_type,
        [one.ingredient for one in product.active_ingredients if one.ingredient is not None],
        search.code(product.product_code),
        search.words(*names, *ingredients),
        record.model_dump_json(),
        record.substance or " + ".join(ingredients) or product.product_name,
        trade_name(record),
        record.tipo_produto,
        record.classe_terapeutica,
        [one.atc_code for one in product.active_ingredients if one.atc_code is not None],
        " ".join(filter(None, (*names, *ingredients, *_of_the_pack(record)))),
    )
    await _count(conn, record.release, products=int(new is True), names=0)


def _of_the_pack(record: CatalogueProduct) -> tuple[str | None, ...]:
    product = record.product
    pack = (product.strength, product.presentation, product.pack_format)
    return (*pack, record.substance, record.manufacturer, product.product_code)


async def save_name(conn: Connection, record: CatalogueName) -> None:
    new = await conn.fetchval(
        """
        INSERT INTO catalogue_name (release, key, ingredient, words, name, kind, country, display_name)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT ON CONSTRAINT catalogue_name_pkey DO UPDATE
           SET ingredient = EXCLUDED.ingredient, words = EXCLUDED.words, name = EXCLUDED.name,
               kind = EXCLUDED.kind, country = EXCLUDED.country, display_name = EXCLUDED.display_name
        RETURNING xmax = 0
        """,
        record.release,
        record.key,
        record.ingredient,
        search.words(record.name),
        record.name,
        record.kind,
        record.country,
        record.display_name,
    )
    await _count(conn, record.release, products=0, names=int(new))


async def _count(conn: Connection, release: str, *, products: int, names: int) -> None:
    if not products and not names:
        return
    await conn.execute(
        """
        INSERT INTO catalogue_release (release, products_seen, names_seen)
        VALUES ($1, $2, $3)
            ON CONFLICT ON CONSTRAINT catalogue_release_pkey DO UPDATE
           SET products_seen = catalogue_release.products_seen + EXCLUDED.products_seen,
               names_seen = catalogue_release.names_seen + EXCLUDED.names_seen
        """,
        release,
        products,
        names,
    )


async def save_marker(conn: Connection, marker: CatalogueReleased) -> None:
    """How many records make this release whole; they may still be on their way."""
    await conn.execute(
        """
        INSERT INTO catalogue_release (release, sequence, products, names, knowledge_base_version,
                                       released_at)
        VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT ON CONSTRAINT catalogue_release_pkey DO UPDATE
           SET sequence = EXCLUDED.sequence, products = EXCLUDED.products, names = EXCLUDED.names,
               knowledge_base_version = EXCLUDED.knowledge_base_version,
               released_at = EXCLUDED.released_at
        """,
        marker.release,
        marker.sequence,
        marker.products,
        marker.names,
        marker.knowledge_base_version,
        marker.released_at,
    )


async def switch_when_complete(conn: Connection, release: str) -> bool:
    """Make a release the present one as soon as all its records are here; whether that was now."""
    sequence = await conn.fetchval(
        """
        UPDATE catalogue_release SET present_sequence = sequence
         WHERE release = $1
           AND present_sequence IS DISTINCT FROM sequence
           AND products_seen >= products
           AND names_seen >= names
        RETURNING sequence
        """,
        release,
    )
    if sequence is None:
        return False
    await _search_by_all_names(conn, release)
    await _search_by_resemblance(conn, release)
    await _forget_before(conn, sequence)
    return True


async def _search_by_all_names(conn: Connection, release: str) -> None:
    """A product is found by every name of its ingredients, in all languages, and shown by one of them."""
    await conn.execute(
        """
        UPDATE catalogue_product AS product
           SET search = product.search || array_to_tsvector(named.words),
               substance = named.substance,
               full_text = product.full_text || array_to_tsvector(named.words)
                           || setweight(to_tsvector('simple', plain_words(named.substance)), 'A')
          FROM (SELECT medication_id, array_agg(DISTINCT word) AS words,
                       (SELECT string_agg(shown, ' + ' ORDER BY place)
                          FROM (SELECT min(place) AS place, max(display_name) AS shown
                                  FROM unnest(ingredients) WITH ORDINALITY AS one (ingredient, place)
                                  JOIN catalogue_name AS name USING (ingredient)
                                 WHERE name.release = $1
                                 GROUP BY ingredient) AS each) AS substance
                  FROM catalogue_product
                 CROSS JOIN unnest(ingredients) AS one (ingredient)
                  JOIN catalogue_name USING (release, ingredient)
                 CROSS JOIN unnest(catalogue_name.words) AS word
                 WHERE release = $1
                 GROUP BY release, medication_id) AS named
         WHERE product.release = $1
           AND product.medication_id = named.medication_id
        """,
        release,
    )


async def _search_by_resemblance(conn: Connection, release: str) -> None:
    await conn.execute(
        """
        INSERT INTO catalogue_wording
        SELECT DISTINCT release, plain
          FROM catalogue_product
         CROSS JOIN unnest(ARRAY[name_plain, substance_plain]) AS plain
         WHERE release = $1
            ON CONFLICT DO NOTHING
        """,
        release,
    )


async def _forget_before(conn: Connection, sequence: int) -> None:
    old = await conn.fetch("DELETE FROM catalogue_release WHERE sequence < $1 RETURNING release", sequence)
    releases = [row["release"] for row in old]
    await conn.execute("DELETE FROM catalogue_product WHERE release = ANY ($1)", releases)
    await conn.execute("DELETE FROM catalogue_name WHERE release = ANY ($1)", releases)
    await conn.execute("DELETE FROM catalogue_wording WHERE release = ANY ($1)", releases)

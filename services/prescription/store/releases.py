"""The catalogue kept release by release: batches of records, and the switch to what is complete."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from contracts.drug_catalog import CatalogueName, CatalogueProduct, CatalogueRecord, CatalogueReleased
from services.prescription.domain.matching import only_strength
from services.prescription.messages import reading
from shared.database import Connection

# The release that readers keep to.
PRESENT: Final = """(SELECT release
                       FROM catalogue_release
                      WHERE present_sequence IS NOT NULL
                      ORDER BY present_sequence DESC
                      LIMIT 1)"""


async def has_catalogue(conn: Connection) -> bool:
    """Whether a first release is complete."""
    found: bool = await conn.fetchval(f"SELECT {PRESENT} IS NOT NULL")
    return found


async def keep(conn: Connection, records: Sequence[CatalogueRecord]) -> int | None:
    """Keep what a batch brought; the sequence of the release that is in use by now, if that has changed."""
    products = {(one.release, one.key): one for one in records if isinstance(one, CatalogueProduct)}
    names = {(one.release, one.key): one for one in records if isinstance(one, CatalogueName)}
    markers = {one.release: one for one in records if isinstance(one, CatalogueReleased)}
    new_products = await _keep_products(conn, [products[place] for place in sorted(products)])
    new_names = await _keep_names(conn, [names[place] for place in sorted(names)])
    await _count(conn, new_products, new_names)
    for release in sorted(markers):
        await _keep_marker(conn, markers[release])
    return await _switch(conn, sorted({one.release for one in records}))


async def _keep_products(conn: Connection, products: Sequence[CatalogueProduct]) -> Counter[str]:
    if not products:
        return Counter()
    found = await conn.fetch(
        """
        INSERT INTO catalogue_product (release, medication_id, bare_names, strength, product)
        SELECT release, medication_id, string_to_array(bare_names, E'\\n'), strength, product
          FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::json[])
               AS told (release, medication_id, bare_names, strength, product)
            ON CONFLICT ON CONSTRAINT catalogue_product_pkey DO UPDATE
           SET bare_names = excluded.bare_names, strength = excluded.strength, product = excluded.product
        RETURNING release, xmax = 0 AS new
        """,
        [one.release for one in products],
        [one.medication_id for one in products],
        ["\n".join(reading.bare_names(one)) for one in products],
        [only_strength(one.product.strength) for one in products],
        [one.product.model_dump_json(exclude_defaults=True) for one in products],
    )
    return Counter(row["release"] for row in found if row["new"])


async def _keep_names(conn: Connection, names: Sequence[CatalogueName]) -> Counter[str]:
    if not names:
        return Counter()
    found = await conn.fetch(
        """
        INSERT INTO catalogue_name (release, key, ingredients, name, folded, name_key, kind, country,
                                    display_name, lookalikes)
        SELECT release, key, string_to_array(ingredients, '+'), name, folded, name_key, kind, country,
               display_name, string_to_array(lookalikes, '+')
          FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                      $8::text[], $9::text[], $10::text[])
               AS told (release, key, ingredients, name, folded, name_key, kind, country, display_name,
                        lookalikes)
            ON CONFLICT ON CONSTRAINT catalogue_name_pkey DO UPDATE
           SET ingredients = excluded.ingredients, name = excluded.name, folded = excluded.folded,
               name_key = excluded.name_key, kind = excluded.kind, country = excluded.country,
               display_name = excluded.display_name, lookalikes = excluded.lookalikes
        RETURNING release, xmax = 0 AS new
        """,
        [one.release for one in names],
        [one.key for one in names],
        [one.ingredient for one in names],
        [one.name for one in names],
        [one.folded for one in names],
        [one.name_key for one in names],
        [one.kind for one in names],
        [one.country or "" for one in names],
        [one.display_name for one in names],
        ["+".join(one.lookalikes) for one in names],
    )
    return Counter(row["release"] for row in found if row["new"])


async def _count(conn: Connection, products: Counter[str], names: Counter[str]) -> None:
    """Whoever counts a release waits for whoever else does: so one of two last batches sees it complete."""
    releases = sorted(products.keys() | names.keys())
    if not releases:
        return
    await conn.execute(
        """
        INSERT INTO catalogue_release AS known (release, products_seen, names_seen)
        SELECT *
          FROM unnest($1::text[], $2::int[], $3::int[])
            ON CONFLICT ON CONSTRAINT catalogue_release_pkey DO UPDATE
           SET products_seen = known.products_seen + excluded.products_seen,
               names_seen = known.names_seen + excluded.names_seen
        """,
        releases,
        [products[release] for release in releases],
        [names[release] for release in releases],
    )


async def _keep_marker(conn: Connection, marker: CatalogueReleased) -> None:
    await conn.execute(
        """
        INSERT INTO catalogue_release (release, sequence, products, names)
        VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT catalogue_release_pkey DO UPDATE
           SET sequence = excluded.sequence, products = excluded.products, names = excluded.names
        """,
        marker.release,
        marker.sequence,
        marker.products,
        marker.names,
    )


async def _switch(conn: Connection, releases: Sequence[str]) -> int | None:
    """Put in use what is complete by now, and forget what came before it."""
    complete = await conn.fetch(
        """
        UPDATE catalogue_release
           SET present_sequence = sequence
         WHERE release = ANY ($1)
           AND present_sequence IS DISTINCT FROM sequence
           AND products_seen >= products
           AND names_seen >= names
        RETURNING sequence
        """,
        releases,
    )
    if not complete:
        return None
    newest: int = await conn.fetchval("SELECT max(present_sequence) FROM catalogue_release")
    old = await conn.fetch("DELETE FROM catalogue_release WHERE sequence < $1 RETURNING release", newest)
    gone = [row["release"] for row in old]
    await conn.execute("DELETE FROM catalogue_product WHERE release = ANY ($1)", gone)
    await conn.execute("DELETE FROM catalogue_name WHERE release = ANY ($1)", gone)
    return newest if newest in [row["sequence"] for row in complete] else None

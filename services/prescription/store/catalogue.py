"""What the catalogue in use says of items: product, ingredients, and what a name may have meant."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from asyncpg import Record

from contracts import values
from contracts.drug_names import SUGGESTED_FROM, Name, Names, key
from services.prescription.domain import matching
from services.prescription.domain.items import Item, Product
from services.prescription.messages import reading
from services.prescription.store.releases import PRESENT
from shared.database import Connection

# Postgres reckons in single precision: what lies on the edge is found too, and decided by the shared rules.
_FOUND_FROM: Final = SUGGESTED_FROM - 0.001
_RESEMBLING_MAX: Final = 200


async def resolve_items(conn: Connection, items: Sequence[Item], *, country: str) -> tuple[Item, ...]:
    """The items with products, ingredients and suggestions, as a safety check for this country sees them.

    An item whose `cmed_medication_id` the catalogue does not know has no `product`.
    """
    names = await _names(conn, items, country)
    products = await _products(conn, {one.cmed_medication_id for one in items if one.cmed_medication_id})
    return tuple(matching.matched(one, products, country, names) for one in items)


async def fill_in(conn: Connection, items: Sequence[Item]) -> tuple[Item, ...]:
    """Resolved items of a draft that makes itself: with their ingredient's name, and with the one product
    that fits name and strength.
    """
    sure = [one for one in items if matching.sure(one)]
    shown = await display_names(conn, {ingredient for one in sure for ingredient in one.ingredients})
    fitting = await _fitting(conn, {wanted for one in sure if (wanted := matching.wanted(one))})
    return tuple(_filled_in(one, shown, fitting) if one in sure else one for one in items)


def _filled_in(
    item: Item, shown: Mapping[str, str], fitting: Mapping[tuple[str, str], Sequence[tuple[UUID, Product]]]
) -> Item:
    wanted = matching.wanted(item)
    item = matching.linked(item, fitting.get(wanted, ()) if wanted else ())
    if item.active_ingredient is not None or not all(one in shown for one in item.ingredients):
        return item
    return replace(item, active_ingredient=" + ".join(shown[one] for one in item.ingredients))


async def _names(conn: Connection, items: Sequence[Item], country: str) -> Names:
    """The names that decide about these items: those they name, and for the rest those that resemble it."""
    named = await _named(conn, matching.to_look_up(items), country)
    unclear = matching.not_understood(items, country, _compiled(named))
    return _compiled([*named, *await _resembling(conn, unclear)] if unclear else named)


async def _named(conn: Connection, forms: Iterable[str], country: str) -> list[Record]:
    looked_up = sorted(forms)
    return await conn.fetch(
        f"""
        SELECT key, ingredients, name, kind, country, lookalikes
          FROM catalogue_name
         WHERE release = {PRESENT}
           AND (folded = ANY ($1) OR name_key = ANY ($2))
           AND country IN ('', $3)
         ORDER BY key
        """,
        looked_up,
        sorted({key(form) for form in looked_up} - {""}),
        country,
    )


async def _resembling(conn: Connection, texts: Iterable[str]) -> list[Record]:
    return await conn.fetch(
        f"""
        SELECT found.*
          FROM unnest($1::text[]) AS asked (said)
         CROSS JOIN LATERAL (
               SELECT key, ingredients, name, kind, country, lookalikes
                 FROM catalogue_name
                WHERE release = {PRESENT}
                  AND kind IN ('inn', 'alias')
                  AND folded % said
                  AND similarity(folded, said) >= $2
                ORDER BY similarity(folded, said) DESC, key
                LIMIT $3) AS found
         ORDER BY key
        """,
        sorted(texts),
        _FOUND_FROM,
        _RESEMBLING_MAX,
    )


def _compiled(rows: Iterable[Record]) -> Names:
    known = {row["key"]: row for row in rows}.values()
    lookalikes = {
        frozenset((ingredient, other))
        for row in known
        for ingredient in row["ingredients"]
        for other in row["lookalikes"]
    }
    names = (Name(row["name"], tuple(row["ingredients"]), row["kind"], row["country"]) for row in known)
    return Names.of(names, lookalikes)


async def _products(conn: Connection, ids: Iterable[UUID]) -> Mapping[UUID, Product]:
    wanted = sorted(ids)
    if not wanted:
        return {}
    found = await conn.fetch(
        f"""
        SELECT medication_id, product
          FROM catalogue_product
         WHERE release = {PRESENT}
           AND medication_id = ANY ($1)
        """,
        wanted,
    )
    return {row["medication_id"]: _product(row) for row in found}


async def display_names(conn: Connection, ingredients: Iterable[str]) -> Mapping[str, str]:
    """How ingredients are shown, by their row."""
    found = await conn.fetch(
        f"""
        SELECT DISTINCT ingredients[1] AS ingredient, display_name
          FROM catalogue_name
         WHERE release = {PRESENT}
           AND ingredients[1] = ANY ($1)
           AND cardinality(ingredients) = 1
        """,
        sorted(ingredients),
    )
    return {row["ingredient"]: row["display_name"] for row in found}


async def _fitting(
    conn: Connection, wanted: Iterable[tuple[str, str]]
) -> Mapping[tuple[str, str], Sequence[tuple[UUID, Product]]]:
    """The products of these bare names and strengths."""
    asked = sorted(wanted)
    found = await conn.fetch(
        f"""
        SELECT asked.name, asked.strength, medication_id, product
          FROM unnest($1::text[], $2::text[]) AS asked (name, strength)
          JOIN catalogue_product AS known
            ON bare_names @> ARRAY[asked.name]
           AND known.strength = asked.strength
         WHERE release = {PRESENT}
         ORDER BY medication_id
        """,
        [name for name, _ in asked],
        [strength for _, strength in asked],
    )
    fitting: defaultdict[tuple[str, str], list[tuple[UUID, Product]]] = defaultdict(list)
    for row in found:
        fitting[row["name"], row["strength"]].append((row["medication_id"], _product(row)))
    return fitting


def _product(row: Record) -> Product:
    return reading.product(values.Product.model_validate_json(row["product"]))

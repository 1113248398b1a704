"""Searching medicines in a generated catalogue of 50,000, beside a sequential scan of the same."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from contracts.drug_catalog import CatalogueProduct, CatalogueReleased
from contracts.values import ActiveIngredient, Product
from dev.postgres import Postgres
from services.gateway.store import catalogue, medications
from services.gateway.store.medications import Wanted
from shared.database import Connection
from tests.infrastructure import Databases

PRODUCTS: Final = 50_000
SUBSTANCES: Final = 2_000
MAKERS: Final = 120
QUERIES: Final = 400
SCANNED: Final = 60
WARM_UP: Final = 40
RELEASE: Final = "generated"
ROWS_AT_ONCE: Final = 1_000

_HEADS: Final = [
    "am",
    "ben",
    "cef",
    "clo",
    "dex",
    "ery",
    "flu",
    "gli",
    "hal",
    "ibu",
    "ket",
    "lor",
    "met",
    "nor",
    "ome",
    "pra",
    "que",
    "ran",
    "sul",
    "tra",
    "val",
    "zol",
]
_MIDDLES: Final = [
    "a",
    "azo",
    "bu",
    "ci",
    "di",
    "e",
    "fe",
    "go",
    "i",
    "la",
    "mo",
    "no",
    "o",
    "pri",
    "ro",
    "si",
    "ta",
    "u",
    "ve",
    "xi",
]
_ENDS: Final = [
    "cilina",
    "dipina",
    "floxacino",
    "ina",
    "lol",
    "mab",
    "metasona",
    "micina",
    "nidazol",
    "oxetina",
    "pina",
    "pril",
    "sartana",
    "statina",
    "zepam",
]
_SALTS: Final = ("", "", " SODICA", " POTASSICA", " CLORIDRATO", " MALEATO", " MONOIDRATADA")
_FORMS: Final = ("COM CT BL AL PLAS", "CAP GEL DURA CT BL", "SOL OR CT FR GOT", "PO LIOF INJ CX FA")
_KINDS: Final = ("Generico", "Similar", "Referencia")

Rows = dict[str, dict[str, Any]]


def products(chance: random.Random) -> Iterator[CatalogueProduct]:
    """Substances with some trade names each, and packs of these: as price lists are made."""
    substances = sorted({_substance(chance) for _ in range(SUBSTANCES * 3)})
    chance.shuffle(substances)
    names = [(one, _trade_names(one, chance)) for one in substances[:SUBSTANCES]]
    for number in range(PRODUCTS):
        substance, trade = chance.choice(names)
        yield _product(number, substance, chance.choice(trade), chance)


def _substance(chance: random.Random) -> str:
    middle = "".join(chance.choice(_MIDDLES) for _ in range(chance.randint(1, 2)))
    return (chance.choice(_HEADS) + middle + chance.choice(_ENDS)).upper() + chance.choice(_SALTS)


def _trade_names(substance: str, chance: random.Random) -> Sequence[str]:
    brands = [
        (chance.choice(_HEADS) + chance.choice(_MIDDLES) + chance.choice("xnlr")).upper() for _ in "123"
    ]
    return (substance, *brands)


def _product(number: int, substance: str, trade: str, chance: random.Random) -> CatalogueProduct:
    strength = f"{chance.choice((5, 10, 20, 25, 50, 100, 250, 500, 850))} MG"
    return CatalogueProduct(
        release=RELEASE,
        medication_id=UUID(int=number),
        catalogue="generated",
        product=Product(
            product_code=f"GEN-{number}",
            product_name=trade,
            names={"pt": trade},
            active_ingredients=(ActiveIngredient(name=substance, atc_code=_atc(substance)),),
            strength=strength,
            presentation=f"{strength} {chance.choice(_FORMS)} X {chance.choice((10, 20, 28, 30, 60))}",
        ),
        manufacturer=f"LABORATORIO {number % MAKERS}",
        tipo_produto=chance.choice(_KINDS),
        classe_terapeutica=f"CLASSE {_number_of(substance) % 200}",
        substance=substance,
    )


def _number_of(text: str) -> int:
    """The same in each run, as Python's own is not."""
    return sum(position * ord(letter) for position, letter in enumerate(text, 1))


def _atc(substance: str) -> str:
    number = _number_of(substance)
    return f"{'ABCDGHJLMNPRSV'[number % 14]}{number % 16:02d}{'ABCDEF'[number % 6]}A{number % 60:02d}"


def queries(stock: Sequence[CatalogueProduct], chance: random.Random) -> list[Wanted]:
    """Substances, brands, beginnings, misspellings, names with strength or maker, and filters."""
    return [_wanted(chance.choice(stock), number, chance) for number in range(QUERIES)]


def _wanted(one: CatalogueProduct, number: int, chance: random.Random) -> Wanted:
    name = (one.substance or "").split()[0].lower()
    place = chance.randrange(1, len(name) - 1)
    match number % 6:
        case 0:
            return Wanted(name, 0.5, 20)
        case 1:
            return Wanted(one.product.product_name, 0.5, 20, kind=one.tipo_produto)
        case 2:
            return Wanted(name[: max(4, len(name) // 2)], 0.5, 20)
        case 3:
            return Wanted(name[:place] + name[place + 1 :], 0.5, 20)
        case 4:
            return Wanted(f"{name} {one.product.strength}", 0.5, 20)
        case _:
            return Wanted(f"{name} {one.manufacturer}", 0.5, 20, atc_prefix=_atc(one.substance or "")[:3])


async def fill(conn: Connection, stock: Sequence[CatalogueProduct]) -> None:
    """As the handler of the topic stores them, then made the present release."""
    for first in range(0, len(stock), ROWS_AT_ONCE):
        async with conn.transaction():
            for one in stock[first : first + ROWS_AT_ONCE]:
                await catalogue.save_product(conn, one)
    await catalogue.save_marker(conn, _whole(len(stock)))
    await catalogue.switch_when_complete(conn, RELEASE)
    # What autovacuum does within a minute of a release.
    await conn.execute("VACUUM ANALYZE catalogue_product, catalogue_wording")


def _whole(products: int) -> CatalogueReleased:
    return CatalogueReleased(
        release=RELEASE,
        sequence=1,
        products=products,
        names=0,
        knowledge_base_version="none",
        released_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


async def measured_on(server: Postgres) -> Rows:
    made = Databases(server)
    database = await made.make("gateway")
    try:
        return await measure(database.url, "gateway_owner")
    finally:
        await made.drop(database)
        await made.drop_templates()


async def measure(url: str, role: str) -> Rows:
    chance = random.Random(10)
    stock = list(products(chance))
    conn = await asyncpg.connect(url, server_settings={"role": role})
    try:
        await fill(conn, stock)
        wanted = queries(stock, chance)
        scanned = await _timed(conn, wanted[:SCANNED], _scan)
        await _timed(conn, wanted[:WARM_UP], medications.search)
        began = time.perf_counter()
        found = await _timed(conn, wanted, medications.search)
        rate = len(wanted) / (time.perf_counter() - began)
    finally:
        await conn.close()
    name = f"search medicines among {PRODUCTS:,}"
    return {
        f"{name}, sequential scan (baseline)": _row(scanned),
        name: _row(found) | {"rate": round(rate, 1)},
        "  its p95": {"value": round(_quantile(found, 95), 2), "bar": "≤ 50"},
    }


async def _scan(conn: Connection, wanted: Wanted) -> object:
    """The same question without an index: each row is scored, and the best are taken."""
    return await conn.fetch(
        """
        SELECT record, scored.score
          FROM (SELECT medication_id,
                       greatest(word_similarity(plain($1), name_plain),
                                word_similarity(plain($1), substance_plain)) AS score,
                       full_text @@ plainto_tsquery('simple', plain_words($1)) AS has_words
                  FROM catalogue_product
                 WHERE product_type = 'MEDICATION') AS scored
          JOIN catalogue_product USING (medication_id)
         WHERE scored.score >= $2::real OR scored.has_words
         ORDER BY scored.has_words DESC, scored.score DESC
         LIMIT $3
        """,
        wanted.query,
        wanted.threshold,
        wanted.limit,
    )


async def _timed(
    conn: Connection, wanted: Sequence[Wanted], search: Callable[[Connection, Wanted], Awaitable[object]]
) -> list[float]:
    """Milliseconds of each search, in a transaction of its own as an endpoint has."""
    took = []
    for one in wanted:
        began = time.perf_counter()
        async with conn.transaction():
            await search(conn, one)
        took.append((time.perf_counter() - began) * 1_000)
    return took


def _row(took: Sequence[float]) -> dict[str, float]:
    return {"p50": round(statistics.median(took), 2), "p99": round(_quantile(took, 99), 2)}


def _quantile(took: Sequence[float], percent: int) -> float:
    return statistics.quantiles(took, n=100, method="inclusive")[percent - 1]

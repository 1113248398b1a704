"""Everything that the safety-check service says to Postgres."""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from contracts.drug_catalog import CatalogueProduct
from contracts.safety_check_events import SafetyCheckCompleted
from shared.database import Connection
from shared.errors import NotFound


@dataclass(frozen=True)
class Release:
    """A release of the catalogue; `sequence` is None until it is activated."""

    release: str
    digest: bytes
    products: int
    loaded_at: datetime
    sequence: int | None = None


@dataclass
class _Hand:
    conn: Connection
    results: dict[tuple[object, ...], SafetyCheckCompleted] = field(default_factory=dict)


_hand: Final[ContextVar[_Hand | None]] = ContextVar("verdicts in hand", default=None)


def save_result(conn: Connection, result: SafetyCheckCompleted) -> None:
    """Keep a verdict when this transaction settles; the same question asked again replaces it."""
    hand = _hand.get()
    if hand is None or hand.conn is not conn:
        hand = _Hand(conn)
        _hand.set(hand)
    question = result.tenant_id, result.prescription_id, result.content_version, result.facts_version
    hand.results[*question, result.in_force_version] = result


async def settle(conn: Connection) -> None:
    """Write the verdicts of a batch, in one statement."""
    hand = _hand.get()
    if hand is None or hand.conn is not conn:
        return
    _hand.set(None)
    kept = list(hand.results.values())
    verdicts = [one.verdict for one in kept]
    await conn.execute(
        """
        INSERT INTO check_result (
               tenant_id, prescription_id, content_version, facts_version, in_force_version,
               knowledge_base_version, state, verdict, checked_at)
        SELECT *
          FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::bigint[], $6::text[], $7::text[],
                      $8::text[], $9::timestamptz[])
            ON CONFLICT ON CONSTRAINT check_result_pkey DO UPDATE
           SET knowledge_base_version = excluded.knowledge_base_version,
               state = excluded.state, verdict = excluded.verdict, checked_at = excluded.checked_at
        """,
        [one.tenant_id for one in kept],
        [one.prescription_id for one in kept],
        [one.content_version for one in kept],
        [one.facts_version for one in kept],
        [one.in_force_version for one in kept],
        [one.knowledge_base_version for one in verdicts],
        [one.state for one in verdicts],
        [one.model_dump_json() for one in verdicts],
        [one.checked_at for one in verdicts],
    )


async def begin(conn: Connection, version: str, *, at: datetime) -> bool:
    """Say that checks use a knowledge base from now on; whether they used another one before."""
    begun = await conn.fetchval(
        """
        INSERT INTO knowledge_base (version, begun_at)
        VALUES ($1, $2)
            ON CONFLICT ON CONSTRAINT knowledge_base_pkey DO NOTHING
        RETURNING version
        """,
        version,
        at,
    )
    if begun is None:
        return False
    return bool(
        await conn.fetchval("SELECT EXISTS (SELECT FROM knowledge_base WHERE version <> $1)", version)
    )


async def hold_catalogue(conn: Connection) -> None:
    """Of two operators, or an operator and a starting service, the second waits for the first to end."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext('catalogue'))")


async def find_release(conn: Connection, release: str) -> Release | None:
    row = await conn.fetchrow(
        """
        SELECT release, digest, products, loaded_at, sequence
          FROM catalogue_release
         WHERE release = $1
        """,
        release,
    )
    return Release(**row) if row else None


async def releases(conn: Connection) -> list[Release]:
    """All that are kept, the one in use first."""
    rows = await conn.fetch(
        """
        SELECT release, digest, products, loaded_at, sequence
          FROM catalogue_release
         ORDER BY sequence DESC NULLS LAST, loaded_at DESC
        """
    )
    return [Release(**row) for row in rows]


async def find_active(conn: Connection) -> Release | None:
    found = await releases(conn)
    return found[0] if found and found[0].sequence is not None else None


async def stage(conn: Connection, release: str, digest: bytes, *, at: datetime) -> None:
    """Begin a release anew; its products follow."""
    await conn.execute("DELETE FROM catalogue_release WHERE release = $1", release)
    await conn.execute(
        """
        INSERT INTO catalogue_release (release, digest, products, loaded_at)
        VALUES ($1, $2, 0, $3)
        """,
        release,
        digest,
        at,
    )


async def add_products(conn: Connection, products: Sequence[CatalogueProduct]) -> list[str]:
    """Put products into their release; the codes that it had already, which stay as they were."""
    rows = await conn.fetch(
        """
        INSERT INTO product (release, product_code, medication_id, record)
        SELECT *
          FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[])
            ON CONFLICT ON CONSTRAINT product_pkey DO NOTHING
        RETURNING product_code
        """,
        [one.release for one in products],
        [one.product.product_code for one in products],
        [one.medication_id for one in products],
        [one.model_dump_json() for one in products],
    )
    new = [row["product_code"] for row in rows]
    return [one.product.product_code for one in products if one.product.product_code not in new]


async def count_products(conn: Connection, release: str) -> int:
    """Note how many products a release has, now that it is whole."""
    count: int = await conn.fetchval(
        """
        UPDATE catalogue_release
           SET products = (SELECT count(*) FROM product WHERE product.release = $1)
         WHERE release = $1
        RETURNING products
        """,
        release,
    )
    return count


async def activate(conn: Connection, release: str, *, at: datetime) -> int:
    """Give a release the highest sequence. Raises NotFound."""
    sequence: int | None = await conn.fetchval(
        """
        UPDATE catalogue_release
           SET sequence = nextval('catalogue_sequence'), activated_at = $2
         WHERE release = $1
        RETURNING sequence
        """,
        release,
        at,
    )
    if sequence is None:
        raise NotFound(f"release {release} was never loaded")
    return sequence


async def forget_releases(conn: Connection, *, keep: int) -> None:
    """Keep the last so many that were in use, and what was only loaded."""
    await conn.execute(
        """
        DELETE FROM catalogue_release
         WHERE sequence NOT IN (
               SELECT sequence
                 FROM catalogue_release
                WHERE sequence IS NOT NULL
                ORDER BY sequence DESC
                LIMIT $1)
        """,
        keep,
    )


async def products_after(conn: Connection, release: str, code: str, *, limit: int) -> list[CatalogueProduct]:
    """The next products of a release, by code."""
    rows = await conn.fetch(
        """
        SELECT record
          FROM product
         WHERE release = $1
           AND product_code > $2
         ORDER BY product_code
         LIMIT $3
        """,
        release,
        code,
        limit,
    )
    return [CatalogueProduct.model_validate_json(row["record"]) for row in rows]

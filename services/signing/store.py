"""Everything that the signing service says to Postgres."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from services.signing.domain import b64url
from services.signing.domain.jws import Flattened
from services.signing.domain.keys import SealKey
from services.signing.domain.seal import Seal
from shared.database import Connection
from shared.errors import NotFound

KEYS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Place:
    """What a seal is unique for: one signed version of a prescription, with this content."""

    tenant_id: UUID
    prescription_id: UUID
    signature_version: int
    content_digest: bytes


@dataclass(frozen=True, slots=True)
class New:
    """A seal that was just made, with what opens its digests and the key that made it."""

    place: Place
    seal: Seal
    disclosed: bytes
    key: SealKey


@dataclass(frozen=True, slots=True)
class Added:
    """Which seals are kept that were not there before, and which keys came with them."""

    seals: frozenset[Place]
    keys: frozenset[str]


async def add(conn: Connection, made: Sequence[New]) -> Added:
    """Keep each seal whose content has none yet, one for a place, and in the same statement their keys."""
    keys = {one.key.key_id: one.key for one in made}
    seals = {one.place: one for one in made}
    # In one order for all, so that two who keep the same ones wait for each other one way round.
    ordered = [seals[place] for place in sorted(seals, key=_order)]
    rows = await conn.fetch(
        """
          WITH new_key AS (
               INSERT INTO seal_key (key_id, tenant_id, algorithm, jwk, not_before, not_after)
               SELECT *
                 FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[],
                             $6::timestamptz[])
                   ON CONFLICT ON CONSTRAINT seal_key_pkey DO NOTHING
            RETURNING key_id
               ),
               new_seal AS (
               INSERT INTO seal (tenant_id, prescription_id, signature_version, content_digest, profile,
                                 key_id, protected, payload, signature, disclosures, sealed_at)
               SELECT *
                 FROM unnest($7::uuid[], $8::uuid[], $9::int[], $10::bytea[], $11::text[], $12::text[],
                             $13::bytea[], $14::bytea[], $15::bytea[], $16::bytea[], $17::timestamptz[])
                   ON CONFLICT ON CONSTRAINT seal_once DO NOTHING
            RETURNING tenant_id, prescription_id, signature_version, content_digest
               )
        SELECT key_id, NULL::uuid AS tenant_id, NULL::uuid AS prescription_id,
               NULL::int AS signature_version, NULL::bytea AS content_digest
          FROM new_key
        UNION ALL
        SELECT NULL, tenant_id, prescription_id, signature_version, content_digest
          FROM new_seal
        """,
        *_key_columns([keys[key_id] for key_id in sorted(keys)]),
        *_seal_columns(ordered),
    )
    return Added(
        seals=frozenset(
            Place(
                *(
                    row[name]
                    for name in ("tenant_id", "prescription_id", "signature_version", "content_digest")
                )
            )
            for row in rows
            if row["key_id"] is None
        ),
        keys=frozenset(row["key_id"] for row in rows if row["key_id"] is not None),
    )


def _order(place: Place) -> tuple[UUID, UUID, int, bytes]:
    return place.tenant_id, place.prescription_id, place.signature_version, place.content_digest


def _key_columns(keys: Sequence[SealKey]) -> tuple[list[Any], ...]:
    return (
        [one.key_id for one in keys],
        [one.tenant_id for one in keys],
        [one.algorithm for one in keys],
        [json.dumps(dict(one.jwk)) for one in keys],
        [one.not_before for one in keys],
        [one.not_after for one in keys],
    )


def _seal_columns(made: Sequence[New]) -> tuple[list[Any], ...]:
    return (
        [one.place.tenant_id for one in made],
        [one.place.prescription_id for one in made],
        [one.place.signature_version for one in made],
        [one.place.content_digest for one in made],
        [one.seal.profile for one in made],
        [one.key.key_id for one in made],
        [b64url.decode(one.seal.jws.protected) for one in made],
        [b64url.decode(one.seal.jws.payload) for one in made],
        [b64url.decode(one.seal.jws.signature) for one in made],
        [one.disclosed for one in made],
        [one.seal.sealed_at for one in made],
    )


async def seal(conn: Connection, place: Place) -> Seal:
    """The seal that this content has. Raises NotFound."""
    row = await conn.fetchrow(
        """
        SELECT profile, algorithm, key_id, protected, payload, signature, seal.sealed_at
          FROM seal
          JOIN seal_key USING (key_id)
         WHERE (seal.tenant_id, prescription_id, signature_version, content_digest) = ($1, $2, $3, $4)
        """,
        place.tenant_id,
        place.prescription_id,
        place.signature_version,
        place.content_digest,
    )
    if row is None:
        raise NotFound(f"prescription {place.prescription_id} has no seal over this content")
    return _seal(row)


async def newest(conn: Connection, tenant_id: UUID, prescription_id: UUID) -> tuple[Seal, bytes]:
    """A prescription's last seal with its disclosures, canonical JSON. Raises NotFound."""
    row = await conn.fetchrow(
        """
        SELECT profile, algorithm, key_id, protected, payload, signature, seal.sealed_at, disclosures
          FROM seal
          JOIN seal_key USING (key_id)
         WHERE (seal.tenant_id, prescription_id) = ($1, $2)
         ORDER BY signature_version DESC, seal.sealed_at DESC
         LIMIT 1
        """,
        tenant_id,
        prescription_id,
    )
    if row is None:
        raise NotFound(f"prescription {prescription_id} has no seal")
    return _seal(row), bytes(row["disclosures"])


async def keys(conn: Connection) -> AsyncIterator[list[SealKey]]:
    """All keys that have ever sealed, some hundred at a time."""
    last = ""
    while rows := await _keys_after(conn, last):
        yield [_key(row) for row in rows]
        last = rows[-1]["key_id"]


async def _keys_after(conn: Connection, key_id: str) -> list[Any]:
    return await conn.fetch(
        """
        SELECT key_id, tenant_id, algorithm, jwk, not_before, not_after
          FROM seal_key
         WHERE key_id > $1
         ORDER BY key_id
         LIMIT $2
        """,
        key_id,
        KEYS_AT_ONCE,
    )


def _seal(row: Any) -> Seal:
    return Seal(
        profile=row["profile"],
        algorithm=row["algorithm"],
        key_id=row["key_id"],
        jws=Flattened(
            payload=b64url.encode(row["payload"]),
            protected=b64url.encode(row["protected"]),
            signature=b64url.encode(row["signature"]),
        ),
        sealed_at=row["sealed_at"],
    )


def _key(row: Any) -> SealKey:
    return SealKey(
        tenant_id=row["tenant_id"],
        key_id=row["key_id"],
        algorithm=row["algorithm"],
        jwk=json.loads(row["jwk"]),
        not_before=row["not_before"],
        not_after=row["not_after"],
    )

"""Everything that the signing service says to Postgres."""

import json
from collections.abc import AsyncIterator
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
class Added:
    """What a seal brought with it that was not there before."""

    seal: bool
    key: bool


async def add(conn: Connection, place: Place, seal: Seal, disclosed: bytes, key: SealKey) -> Added:
    """Keep a seal unless this content has one, and in the same statement the key that made it."""
    row = await conn.fetchrow(
        """
          WITH new_key AS (
               INSERT INTO seal_key (key_id, tenant_id, algorithm, jwk, not_before, not_after)
               VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT ON CONSTRAINT seal_key_pkey DO NOTHING
            RETURNING true
               ),
               new_seal AS (
               INSERT INTO seal (tenant_id, prescription_id, signature_version, content_digest, profile,
                                 key_id, protected, payload, signature, disclosures, sealed_at)
               VALUES ($2, $7, $8, $9, $10, $1, $11, $12, $13, $14, $15)
                   ON CONFLICT ON CONSTRAINT seal_once DO NOTHING
            RETURNING true
               )
        SELECT EXISTS (SELECT FROM new_key) AS key, EXISTS (SELECT FROM new_seal) AS seal
        """,
        key.key_id,
        place.tenant_id,
        key.algorithm,
        json.dumps(dict(key.jwk)),
        key.not_before,
        key.not_after,
        place.prescription_id,
        place.signature_version,
        place.content_digest,
        seal.profile,
        b64url.decode(seal.jws.protected),
        b64url.decode(seal.jws.payload),
        b64url.decode(seal.jws.signature),
        disclosed,
        seal.sealed_at,
    )
    assert row is not None
    return Added(seal=row["seal"], key=row["key"])


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

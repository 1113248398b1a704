"""The keys that sign access tokens, and those that verify seals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.database import Connection

FIRST_KEY_LOCK = 0x746F_6B65  # "toke": so that instances that start together make one first key


@dataclass(frozen=True)
class StoredKey:
    """A token key as it is kept: `private_key` is encrypted."""

    key_id: str
    algorithm: str
    private_key: bytes
    public_jwk: str
    created_at: datetime
    used_from: datetime


async def hold_first_key(conn: Connection) -> None:
    """Until the transaction ends nobody else looks whether there is a key."""
    await conn.execute("SELECT pg_advisory_xact_lock($1)", FIRST_KEY_LOCK)


async def token_keys(conn: Connection) -> list[StoredKey]:
    """All of them, newest first."""
    rows = await conn.fetch(
        """
        SELECT key_id, algorithm, private_key, public_jwk, created_at, used_from
          FROM token_key
         ORDER BY used_from DESC, key_id
        """
    )
    return [StoredKey(**row) for row in rows]


async def add_token_key(conn: Connection, key: StoredKey) -> None:
    await conn.execute(
        """
        INSERT INTO token_key (key_id, algorithm, private_key, public_jwk, created_at, used_from)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        key.key_id,
        key.algorithm,
        key.private_key,
        key.public_jwk,
        key.created_at,
        key.used_from,
    )


async def forget_token_keys(conn: Connection, *, superseded_before: datetime) -> None:
    """Remove keys whose successor has been in use since before then."""
    await conn.execute(
        """
        DELETE FROM token_key AS old
         WHERE EXISTS (SELECT FROM token_key AS next
                        WHERE next.used_from > old.used_from AND next.used_from < $1)
        """,
        superseded_before,
    )


async def seal_keys(conn: Connection) -> list[str]:
    """Each as JSON Web Key, oldest first."""
    rows = await conn.fetch("SELECT jwk FROM seal_key ORDER BY not_before, tenant_id, key_id")
    return [row["jwk"] for row in rows]


async def save_seal_key(
    conn: Connection, tenant_id: UUID, key_id: str, jwk: str, *, not_before: datetime, not_after: datetime
) -> None:
    await conn.execute(
        """
        INSERT INTO seal_key (tenant_id, key_id, jwk, not_before, not_after)
        VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT ON CONSTRAINT seal_key_pkey DO UPDATE
           SET jwk = EXCLUDED.jwk, not_before = EXCLUDED.not_before, not_after = EXCLUDED.not_after
        """,
        tenant_id,
        key_id,
        jwk,
        not_before,
        not_after,
    )

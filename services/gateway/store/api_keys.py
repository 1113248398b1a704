"""API keys of the second dialect: whose they are, what they allow, and how often they were used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from services.gateway.messages import provider_settings
from services.gateway.messages.provider_settings import ProviderSettings
from services.gateway.store.providers import SETTINGS
from services.gateway.store.reading import reading
from shared.database import Connection, Pool


@dataclass(frozen=True)
class ApiKey:
    """A key as it is kept: never the key itself."""

    key_id: UUID
    tenant_id: UUID
    name: str
    key_prefix: str
    key_sha256: bytes
    permissions: frozenset[str]
    expires_at: datetime | None = None


@dataclass(frozen=True)
class ListedKey:
    """What an operator sees of a key."""

    key: ApiKey
    created_at: datetime
    revoked_at: datetime | None
    uses: int
    last_used_at: datetime | None


@dataclass(frozen=True)
class KeyOnFile:
    """A key that is not revoked, of a tenant that is active; with the tenant's settings."""

    key: ApiKey
    provider_slug: str
    settings: ProviderSettings


_KEY = "key_id, tenant_id, api_key.name, key_prefix, key_sha256, permissions, expires_at"


def _key(row: Record) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        tenant_id=row["tenant_id"],
        name=row["name"],
        key_prefix=row["key_prefix"],
        key_sha256=row["key_sha256"],
        permissions=frozenset(row["permissions"]),
        expires_at=row["expires_at"],
    )


async def find(pool: Pool, digest: bytes) -> KeyOnFile | None:
    """The key with this digest, if its tenant is active and it is not revoked. Raises Unavailable."""
    async with reading(pool) as conn:
        row = await conn.fetchrow(
            f"""
            SELECT {_KEY}, slug, {SETTINGS} AS settings
              FROM api_key
              JOIN tenant USING (tenant_id)
             WHERE key_sha256 = $1
               AND revoked_at IS NULL
               AND disabled_at IS NULL
            """,
            digest,
        )
    if row is None:
        return None
    return KeyOnFile(_key(row), row["slug"], provider_settings.of_text(row["settings"]))


async def find_named(conn: Connection, tenant_id: UUID, name: str) -> ApiKey | None:
    """The key of this name that is not revoked."""
    row = await conn.fetchrow(
        f"SELECT {_KEY} FROM api_key WHERE (tenant_id, name) = ($1, $2) AND revoked_at IS NULL",
        tenant_id,
        name,
    )
    return None if row is None else _key(row)


async def save(conn: Connection, key: ApiKey, *, now: datetime) -> None:
    """Store a key under its tenant and name; a key of that name stops being valid."""
    await conn.execute(
        """
        INSERT INTO api_key (key_id, tenant_id, name, key_prefix, key_sha256, permissions, expires_at,
                             created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT ON CONSTRAINT api_key_name_key DO UPDATE
           SET key_id = EXCLUDED.key_id, key_prefix = EXCLUDED.key_prefix, key_sha256 = EXCLUDED.key_sha256,
               permissions = EXCLUDED.permissions, expires_at = EXCLUDED.expires_at,
               created_at = EXCLUDED.created_at, revoked_at = NULL, uses = 0, last_used_at = NULL
        """,
        key.key_id,
        key.tenant_id,
        key.name,
        key.key_prefix,
        key.key_sha256,
        sorted(key.permissions),
        key.expires_at,
        now,
    )


async def revoke(conn: Connection, tenant_id: UUID, name: str, *, now: datetime) -> bool:
    """Whether there was such a key."""
    found = await conn.fetchval(
        """
        UPDATE api_key SET revoked_at = coalesce(revoked_at, $3)
         WHERE (tenant_id, name) = ($1, $2)
        RETURNING true
        """,
        tenant_id,
        name,
        now,
    )
    return found is True


async def of(conn: Connection, tenant_id: UUID) -> list[ListedKey]:
    """All keys of a tenant, those that are valid no more too."""
    rows = await conn.fetch(
        f"""
        SELECT {_KEY}, created_at, revoked_at, uses, last_used_at
          FROM api_key
         WHERE tenant_id = $1
         ORDER BY name
        """,
        tenant_id,
    )
    return [
        ListedKey(_key(row), row["created_at"], row["revoked_at"], row["uses"], row["last_used_at"])
        for row in rows
    ]


async def note_uses(pool: Pool, uses: Sequence[tuple[UUID, int]], *, now: datetime) -> None:
    """Add to how often each key has been used. Raises Unavailable."""
    async with reading(pool) as conn:
        await conn.execute(
            """
            UPDATE api_key
               SET uses = uses + used.times, last_used_at = $3
              FROM unnest($1::uuid[], $2::bigint[]) AS used (id, times)
             WHERE key_id = used.id
            """,
            [key_id for key_id, _ in uses],
            [times for _, times in uses],
            now,
        )

"""OAuth clients, and what the token endpoint was asked in the last minute; read as the owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from asyncpg import Record

from shared.database import Connection


@dataclass(frozen=True)
class Client:
    """An OAuth client as it stands: its provider, what it is bound to, what it may do and how often."""

    client_id: str
    tenant_id: UUID
    provider_slug: str
    scopes: frozenset[str]
    requests_per_minute: int
    requests_per_second: int
    secret_sha256: bytes
    doctor_id: UUID | None = None
    branch_id: UUID | None = None
    disabled: bool = False


def _client(row: Record) -> Client:
    return Client(
        client_id=row["client_id"],
        tenant_id=row["tenant_id"],
        provider_slug=row["slug"],
        scopes=frozenset(row["scopes"]),
        requests_per_minute=row["requests_per_minute"],
        requests_per_second=row["requests_per_second"],
        secret_sha256=row["secret_sha256"],
        doctor_id=row["doctor_id"],
        branch_id=row["branch_id"],
        disabled=row["disabled"],
    )


async def find_client(conn: Connection, client_id: str) -> Client | None:
    row = await conn.fetchrow(
        """
        SELECT client_id, tenant_id, slug, scopes, doctor_id, branch_id, secret_sha256,
               requests_per_minute, requests_per_second,
               coalesce(oauth_client.disabled_at, tenant.disabled_at) IS NOT NULL AS disabled
          FROM oauth_client
          JOIN tenant USING (tenant_id)
         WHERE client_id = $1
        """,
        client_id,
    )
    return None if row is None else _client(row)


async def save_client(conn: Connection, client: Client, *, now: datetime) -> None:
    """Store a client, or what has changed of one of the same provider; enabled again if it was not."""
    await conn.execute(
        """
        INSERT INTO oauth_client (client_id, tenant_id, secret_sha256, scopes, doctor_id, branch_id,
                                  requests_per_minute, requests_per_second, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            ON CONFLICT ON CONSTRAINT oauth_client_pkey DO UPDATE
           SET secret_sha256 = EXCLUDED.secret_sha256, scopes = EXCLUDED.scopes,
               doctor_id = EXCLUDED.doctor_id, branch_id = EXCLUDED.branch_id,
               requests_per_minute = EXCLUDED.requests_per_minute,
               requests_per_second = EXCLUDED.requests_per_second, disabled_at = NULL
         WHERE oauth_client.tenant_id = EXCLUDED.tenant_id
        """,
        client.client_id,
        client.tenant_id,
        client.secret_sha256,
        sorted(client.scopes),
        client.doctor_id,
        client.branch_id,
        client.requests_per_minute,
        client.requests_per_second,
        now,
    )


async def disable_client(conn: Connection, client_id: str, *, now: datetime) -> UUID | None:
    """Whose it was; None when there is no such client."""
    tenant_id: UUID | None = await conn.fetchval(
        """
        UPDATE oauth_client SET disabled_at = coalesce(disabled_at, $2)
         WHERE client_id = $1
        RETURNING tenant_id
        """,
        client_id,
        now,
    )
    return tenant_id


async def token_requests(conn: Connection, client_id: str, source: str, *, since: datetime) -> list[datetime]:
    """What counts against this client from this address, oldest first; the client's others wait."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('token:' || $1, 0))", client_id)
    rows = await conn.fetch(
        """
        SELECT at
          FROM token_request
         WHERE client_id = $1
           AND at > $3
           AND (source IS NULL OR source = $2)
         ORDER BY at
        """,
        client_id,
        source,
        since,
    )
    return [row["at"] for row in rows]


async def note_token_request(
    conn: Connection, client_id: str, failed_from: str | None, *, now: datetime, kept: timedelta
) -> None:
    """Count one request; `failed_from` is None for a success. What no longer counts is removed."""
    await conn.execute(
        "INSERT INTO token_request (client_id, source, at) VALUES ($1, $2, $3)", client_id, failed_from, now
    )
    await conn.execute("DELETE FROM token_request WHERE at < $1", now - kept)

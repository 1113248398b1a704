"""Providers (the tenants), their settings and branches, and the audit of what operators change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.values import Provider
from services.gateway.messages import provider_settings
from services.gateway.messages.provider_settings import ProviderSettings
from shared.database import Connection
from shared.errors import NotFound

# All that is stored of a `tenant`, as one text.
SETTINGS: Final = """(SELECT json_object_agg(setting.name, value)
                  FROM setting
                 WHERE setting.tenant_id = tenant.tenant_id)::text"""


@dataclass(frozen=True)
class KnownProvider:
    """A provider with its settings as they are now."""

    provider: Provider
    settings: ProviderSettings


async def provider(conn: Connection, tenant_id: UUID) -> KnownProvider:
    """Raises NotFound."""
    row = await conn.fetchrow(
        f"""
        SELECT slug, tenant.name, {SETTINGS} AS settings
          FROM tenant
         WHERE tenant_id = $1
        """,
        tenant_id,
    )
    if row is None:
        raise NotFound(f"provider {tenant_id} does not exist")
    settings = provider_settings.of_text(row["settings"])
    return KnownProvider(settings.provider(tenant_id, row["slug"], row["name"]), settings)


async def find_tenant(conn: Connection, slug: str) -> UUID | None:
    found: UUID | None = await conn.fetchval("SELECT tenant_id FROM tenant WHERE slug = $1", slug)
    return found


async def save_tenant(conn: Connection, tenant_id: UUID, slug: str, name: str, *, now: datetime) -> UUID:
    """The provider of this slug, made or renamed; an existing one keeps its id."""
    saved: UUID = await conn.fetchval(
        """
        INSERT INTO tenant (tenant_id, slug, name, created_at)
        VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT tenant_slug_key DO UPDATE SET name = EXCLUDED.name
        RETURNING tenant_id
        """,
        tenant_id,
        slug,
        name,
        now,
    )
    return saved


async def enable(conn: Connection, tenant_id: UUID, *, disabled_at: datetime | None) -> bool:
    """Whether that changed anything; None lets the provider in again."""
    changed = await conn.fetchval(
        """
        UPDATE tenant SET disabled_at = $2
         WHERE tenant_id = $1
           AND (disabled_at IS NULL) <> ($2::timestamptz IS NULL)
        RETURNING true
        """,
        tenant_id,
        disabled_at,
    )
    return changed is True


async def save_setting(conn: Connection, tenant_id: UUID, name: str, value: str, *, now: datetime) -> bool:
    """Whether that changed anything."""
    changed = await conn.fetchval(
        """
        INSERT INTO setting (tenant_id, name, value, changed_at)
        VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT setting_pkey DO UPDATE
           SET value = EXCLUDED.value, changed_at = EXCLUDED.changed_at
         WHERE setting.value <> EXCLUDED.value
        RETURNING true
        """,
        tenant_id,
        name,
        value,
        now,
    )
    return changed is True


async def save_branch(
    conn: Connection, tenant_id: UUID, branch_id: UUID, slug: str, name: str, *, now: datetime
) -> UUID:
    """The branch of this slug, made or renamed; an existing one keeps its id."""
    saved: UUID = await conn.fetchval(
        """
        INSERT INTO branch (tenant_id, branch_id, slug, name, created_at)
        VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT ON CONSTRAINT branch_slug_key DO UPDATE SET name = EXCLUDED.name
        RETURNING branch_id
        """,
        tenant_id,
        branch_id,
        slug,
        name,
        now,
    )
    return saved


async def find_branch(conn: Connection, tenant_id: UUID, *, slug: str) -> UUID | None:
    found: UUID | None = await conn.fetchval(
        "SELECT branch_id FROM branch WHERE (tenant_id, slug) = ($1, $2)", tenant_id, slug
    )
    return found


async def branch_exists(conn: Connection, tenant_id: UUID, branch_id: UUID) -> bool:
    found = await conn.fetchval(
        "SELECT true FROM branch WHERE (tenant_id, branch_id) = ($1, $2)", tenant_id, branch_id
    )
    return found is True


async def note(
    conn: Connection,
    tenant_id: UUID | None,
    *,
    at: datetime,
    actor: str,
    what: str,
    subject: str,
    value: str | None = None,
) -> None:
    """An entry of the audit history, of a provider or of all; never a secret or a patient in it."""
    await conn.execute(
        """
        INSERT INTO audit (tenant_id, at, actor, what, subject, value)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        tenant_id,
        at,
        actor,
        what,
        subject,
        value,
    )

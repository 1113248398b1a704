"""What an operator sets up for a provider; doing it again changes nothing, and each change is audited."""

from __future__ import annotations

import os
import pwd
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from contracts.directory_events import DoctorStandingChanged
from contracts.values import Doctor
from services.gateway.auth import keys
from services.gateway.auth.api_keys import KINDS, PREFIX_LETTERS
from services.gateway.commands.directory import tell_of_doctor
from services.gateway.messages import provider_settings
from services.gateway.store import api_keys, catalogue, clients, doctors, providers, token_keys
from services.gateway.store.api_keys import ApiKey
from services.gateway.store.clients import Client
from shared import clock, outbox
from shared.database import Connection
from shared.errors import Conflict, NotFound
from shared.ids import new

ACTOR: Final = "operator"
SECRET_BYTES: Final = 32
REQUESTS_PER_MINUTE: Final = 6_000
REQUESTS_PER_SECOND: Final = 200
CLIENT_ID_LETTERS_MAX: Final = 128

CLINIC_SCOPES: Final = (
    *("ehr:read", "ehr:write", "arc:read", "arc:write"),
    *("webhooks:read", "webhooks:write"),
)
PHARMACY_SCOPES: Final = (
    *("dispensing:read", "dispensing:write", "arc:read"),
    *("webhooks:read", "webhooks:write"),
)
STATUSES: Final = ("ACTIVE", "PENDING_VERIFICATION", "SUSPENDED")


@dataclass(frozen=True)
class Limits:
    """How often an OAuth client may call."""

    per_minute: int = REQUESTS_PER_MINUTE
    per_second: int = REQUESTS_PER_SECOND


async def tenant(conn: Connection, slug: str) -> UUID:
    """Raises NotFound."""
    found = await providers.find_tenant(conn, slug)
    if found is None:
        raise NotFound(f"there is no provider {slug}")
    return found


async def create_tenant(conn: Connection, slug: str, name: str) -> UUID:
    """A clinic or a pharmacy company."""
    now = clock.now()
    known = await providers.find_tenant(conn, slug)
    tenant_id = await providers.save_tenant(conn, known or new(), slug, name, now=now)
    if known is None:
        await providers.note(conn, tenant_id, at=now, actor=ACTOR, what="tenant_created", subject=slug)
    return tenant_id


async def set_setting(conn: Connection, tenant_id: UUID, name: str, value: str) -> bool:
    """Whether it changed. Raises WrongSetting."""
    provider_settings.check(name, value)
    now = clock.now()
    changed = await providers.save_setting(conn, tenant_id, name, value, now=now)
    if changed:
        await providers.note(
            conn, tenant_id, at=now, actor=ACTOR, what="setting_changed", subject=name, value=value
        )
    return changed


async def create_branch(conn: Connection, tenant_id: UUID, slug: str, name: str) -> UUID:
    now = clock.now()
    known = await providers.find_branch(conn, tenant_id, slug=slug)
    branch_id = await providers.save_branch(conn, tenant_id, known or new(), slug, name, now=now)
    if known is None:
        await providers.note(conn, tenant_id, at=now, actor=ACTOR, what="branch_created", subject=slug)
    return branch_id


async def save_doctor(
    conn: Connection,
    tenant_id: UUID,
    doctor: Doctor,
    *,
    status: str = "ACTIVE",
    valid_until: date | None = None,
) -> UUID:
    """Put a doctor on file, or change them; unique by institution and licence number."""
    now = clock.now()
    doctor_id, version = await doctors.save_doctor(
        conn, tenant_id, doctor, status=status, valid_until=valid_until, now=now
    )
    if version is not None:
        event = DoctorStandingChanged(
            tenant_id=tenant_id, doctor_id=doctor_id, version=version, active=status == "ACTIVE"
        )
        await outbox.send(conn, event)
        await providers.note(
            conn, tenant_id, at=now, actor=ACTOR, what="doctor_saved", subject=str(doctor_id), value=status
        )
    return doctor_id


async def confirm_doctor(conn: Connection, tenant_id: UUID, doctor_id: UUID) -> bool:
    """What the register says of a doctor who waited for it; False if they were active. Raises NotFound."""
    now = clock.now()
    held = await doctors.find_doctor(conn, tenant_id, doctor_id, hold=True)
    if held is None:
        raise NotFound("the provider has no such doctor")
    if held.registration_status == "ACTIVE":
        return False
    confirmed = await doctors.change_doctor(conn, tenant_id, held, held.record, status="ACTIVE", now=now)
    today = (await providers.provider(conn, tenant_id)).settings.today(now)
    await tell_of_doctor(conn, tenant_id, confirmed, today)
    await providers.note(
        conn, tenant_id, at=now, actor=ACTOR, what="doctor_confirmed", subject=str(doctor_id)
    )
    return True


async def save_client(
    conn: Connection,
    tenant_id: UUID,
    client_id: str,
    *,
    scopes: tuple[str, ...],
    secret: str | None = None,
    doctor_id: UUID | None = None,
    branch_id: UUID | None = None,
    limits: Limits = Limits(),
) -> str | None:
    """Its secret, when it is new or was given; None for a client that keeps its own. Raises Conflict."""
    known = await clients.find_client(conn, client_id)
    if known is not None and known.tenant_id != tenant_id:
        raise Conflict(f"client {client_id} belongs to another provider")
    if ":" in client_id or not client_id or len(client_id) > CLIENT_ID_LETTERS_MAX:
        raise Conflict(f"a client id has 1 to {CLIENT_ID_LETTERS_MAX} characters and no colon")
    told = secret or (None if known is not None else new_secret())
    digest = keys.digest(told) if told is not None else known.secret_sha256 if known is not None else b""
    client = Client(
        client_id=client_id,
        tenant_id=tenant_id,
        provider_slug="",
        scopes=frozenset(scopes),
        requests_per_minute=limits.per_minute,
        requests_per_second=limits.per_second,
        secret_sha256=digest,
        doctor_id=doctor_id,
        branch_id=branch_id,
    )
    now = clock.now()
    await clients.save_client(conn, client, now=now)
    what = "client_created" if known is None else "client_saved"
    await providers.note(
        conn, tenant_id, at=now, actor=ACTOR, what=what, subject=client_id, value=" ".join(sorted(scopes))
    )
    return told


async def disable_client(conn: Connection, client_id: str) -> None:
    """It gets no more tokens, and within a minute those it has are worth nothing. Raises NotFound."""
    now = clock.now()
    tenant_id = await clients.disable_client(conn, client_id, now=now)
    if tenant_id is None:
        raise NotFound(f"there is no client {client_id}")
    await providers.note(conn, tenant_id, at=now, actor=ACTOR, what="client_disabled", subject=client_id)


def new_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_key(environment: str) -> str:
    """An API key: 256 random bits behind a prefix that says what it opens."""
    return key_of(environment, new_secret())


def key_of(environment: str, random: str) -> str:
    return f"rcp_{KINDS[environment]}_{random}"


async def save_key(
    conn: Connection,
    tenant_id: UUID,
    name: str,
    key: str,
    *,
    permissions: tuple[str, ...],
    expires_at: datetime | None = None,
) -> None:
    """Let a key of the other dialect in; one of the same name stops being valid."""
    now = clock.now()
    digest = keys.digest(key)
    known = await api_keys.find_named(conn, tenant_id, name)
    stored = ApiKey(
        key_id=known.key_id if known is not None and known.key_sha256 == digest else new(),
        tenant_id=tenant_id,
        name=name,
        key_prefix=key[:PREFIX_LETTERS],
        key_sha256=digest,
        permissions=frozenset(permissions),
        expires_at=expires_at,
    )
    if stored == known:
        return
    await api_keys.save(conn, stored, now=now)
    await providers.note(
        conn, tenant_id, at=now, actor=ACTOR, what="key_saved", subject=name, value=" ".join(permissions)
    )


async def revoke_key(conn: Connection, tenant_id: UUID, name: str) -> None:
    """Raises NotFound."""
    now = clock.now()
    if not await api_keys.revoke(conn, tenant_id, name, now=now):
        raise NotFound(f"there is no key {name}")
    await providers.note(conn, tenant_id, at=now, actor=ACTOR, what="key_revoked", subject=name)


async def disable_tenant(conn: Connection, tenant_id: UUID) -> bool:
    """Nobody of the provider is let in any more, by key or client; False if that was so already."""
    return await _enable(conn, tenant_id, False)


async def enable_tenant(conn: Connection, tenant_id: UUID) -> bool:
    """Whether it was disabled."""
    return await _enable(conn, tenant_id, True)


async def _enable(conn: Connection, tenant_id: UUID, enabled: bool) -> bool:
    now = clock.now()
    changed = await providers.enable(conn, tenant_id, disabled_at=None if enabled else now)
    if changed:
        what = "tenant_enabled" if enabled else "tenant_disabled"
        await providers.note(conn, tenant_id, at=now, actor=ACTOR, what=what, subject=str(tenant_id))
    return changed


async def register_products(
    conn: Connection, tenant_id: UUID, wanted: tuple[str, ...], *, except_for: frozenset[str] = frozenset()
) -> int:
    """Register these products, or all of the catalogue; how many are new. Raises NotFound."""
    known = await catalogue.codes(conn)
    missing = sorted(set(wanted) - set(known))
    if missing:
        raise NotFound(f"not in the catalogue: {', '.join(missing)}")
    now = clock.now()
    count = 0
    for code in wanted or known:
        if code not in except_for:
            _, made = await catalogue.register(conn, tenant_id, code, now=now)
            count += made
    if count:
        await providers.note(
            conn, tenant_id, at=now, actor=ACTOR, what="products_registered", subject=str(count)
        )
    return count


async def rotate_token_key(conn: Connection, *, algorithm: str, secret_key: str) -> str:
    """A new key for access tokens, published now and used in a day; its id."""
    now = clock.now()
    first = not await token_keys.token_keys(conn)
    wait = timedelta(0) if first else keys.PUBLISHED_BEFORE_USE
    key = keys.make(algorithm, secret_key=secret_key, now=now, used_from=now + wait)
    await token_keys.add_token_key(conn, key)
    await note_of_installation(conn, "token_key_rotated", key.key_id)
    return key.key_id


async def note_of_installation(conn: Connection, what: str, subject: str) -> None:
    """Who did it is the account that the command ran under: it has no other name to go by."""
    await providers.note(
        conn, None, at=clock.now(), actor=ACTOR, what=what, subject=subject, value=_account()
    )


def _account() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # A container may run under a number that has no name.
        return str(os.getuid())

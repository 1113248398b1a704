"""The words of the operator's command line, and what each does."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

from contracts.values import Doctor
from services.gateway.auth import rights
from services.gateway.messages import ids, provider_settings
from services.gateway.operator import icd10, provisioning, rebuilding, rotation, seed
from services.gateway.operator.provisioning import Limits
from services.gateway.settings import Settings
from services.gateway.store import api_keys, consents, doctors, providers
from services.gateway.store.api_keys import ListedKey
from services.gateway.store.consents import Consent
from shared import clock, database
from shared.database import Connection, Pool
from shared.errors import NotFound
from shared.ids import new

Act: TypeAlias = Callable[[Namespace, Pool, Settings], Awaitable[None]]
OnConnection: TypeAlias = Callable[[Namespace, Connection, Settings], Awaitable[None]]


def parser() -> ArgumentParser:
    top = ArgumentParser(
        prog="python -m services.gateway",
        description="Without a word it serves. Each command may be repeated: what is so stays as it is.",
        epilog="Besides: `serve` (or nothing) and `dead-letters …`.",
    )
    words = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _tenants(words)
    _people(words)
    _credentials(words)
    _catalogue(words)
    return top


Words: TypeAlias = "argparse._SubParsersAction[ArgumentParser]"


def _word(words: Words, name: str, help: str, act: OnConnection) -> ArgumentParser:
    async def in_a_transaction(asked: Namespace, pool: Pool, settings: Settings) -> None:
        async with database.transaction(pool) as conn:
            await act(asked, conn, settings)

    made = words.add_parser(name, help=help, description=help)
    made.set_defaults(act=in_a_transaction)
    return made


def _tenants(words: Words) -> None:
    one = _word(words, "create-tenant", "make a provider: a clinic or a pharmacy company", _create_tenant)
    one.add_argument("slug", help="its short name, as in provider_slug")
    one.add_argument("--name", required=True, help="its name as printed")
    for name in ("country", "language", "time_zone", "currency"):
        one.add_argument(f"--{name.replace('_', '-')}", dest=name, help=f"the setting {name}")
    one = _word(words, "set-setting", "change one setting of a provider (audited)", _set_setting)
    one.add_argument("tenant")
    one.add_argument(
        "name", choices=provider_settings.NAMES, metavar="NAME", help=", ".join(provider_settings.NAMES)
    )
    one.add_argument("value")
    one = _word(words, "disable-tenant", "let nobody of a provider in, by key or client", _disable_tenant)
    one.add_argument("tenant")
    one = _word(words, "enable-tenant", "let a disabled provider in again", _enable_tenant)
    one.add_argument("tenant")
    one = _word(words, "create-branch", "make a branch of a provider", _create_branch)
    one.add_argument("tenant")
    one.add_argument("slug")
    one.add_argument("--name", required=True)


def _people(words: Words) -> None:
    one = _word(words, "save-doctor", "put a doctor on file, or change them", _save_doctor)
    one.add_argument("tenant")
    for name, required in (
        ("given-names", True),
        ("first-surname", True),
        ("second-surname", False),
        ("document-type", True),
        ("document", True),
        ("email", True),
        ("country", True),
        ("license", True),
        ("institution", True),
        ("board-registration", False),
        ("specialty", False),
    ):
        one.add_argument(f"--{name}", required=required)
    one.add_argument("--valid-until", type=date.fromisoformat, help="last day of the registration")
    one.add_argument("--status", choices=provisioning.STATUSES, default="ACTIVE")
    one = _word(words, "confirm-doctor", "say that the register confirms a doctor", _confirm_doctor)
    one.add_argument("tenant")
    one.add_argument("doctor", help="the doctor's id (doc_…)")
    one = _word(
        words, "show-consent", "what a patient said of their data: who, when, by which path", _consent
    )
    one.add_argument("tenant")
    named = one.add_mutually_exclusive_group(required=True)
    named.add_argument("--prescription", help="of this prescription (rx_…)")
    named.add_argument("--patient", help="of this patient (pat_…), newest first")


def _credentials(words: Words) -> None:
    one = _word(
        words, "create-client", "make an OAuth client, or change it; prints a new secret once", _save_client
    )
    one.add_argument("tenant")
    one.add_argument("client_id")
    one.add_argument("--scope", action="append", required=True, choices=rights.SCOPES)
    one.add_argument("--doctor", help="bind it to the doctor of this id (doc_…)")
    one.add_argument("--branch", help="bind it to the branch of this slug")
    one.add_argument("--per-minute", type=int, default=Limits.per_minute)
    one.add_argument("--per-second", type=int, default=Limits.per_second)
    one.add_argument("--new-secret", action="store_true", help="replace the secret of an existing client")
    one = _word(
        words, "disable-client", "let a client in no more; takes effect within a minute", _disable_client
    )
    one.add_argument("client_id")
    one = _word(
        words, "create-key", "issue an API key, shown once; replaces one of the same name", _create_key
    )
    one.add_argument("tenant")
    one.add_argument("name")
    one.add_argument("--permission", action="append", required=True, choices=rights.PERMISSIONS)
    one.add_argument("--days", type=int, help="how many days it is valid; without it, until it is revoked")
    one = _word(words, "list-keys", "list the API keys of a provider, never the keys themselves", _list_keys)
    one.add_argument("tenant")
    one = _word(words, "revoke-key", "let an API key in no more", _revoke_key)
    one.add_argument("tenant")
    one.add_argument("name")
    _word(words, "rotate-token-key", "publish a new token key, used in a day", _rotate_token_key)
    help = "put what is encrypted at rest under a new key, while the gateway serves; goes on where it stopped"
    words.add_parser("rotate-data-key", help=help, description=help).set_defaults(act=_rotate_data_key)
    help = "fill the read views anew from what prescription keeps, while the gateway serves"
    one = words.add_parser("rebuild-views", help=help, description=help)
    one.add_argument("--wait", action="store_true", help="until the new views are read")
    one.add_argument("--again", action="store_true", help="give up the one that is under way, and begin anew")
    one.set_defaults(act=_rebuild_views)


def _catalogue(words: Words) -> None:
    one = _word(words, "load", "load a catalogue that the gateway owns", _load)
    one.add_argument("what", choices=["icd10"], help="the diagnoses of ICD-10")
    one = _word(words, "register-products", "register products of the catalogue for a provider", _register)
    one.add_argument("tenant")
    one.add_argument("code", nargs="*", help="product codes; none: the whole catalogue")
    one = words.add_parser("seed", help="make the development seed and write its credentials")
    one.add_argument("--output", type=Path, required=True, help="file for KEY=value lines")
    one.add_argument(
        "--wait-seconds", type=float, default=seed.WAIT_SECONDS_DEFAULT, help="for the catalogue"
    )
    one.set_defaults(act=_seed)


async def _create_tenant(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    tenant_id = await provisioning.create_tenant(conn, asked.slug, asked.name)
    for name in ("country", "language", "time_zone", "currency"):
        value = getattr(asked, name)
        if value is not None:
            await provisioning.set_setting(conn, tenant_id, name, value)
    print(f"{ids.spell('prv', tenant_id)} {asked.slug}")


async def _set_setting(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    tenant_id = await provisioning.tenant(conn, asked.tenant)
    changed = await provisioning.set_setting(conn, tenant_id, asked.name, asked.value)
    print("changed" if changed else "as it was")


async def _disable_tenant(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    changed = await provisioning.disable_tenant(conn, await provisioning.tenant(conn, asked.tenant))
    print("disabled" if changed else "as it was")


async def _enable_tenant(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    changed = await provisioning.enable_tenant(conn, await provisioning.tenant(conn, asked.tenant))
    print("enabled" if changed else "as it was")


async def _create_branch(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    tenant_id = await provisioning.tenant(conn, asked.tenant)
    branch_id = await provisioning.create_branch(conn, tenant_id, asked.slug, asked.name)
    print(f"{ids.spell('branch', branch_id)} {asked.slug}")


async def _save_doctor(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    tenant_id = await provisioning.tenant(conn, asked.tenant)
    doctor = Doctor(
        doctor_id=new(),
        given_names=asked.given_names,
        first_surname=asked.first_surname,
        second_surname=asked.second_surname,
        identity_document_type=asked.document_type,
        identity_document_value=asked.document,
        email_address=asked.email,
        country_code=asked.country,
        main_specialty_name=asked.specialty,
        medical_license_number=asked.license,
        medical_license_verification_institution_slug=asked.institution,
        medical_board_registration=asked.board_registration or asked.license,
    )
    doctor_id = await provisioning.save_doctor(
        conn, tenant_id, doctor, status=asked.status, valid_until=asked.valid_until
    )
    print(ids.spell("doc", doctor_id))


async def _confirm_doctor(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    tenant_id = await provisioning.tenant(conn, asked.tenant)
    doctor_id = ids.find("doc", asked.doctor)
    if doctor_id is None:
        raise NotFound(f"the provider has no doctor {asked.doctor}")
    changed = await provisioning.confirm_doctor(conn, tenant_id, doctor_id)
    print("confirmed" if changed else "as it was")


async def _save_client(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    tenant_id = await provisioning.tenant(conn, asked.tenant)
    secret = provisioning.new_secret() if asked.new_secret else None
    told = await provisioning.save_client(
        conn,
        tenant_id,
        asked.client_id,
        scopes=tuple(asked.scope),
        secret=secret,
        doctor_id=await _doctor(conn, tenant_id, asked.doctor),
        branch_id=await _branch(conn, tenant_id, asked.branch),
        limits=Limits(asked.per_minute, asked.per_second),
    )
    print(f"{asked.client_id}:{told}" if told else f"{asked.client_id} keeps its secret")


async def _doctor(conn: Connection, tenant_id: UUID, spelled: str | None) -> UUID | None:
    if spelled is None:
        return None
    doctor_id = ids.find("doc", spelled)
    if doctor_id is None or await doctors.find_doctor(conn, tenant_id, doctor_id) is None:
        raise NotFound(f"the provider has no doctor {spelled}")
    return doctor_id


async def _branch(conn: Connection, tenant_id: UUID, slug: str | None) -> UUID | None:
    if slug is None:
        return None
    branch_id = await providers.find_branch(conn, tenant_id, slug=slug)
    if branch_id is None:
        raise NotFound(f"the provider has no branch {slug}")
    return branch_id


async def _disable_client(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    await provisioning.disable_client(conn, asked.client_id)
    print(f"{asked.client_id} is disabled")


async def _create_key(asked: Namespace, conn: Connection, settings: Settings) -> None:
    tenant_id = await provisioning.tenant(conn, asked.tenant)
    key = provisioning.new_key(settings.environment)
    expires_at = None if asked.days is None else clock.now() + timedelta(days=asked.days)
    await provisioning.save_key(
        conn, tenant_id, asked.name, key, permissions=tuple(asked.permission), expires_at=expires_at
    )
    print(key)


async def _list_keys(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    tenant_id = await provisioning.tenant(conn, asked.tenant)
    for one in await api_keys.of(conn, tenant_id):
        print(_listed(one))


def _listed(one: ListedKey) -> str:
    def at(moment: datetime | None) -> str:
        return "never" if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"

    return " ".join(
        (
            one.key.name,
            f"{one.key.key_prefix}…",
            f"permissions={','.join(sorted(one.key.permissions))}",
            f"created={at(one.created_at)}",
            f"expires={at(one.key.expires_at)}",
            f"revoked={at(one.revoked_at)}",
            f"uses={one.uses}",
            f"last-used={at(one.last_used_at)}",
        )
    )


async def _revoke_key(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    tenant_id = await provisioning.tenant(conn, asked.tenant)
    await provisioning.revoke_key(conn, tenant_id, asked.name)
    print(f"{asked.name} is revoked")


async def _rotate_token_key(_asked: Namespace, conn: Connection, settings: Settings) -> None:
    key_id = await provisioning.rotate_token_key(
        conn, algorithm=settings.token_algorithm, secret_key=settings.secret_key.get_secret_value()
    )
    print(key_id)


async def _rotate_data_key(_asked: Namespace, pool: Pool, settings: Settings) -> None:
    await rotation.rotate(pool, settings.data_key.get_secret_value(), say=print)


async def _rebuild_views(asked: Namespace, pool: Pool, _settings: Settings) -> None:
    rebuild_id = await rebuilding.begin(pool, again=asked.again, say=print)
    if asked.wait:
        await rebuilding.wait(pool, rebuild_id, say=print)


async def _consent(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    tenant_id = await provisioning.tenant(conn, asked.tenant)
    found = await consents.of(
        conn,
        tenant_id,
        prescription_id=_id("rx", asked.prescription),
        patient_id=_id("pat", asked.patient),
    )
    for one in found:
        print(_said(one))
    if not found:
        print("no consent is on record")


def _id(prefix: str, spelled: str | None) -> UUID | None:
    found = None if spelled is None else ids.find(prefix, spelled)
    if found is None and spelled is not None:
        raise NotFound(f"{spelled} is no id of this kind ({prefix}_…)")
    return found


def _said(one: Consent) -> str:
    return " ".join(
        (
            f"{one.given_at:%Y-%m-%dT%H:%M:%SZ}",
            "given" if one.given else "refused",
            f"patient={ids.spell('pat', one.patient_id)}",
            f"prescription={ids.spell('rx', one.prescription_id)}",
            f"doctor={ids.spell('doc', one.doctor_id)}",
            f"client={one.client}",
            f"path={one.path_version}",
        )
    )


async def _load(_asked: Namespace, conn: Connection, _settings: Settings) -> None:
    print(f"{await icd10.load(conn)} codes of ICD-10")


async def _register(asked: Namespace, conn: Connection, _settings: Settings) -> None:
    tenant_id = await provisioning.tenant(conn, asked.tenant)
    print(f"{await provisioning.register_products(conn, tenant_id, tuple(asked.code))} newly registered")


async def _seed(asked: Namespace, pool: Pool, settings: Settings) -> None:
    lines = await seed.seed(pool, settings, asked.output, wait_seconds=asked.wait_seconds)
    print(f"{len(lines)} credentials in {asked.output}")

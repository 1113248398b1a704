"""The development seed: invented providers and people, and credentials that stay the same.

Made with the commands that an operator uses for real ones. Secrets are derived from GATEWAY_SECRET_KEY, so
that a second run writes the same file.
"""

from __future__ import annotations

import asyncio
import os
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from services.gateway.auth import keys, rights
from services.gateway.commands.directory import tell_of_patient
from services.gateway.operator import icd10, provisioning
from services.gateway.operator.invented import PHARMACIES, Clinic, PharmacyCompany, clinics, patients
from services.gateway.operator.provisioning import CLINIC_SCOPES, PHARMACY_SCOPES, Limits
from services.gateway.settings import Settings
from services.gateway.store import catalogue, directory
from services.gateway.store.directory import PatientExists
from shared import clock, database
from shared.database import Connection, Pool
from shared.errors import Unavailable

WAIT_SECONDS_DEFAULT: Final = 60.0
POLL_SECONDS: Final = 0.25
RAISED: Final = Limits(per_minute=1_000_000, per_second=100_000)
RAISED_KEYS: Final = {
    "requests_per_minute": "1000000",
    "requests_per_hour": "10000000",
    "requests_per_day": "100000000",
}
LIMITED: Final = 2
"""The clinic whose API keys may be used as often as any tenant's by default."""
UNREGISTERED: Final = 2
WITH_PATIENTS: Final = 2

# What the guides and demonstrations prescribe is registered everywhere.
ALWAYS_REGISTERED: Final = frozenset({"paracetamol", "warfarin", "acetylsalicylic acid", "ibuprofen"})


@dataclass(frozen=True)
class Pharmacy:
    """A pharmacy as it is stored, and its one branch."""

    tenant_id: UUID
    branch_id: UUID


@dataclass(frozen=True)
class Seeded:
    """A clinic as it is stored: its doctors in the order of the seed."""

    tenant_id: UUID
    doctors: tuple[UUID, ...]


async def seed(pool: Pool, settings: Settings, output: Path, *, wait_seconds: float) -> dict[str, str]:
    """All of it; the lines that were written. Raises Unavailable when the catalogue does not come."""
    async with database.transaction(pool) as conn:
        await icd10.load(conn)
        seeded = [await _clinic(conn, one) for one in clinics()]
        for index, one in enumerate(seeded):
            for name, value in RAISED_KEYS.items() if index != LIMITED else ():
                await provisioning.set_setting(conn, one.tenant_id, name, value)
        pharmacies = [await _pharmacy(conn, one) for one in PHARMACIES]
        for one in seeded[:WITH_PATIENTS]:
            await _patients(conn, one.tenant_id)
        lines = await _credentials(conn, settings, seeded, pharmacies)
    await _until_catalogue(pool, wait_seconds)
    async with database.transaction(pool) as conn:
        await _register(conn, seeded)
    _write(output, lines)
    return lines


async def _clinic(conn: Connection, clinic: Clinic) -> Seeded:
    tenant_id = await provisioning.create_tenant(conn, clinic.slug, clinic.name)
    for name, value in clinic.settings.items():
        await provisioning.set_setting(conn, tenant_id, name, value)
    doctors = [await provisioning.save_doctor(conn, tenant_id, doctor) for doctor in clinic.doctors]
    return Seeded(tenant_id, tuple(doctors))


async def _pharmacy(conn: Connection, company: PharmacyCompany) -> Pharmacy:
    tenant_id = await provisioning.create_tenant(conn, company.slug, company.name)
    for name, value in company.settings.items():
        await provisioning.set_setting(conn, tenant_id, name, value)
    branch_id = await provisioning.create_branch(conn, tenant_id, company.branch, company.branch_name)
    return Pharmacy(tenant_id, branch_id)


async def _patients(conn: Connection, tenant_id: UUID) -> None:
    for patient in patients():
        try:
            made = await directory.add_patient(conn, tenant_id, patient, now=clock.now())
        except PatientExists:
            continue
        await tell_of_patient(conn, tenant_id, made)


@dataclass(frozen=True)
class Line:
    """One line of the file: whose credentials they are, what they allow, how often."""

    name: str
    tenant_id: UUID
    allows: tuple[str, ...]


@dataclass(frozen=True)
class ClientLine(Line):
    client_id: str
    doctor_id: UUID | None = None
    branch_id: UUID | None = None
    limits: Limits = RAISED


def _key_lines(seeded: Sequence[Seeded]) -> tuple[Line, ...]:
    a, b, c = seeded[: LIMITED + 1]
    everything = rights.PERMISSIONS
    return (
        Line("RECEPTA_API_KEY", a.tenant_id, everything),
        Line("RECEPTA_API_KEY_READ", a.tenant_id, ("prescriptions:read",)),
        Line("RECEPTA_API_KEY_OTHER", b.tenant_id, everything),
        Line("RECEPTA_API_KEY_LIMITED", c.tenant_id, everything),
    )


def _client_lines(seeded: Sequence[Seeded], pharmacies: Sequence[Pharmacy]) -> tuple[ClientLine, ...]:
    a, b, c, advise, otp, short = seeded
    sol, luna, breve, norte = pharmacies
    clinic, pharmacy = CLINIC_SCOPES, PHARMACY_SCOPES
    return (
        ClientLine("RECEPTA_DOCTOR_CLIENT", a.tenant_id, clinic, "clinica-norte-doctor", a.doctors[0]),
        ClientLine("RECEPTA_CLINIC_CLIENT", a.tenant_id, clinic, "clinica-norte"),
        ClientLine("RECEPTA_OTHER_CLINIC_CLIENT", b.tenant_id, clinic, "clinica-lusa"),
        ClientLine("RECEPTA_LIMITED_CLIENT", c.tenant_id, clinic, "consultorio-limitado", limits=Limits()),
        ClientLine(
            "RECEPTA_PHARMACY_CLIENT", sol.tenant_id, pharmacy, "farmacia-sol", branch_id=sol.branch_id
        ),
        ClientLine("RECEPTA_OTHER_PHARMACY_CLIENT", luna.tenant_id, pharmacy, "farmacia-luna"),
        ClientLine("RECEPTA_ADVISE_CLIENT", advise.tenant_id, clinic, "consultorio-prudente"),
        ClientLine("RECEPTA_OTP_CLIENT", otp.tenant_id, clinic, "consultorio-seguro"),
        ClientLine("RECEPTA_SHORT_TIMEOUT_CLIENT", short.tenant_id, clinic, "consultorio-breve"),
        ClientLine("RECEPTA_SHORT_TIMEOUT_PHARMACY", breve.tenant_id, pharmacy, "farmacia-breve"),
        ClientLine("RECEPTA_GUESSER_CLIENT", norte.tenant_id, pharmacy, "farmacia-norte"),
    )


async def _credentials(
    conn: Connection, settings: Settings, seeded: list[Seeded], pharmacies: list[Pharmacy]
) -> dict[str, str]:
    """What the file says: `NAME=value`."""
    written: dict[str, str] = {}
    for key in _key_lines(seeded):
        value = provisioning.key_of(settings.environment, _secret(settings, key.name))
        await provisioning.save_key(conn, key.tenant_id, key.name, value, permissions=key.allows)
        written[key.name] = value
    for client in _client_lines(seeded, pharmacies):
        secret = _secret(settings, client.name)
        await provisioning.save_client(
            conn,
            client.tenant_id,
            client.client_id,
            scopes=client.allows,
            secret=secret,
            doctor_id=client.doctor_id,
            branch_id=client.branch_id,
            limits=client.limits,
        )
        written[client.name] = f"{client.client_id}:{secret}"
    return written


def _secret(settings: Settings, name: str) -> str:
    """The same at every run of one installation."""
    derived = keys.purpose_key(settings.secret_key.get_secret_value(), f"seed {name}")
    return urlsafe_b64encode(derived).decode().rstrip("=")


async def _until_catalogue(pool: Pool, seconds: float) -> None:
    """The gateway learns the catalogue over Kafka, and it must run for that."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + seconds
    while True:
        async with database.transaction(pool) as conn:
            if await catalogue.is_there(conn):
                return
        if loop.time() > give_up:
            raise Unavailable(
                f"no catalogue has arrived within {seconds:.0f} s: is the gateway running, and has one been "
                "activated by `python -m services.safety_check load csv FILE --activate`?"
            )
        await asyncio.sleep(POLL_SECONDS)


async def _register(conn: Connection, seeded: list[Seeded]) -> None:
    """Everything for everybody, but for two medicines that the first clinic has yet to register."""
    medicines = await catalogue.codes(conn, kind="MEDICATION")
    known = await catalogue.products(conn, seeded[0].tenant_id, medicines)
    others = [
        code
        for code in medicines
        if not {one.name.casefold() for one in known[code].product.active_ingredients} & ALWAYS_REGISTERED
    ]
    left_out = frozenset(others[-UNREGISTERED:])
    for index, one in enumerate(seeded):
        except_for = left_out if index == 0 else frozenset()
        await provisioning.register_products(conn, one.tenant_id, (), except_for=except_for)


def _write(output: Path, lines: dict[str, str]) -> None:
    """All at once, and for its owner alone: the file holds secrets."""
    arriving = output.with_name(f"{output.name}.arriving")
    output.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in lines.items())
    arriving.replace(output)

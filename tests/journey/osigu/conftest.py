"""Providers of the suite's own, made by the operator's commands, so that no test leans on another's."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from dev.platform import Platform
from tests.clients import Clinic, Pharmacy
from tests.operating import operate

RUN = f"{os.getpid()}-{uuid4().hex[:4]}"
GUATEMALA = ("--country", "GT", "--language", "es", "--time-zone", "America/Guatemala", "--currency", "GTQ")
SCOPES = ("ehr:read", "ehr:write", "arc:read", "arc:write", "dispensing:read", "dispensing:write")
SETTINGS = {
    "advise": {"safety_policy": "advise"},
    "narrow": {
        "allowed_versions": "v1.1",
        "max_medications": "2",
        "diagnosis_required": "false",
        "substitution_policy": "none",
    },
    "free": {"substitution_policy": "any_with_reason", "dispensation_timeout_min": "1"},
}


@dataclass(frozen=True)
class Made:
    """What the operator has made: `client_id:client_secret` by name, and doctors by name."""

    credentials: dict[str, str]
    doctors: dict[str, str]


@pytest.fixture(scope="session")
def made(platform: Platform) -> Made:
    """One process of commands for the whole suite."""
    commands: list[tuple[str, ...]] = []
    for clinic in ("full", *SETTINGS):
        commands += _clinic(clinic)
    commands += [_client("full", scope.replace(":", "-"), scope) for scope in SCOPES]
    commands += [_client("full", f"tokens-{number}", "ehr:write", "arc:read") for number in range(5)]
    commands.append(_client("full", "hasty", "ehr:read", per_minute=30))
    for pharmacy in ("guesser", "hinter", "third", "explorer"):
        commands.append(("create-tenant", f"{pharmacy}-{RUN}", "--name", pharmacy, *GUATEMALA))
        commands.append(_client(pharmacy, pharmacy, "dispensing:write"))
    said = dict(zip(commands, operate(platform, *commands), strict=True))
    return Made(
        {
            command[2].removesuffix(f"-{RUN}"): text
            for command, text in said.items()
            if command[0] == "create-client"
        },
        {
            f"{command[1].removesuffix(f'-{RUN}')} {command[3]}": text
            for command, text in said.items()
            if command[0] == "save-doctor"
        },
    )


def _clinic(name: str) -> list[tuple[str, ...]]:
    slug = f"{name}-{RUN}"
    settings = SETTINGS.get(name, {})
    doctors = (
        ("Active", "1"),
        ("Suspended", "2", "--status", "SUSPENDED"),
        ("Expired", "3", "--valid-until", "2020-01-31"),
    )
    return [
        ("create-tenant", slug, "--name", f"Clínica {name}", *GUATEMALA),
        *(("set-setting", slug, setting, value) for setting, value in settings.items()),
        *(_doctor(slug, *one) for one in doctors),
        ("register-products", slug),
        _client(name, name, "ehr:write", "arc:write", "webhooks:write"),
    ]


def _doctor(slug: str, name: str, number: str, *more: str) -> tuple[str, ...]:
    return (
        *("save-doctor", slug, "--given-names", name, "--first-surname", "Ruiz", "--document-type", "DPI"),
        *("--document", number, "--email", f"{name}@clinic.example".lower(), "--country", "GT"),
        *("--license", number, "--institution", "gt-colmedegua", "--specialty", "Medicina general", *more),
    )


def _client(provider: str, name: str, *scopes: str, per_minute: int = 1_000_000) -> tuple[str, ...]:
    named = [word for scope in scopes for word in ("--scope", scope)]
    limits = ("--per-minute", str(per_minute), "--per-second", "100000")
    return ("create-client", f"{provider}-{RUN}", f"{name}-{RUN}", *named, *limits)


@pytest.fixture
async def http(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever comes without a token."""
    async with httpx.AsyncClient(base_url=platform.url, timeout=65) as client:
        yield client


class Whole(Clinic):
    """A provider-wide clinic: it names the doctor."""

    doctor_id: str

    def order(self, patient_id: str, *products: str, **changes: object) -> dict[str, object]:
        return super().order(patient_id, *products, doctor_id=self.doctor_id) | changes


class Clinics:
    """`await clinics("full")`: the provider-wide client of one of the suite's clinics, opened on demand."""

    def __init__(self, platform: Platform, made: Made, stack: AsyncExitStack) -> None:
        self.platform, self.made, self.stack = platform, made, stack

    async def __call__(self, name: str) -> Whole:
        client = await self.stack.enter_async_context(Whole(self.platform.url, self.made.credentials[name]))
        client.doctor_id = self.made.doctors.get(f"{name} Active", "")
        return client

    async def pharmacy(self, name: str) -> Pharmacy:
        return await self.stack.enter_async_context(Pharmacy(self.platform.url, self.made.credentials[name]))


@pytest.fixture
async def clinics(platform: Platform, made: Made) -> AsyncIterator[Clinics]:
    async with AsyncExitStack() as stack:
        yield Clinics(platform, made, stack)


@pytest.fixture
async def whole(clinics: Clinics) -> Whole:
    return await clinics("full")

"""A practice that prescribes step by step with an API key, as the public guide has it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from dev.platform import Platform
from tests.clients import TIMEOUT_SECONDS, Clinic, uuid_of
from tests.journey.delphos.desk import Desk, doctor_body
from tests.journey.delphos.replaying import histories_lead_to_reads
from tests.operating import operate

Desks = Callable[[str], Awaitable[Desk]]
RUN = f"{os.getpid()}-{uuid4().hex[:4]}"
PERMISSIONS = (
    *("prescriptions:read", "prescriptions:write", "prescriptions:sign"),
    *("dispensing:write", "catalog:read", "admin"),
)
BRAZIL = ("--country", "BR", "--language", "pt", "--time-zone", "America/Sao_Paulo", "--currency", "BRL")
PRACTICES: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "narrow": {"max_medications": "2", "signer_policy": "any_active_doctor"},
    "strict": {"refused_statuses": "submitted"},
    "secret": {"otp_policy": "always"},
    # What is generated may suspend whom it likes.
    "generated": {},
}
"""The suite's own practices: settings by name."""
BUSY = ("plain", "generated")

AMOXICILLIN = {
    "medication_name": "Amoxicilina",
    "active_ingredient": "AMOXICILINA TRIIDRATADA",
    "dosage": "500mg",
    "route": "oral",
    "frequency": "8/8h",
    "duration": "7 dias",
    "quantity": 21,
    "unit": "capsulas",
    "instructions": "Tomar 1 capsula de 500mg via oral a cada 8 horas.",
}
WARFARIN = {
    "medication_name": "Varfarina",
    "dosage": "5mg",
    "route": "oral",
    "frequency": "24/24h",
    "quantity": 30,
}
ASPIRIN = {
    "medication_name": "Aspirina",
    "dosage": "100mg",
    "route": "oral",
    "frequency": "24/24h",
    "quantity": 30,
}


@dataclass
class Practice:
    """A client of the second dialect, a patient and a doctor of its tenant."""

    http: httpx.AsyncClient
    patient_id: str
    doctor_id: str

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, f"/v1/prescriptions{path}", json=body, headers=sent)

    async def ok(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        answer = await self.call(method, path, body, **headers)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    async def draft(self, *items: dict[str, Any]) -> str:
        made = await self.ok("POST", "", {"patient_id": self.patient_id, "doctor_id": self.doctor_id})
        id: str = made["prescription"]["id"]
        for item in items:
            await self.ok("POST", f"/{id}/items", item)
        return id

    async def read(self, id: str) -> dict[str, Any]:
        return await self.ok("GET", f"/{id}")

    async def step(self, id: str, status: str, **more: Any) -> httpx.Response:
        return await self.call("PATCH", f"/{id}/status", {"status": status} | more)

    async def released(self, *items: dict[str, Any]) -> dict[str, Any]:
        """A prescription that pharmacies may dispense, all steps taken."""
        id = await self.draft(*items)
        until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
        for status, more in (
            ("pending_review", {}),
            ("validated", {"valid_until": until}),
            ("signed", {"signed_by": self.doctor_id}),
            ("submitted", {}),
        ):
            answer = await self.step(id, status, **more)
            assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def history(self, id: str) -> list[dict[str, Any]]:
        return list((await self.ok("GET", f"/{id}/history?limit=100"))["history"])


@pytest.fixture
async def other_dialect(platform: Platform) -> AsyncIterator[Clinic]:
    """The same tenant's client of the first dialect, bound to no doctor."""
    async with Clinic(platform.url, platform.credentials["RECEPTA_CLINIC_CLIENT"]) as client:
        yield client


@pytest.fixture
async def practice(platform: Platform, other_dialect: Clinic) -> AsyncIterator[Practice]:
    """With a patient of its own, whom no other test gives anything."""
    doctors = (await other_dialect.get("/ehr/v1/doctors")).json()["data"]
    async with httpx.AsyncClient(
        base_url=platform.url,
        headers={"x-api-key": platform.credentials["RECEPTA_API_KEY"], "accept-language": "pt"},
        timeout=TIMEOUT_SECONDS,
    ) as http:
        yield Practice(http, uuid_of(await other_dialect.patient()), uuid_of(doctors[0]["doctor_id"]))


@dataclass(frozen=True)
class Made:
    """What the operator has made: API keys by name, and OAuth credentials by practice."""

    keys: dict[str, str]
    credentials: dict[str, str]
    doctors: dict[str, str]


def _commands() -> dict[str, tuple[str, ...]]:
    told: dict[str, tuple[str, ...]] = {}
    for name, settings in PRACTICES.items():
        slug = f"{name}-{RUN}"
        told[f"tenant {name}"] = ("create-tenant", slug, "--name", f"Clínica {name}", *BRAZIL)
        for window in ("minute", "hour", "day") if name in BUSY else ("minute",):
            told[f"{window} {name}"] = ("set-setting", slug, f"requests_per_{window}", "10000000")
        for setting, value in settings.items():
            told[f"{setting} {name}"] = ("set-setting", slug, setting, value)
        told[f"client {name}"] = (
            *("create-client", slug, slug, "--scope", "ehr:write", "--scope", "arc:write"),
            *("--per-minute", "1000000", "--per-second", "100000"),
        )
        told[f"key {name}"] = ("create-key", slug, "all", *_allowing(*PERMISSIONS))
    for flag in PERMISSIONS:
        told[f"key {flag}"] = ("create-key", f"plain-{RUN}", flag, *_allowing(flag))
    told["key generated read"] = ("create-key", f"generated-{RUN}", "read", *_allowing("prescriptions:read"))
    told["key brief"] = ("create-key", f"plain-{RUN}", "brief", "--days", "1", *_allowing("admin"))
    told["key revoked"] = ("create-key", f"plain-{RUN}", "revoked", *_allowing("admin"))
    told["revoke"] = ("revoke-key", f"plain-{RUN}", "revoked")
    return told


def _allowing(*flags: str) -> tuple[str, ...]:
    return tuple(word for flag in flags for word in ("--permission", flag))


@pytest.fixture(scope="session")
def made(platform: Platform) -> Made:
    """One process of commands for the whole suite, then a doctor for each practice."""
    commands = _commands()
    said = dict(zip(commands, operate(platform, *commands.values()), strict=True))
    keys = {name.removeprefix("key "): text for name, text in said.items() if name.startswith("key ")}
    doctors = {name: str(uuid4()) for name in PRACTICES}
    for name, id in doctors.items():
        sent = {"x-api-key": keys[name]}
        answer = httpx.put(f"{platform.url}/v1/doctors/{id}", json=doctor_body(), headers=sent, timeout=60)
        assert answer.status_code == 201, answer.text
    credentials = {
        name.removeprefix("client "): text for name, text in said.items() if name.startswith("client ")
    }
    return Made(keys, credentials, doctors)


@pytest.fixture
async def desks(platform: Platform, made: Made) -> AsyncIterator[Desks]:
    """`await desks("plain")`: the desk of one of the suite's keys, opened on demand."""
    async with AsyncExitStack() as stack:

        async def open_one(name: str) -> Desk:
            sent = {"x-api-key": made.keys[name], "accept-language": "pt"}
            limits = httpx.Limits(max_connections=200)
            http = httpx.AsyncClient(
                base_url=platform.url, headers=sent, timeout=TIMEOUT_SECONDS, limits=limits
            )
            desk = Desk(await stack.enter_async_context(http), made.doctors.get(name, made.doctors["plain"]))
            if name in PRACTICES:
                stack.push_async_callback(histories_lead_to_reads, desk)
            return desk

        yield open_one


@pytest.fixture
async def desk(desks: Desks) -> Desk:
    """With every permission."""
    return await desks("plain")


@pytest.fixture
async def strangers(platform: Platform) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever comes without a key."""
    async with httpx.AsyncClient(base_url=platform.url, timeout=TIMEOUT_SECONDS) as http:
        yield http


@pytest.fixture
async def theirs(platform: Platform, made: Made) -> AsyncIterator[Clinic]:
    """The same practice's client of the first dialect."""
    async with Clinic(platform.url, made.credentials["plain"]) as client:
        yield client

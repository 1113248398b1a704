"""The door of the second dialect: keys, limits, the order of checks, errors and requests, on a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from contracts.command_outcomes import CommandRefused, Refusal
from contracts.drafting_commands import CreatePrescription
from shared import clock
from tests.gateway import (
    KEY,
    MARTA,
    Serving,
    serving,
)
from tests.infrastructure import Database

PRESCRIPTIONS = "/v1/prescriptions"
REQUESTS = "/v1/requests"
PATIENT_ID = "d4e5f6a7-b8c9-0123-defa-234567890123"
NEW = {"patient_id": PATIENT_ID, "doctor_id": str(MARTA.doctor_id)}
AT_ONCE = {"Prefer": "respond-async"}
NOON = datetime(2026, 6, 25, 12, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def present() -> Iterator[None]:
    yield
    clock.reset()


@pytest.fixture
async def gateway(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway")) as found:
        yield found


@pytest.fixture
async def limited(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Serving]:
    async with serving(await database("gateway"), calls={"minute": 3, "hour": 4, "day": 100}) as found:
        yield found


async def create(gateway: Serving, key: str | None = KEY, **headers: str) -> httpx.Response:
    return await gateway.call(key, "POST", PRESCRIPTIONS, json=NEW, headers={**AT_ONCE, **headers})


async def commands(gateway: Serving) -> list[CreatePrescription]:
    rows = await gateway.owner.fetch("SELECT value FROM outbox WHERE topic LIKE 'prescription-commands%'")
    return [CreatePrescription.model_validate_json(row["value"]) for row in rows]


async def refuse(gateway: Serving, code: str, *refusals: Refusal, **data: Any) -> None:
    """As prescription answers the newest command."""
    command = (await commands(gateway))[-1]
    await gateway.deliver(
        CommandRefused(
            tenant_id=command.tenant_id,
            prescription_id=command.prescription_id,
            request_id=command.request_id,
            code=code,
            message="Not as things stand.",
            refusals=refusals,
            data=data,
        )
    )


async def test_a_draft_is_asked_for_with_what_the_directory_knows(gateway: Serving) -> None:
    answer = await create(gateway)

    (command,) = await commands(gateway)
    assert answer.status_code == 202
    assert (command.doctor and command.doctor.doctor_id, command.patient) == (MARTA.doctor_id, None)
    assert [one.model_dump() for one in command.unresolved] == [
        {"path": "patient_id", "code": "unknown_reference"}
    ]
    assert command.caller.channel == "delphos"
    assert command.caller.client == gateway.keys[KEY][:16]
    assert command.origin == "manual"
    assert command.policy.signer_policy == "prescriber"


async def test_a_missing_key_is_told_as_documented(gateway: Serving) -> None:
    answer = await create(gateway, None)

    assert answer.status_code == 401
    assert answer.json() == {
        "detail": "Invalid or missing API key",
        "error": "invalid_api_key",
        "retryable": False,
    }
    assert answer.headers["cache-control"] == "no-store"
    assert UUID(answer.headers["x-request-id"])
    assert answer.headers["content-type"] == "application/json"

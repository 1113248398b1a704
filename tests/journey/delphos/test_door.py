"""The keys of the seed at the door of a running platform, and what an operator does to them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from tests.clients import TIMEOUT_SECONDS
from tests.infrastructure import until
from tests.operating import operate

LIMIT = 60
TENANT = "clinica-norte"


@pytest.fixture
async def http(platform):
    async with httpx.AsyncClient(base_url=platform.url, timeout=TIMEOUT_SECONDS) as client:
        yield client


async def listed(http: httpx.AsyncClient, key: str) -> httpx.Response:
    return await http.get("/v1/prescriptions", headers={"x-api-key": key}, params={"limit": 1})


async def test_the_limited_clinic_is_let_in_sixty_times_a_minute_and_others_meanwhile(platform, http):
    second = datetime.now(UTC).second
    # The window is a minute of the calendar: late in one, the next is waited for.
    await asyncio.sleep(61 - second if second > 30 else 0)
    key = platform.credentials["RECEPTA_API_KEY_LIMITED"]
    answers = [await listed(http, key) for _ in range(LIMIT + 1)]
    other = await listed(http, platform.credentials["RECEPTA_API_KEY"])

    assert [one.status_code for one in answers] == [200] * LIMIT + [429]
    assert [int(one.headers["x-ratelimit-remaining"]) for one in answers[:LIMIT]] == list(
        reversed(range(LIMIT))
    )
    assert {one.headers["x-ratelimit-window"] for one in answers} == {"minute"}
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert other.status_code == 200


async def test_a_key_is_made_and_revoked_by_command_and_out_within_five_seconds(platform, http):
    (key,) = operate(platform, ("create-key", TENANT, "journey", "--permission", "prescriptions:read"))
    allowed = await listed(http, key)
    refused = await http.post("/v1/prescriptions", headers={"x-api-key": key}, json={})
    operate(platform, ("revoke-key", TENANT, "journey"))

    async def out() -> bool:
        return (await listed(http, key)).status_code == 401

    await until(out, seconds=5)

    assert (allowed.status_code, refused.status_code) == (200, 403)
    assert refused.json()["required"] == "prescriptions:write"
    (line,) = [one for one in operate(platform, ("list-keys", TENANT)) if one.startswith("journey ")]
    assert key[:16] in line
    assert key not in line
    assert "revoked=never" not in line


async def test_what_is_open_to_everybody_is_open(http):
    health, document, page = [await http.get(path) for path in ("/v1/health", "/openapi.json", "/docs")]

    assert health.json() == {"status": "ok"}
    assert document.json()["paths"].keys() >= {"/v1/prescriptions", "/v1/medications/search"}
    assert page.status_code == 200

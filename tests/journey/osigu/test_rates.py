"""How often a client may call (1.8): the limits of the limited client of the seed, and one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import timedelta

from dev.platform import Platform
from tests.clients import Client
from tests.problems import refusal, word

PATH = "/v1/requests?idempotency_key=nothing"
WRITTEN_SECONDS = 0.05


@contextlib.asynccontextmanager
async def a_long_second(platform: Platform) -> AsyncIterator[None]:
    """Time is put back again and again, so that however slow this machine is, all happens within a second."""
    begun = time.monotonic()

    async def put_back() -> None:
        while True:
            fresh = platform.home / "clock.new"
            fresh.write_text(f"{begun - time.monotonic():.3f}", encoding="ascii")
            # An empty file would be read as no offset.
            fresh.replace(platform.home / "clock")
            await asyncio.sleep(WRITTEN_SECONDS)

    putting_back = asyncio.create_task(put_back())
    try:
        yield
    finally:
        putting_back.cancel()


async def test_of_more_than_200_calls_in_a_second_the_rest_are_told_to_wait(platform, later):
    async with Client(platform.url, platform.credentials["RECEPTA_LIMITED_CLIENT"]) as limited:
        await limited.token()
        async with a_long_second(platform):
            answers = [
                answer
                for _ in range(5)
                for answer in await asyncio.gather(*(limited.get(PATH) for _ in range(50)))
            ]
        await later(timedelta(seconds=10))
        after = await limited.get(PATH)

    refused = [one for one in answers if one.status_code != 200]
    assert {word(one) for one in refused} == {"429 rate_limited"}
    assert len(refused) == 50
    # Time that is put back makes a second of what was less.
    assert {one.headers["retry-after"] for one in refused} <= {"1", "2"}
    assert refusal(refused[0])["retryable"] is True
    assert after.status_code == 200


async def test_a_client_that_has_used_up_its_minute_waits_and_nobody_else_does(clinics, whole, later):
    hasty = await clinics("hasty")
    statuses = [(await hasty.get(PATH)).status_code for _ in range(30)]
    over = [await hasty.get(PATH) for _ in range(3)]
    other = await whole.get(PATH)
    await later(timedelta(seconds=int(over[0].headers["retry-after"])))
    again = await hasty.get(PATH)

    assert statuses == [200] * 30
    assert {word(one) for one in over} == {"429 rate_limited"}
    assert 1 <= int(over[0].headers["retry-after"]) <= 60
    assert (other.status_code, again.status_code) == (200, 200)

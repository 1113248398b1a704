"""Whether writes are accepted, for whoever asks (delphos-dialect 13)."""

from __future__ import annotations

import asyncio
from typing import Literal

from services.gateway.api.context import Gateway
from services.gateway.api.delphos.endpoint import Endpoints
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos.words import Shown
from shared.health import READY_SECONDS_MAX

NEEDED = "database"
"""What a write cannot be accepted without; without anything else it becomes a 202."""

endpoints = Endpoints("Health")


class Health(Shown):
    """`degraded`: writes are accepted, and may become 202; `down`: they are not."""

    status: Literal["ok", "degraded", "down"]


@endpoints.read("/v1/health", permission=None, answer=Health, keyed=False, also=(503,))
async def read_health(gateway: Gateway) -> Answer:
    """Ask whether writes are accepted."""
    try:
        lacking = await asyncio.wait_for(gateway.health.lacking(), READY_SECONDS_MAX)
    except TimeoutError:
        lacking = [NEEDED]
    if NEEDED in lacking:
        return Answer(503, Health(status="down").body())
    well = not lacking and not gateway.health.stuck()
    return Answer(200, Health(status="ok" if well else "degraded").body())

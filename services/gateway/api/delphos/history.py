"""The history of a prescription (delphos-dialect 11.1)."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from services.gateway.api.delphos import readers
from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.api.delphos.prescriptions import ONE
from services.gateway.auth.rights import READ
from services.gateway.checks.delphos.fields import Nothing, Page
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import history as messages
from services.gateway.messages.delphos.history import History
from services.gateway.messages.delphos.words import tagged
from services.gateway.messages.errors import Problem
from services.gateway.store import history

ON_ITS_WAY_SECONDS_MAX: Final = 2.0
LOOK_AGAIN_SECONDS: Final = 0.02

endpoints = Endpoints("History and PDF")


@endpoints.read(f"{ONE}/history", permission=READ, query=Page, answer=History, errors=("resource_not_found",))
async def read_history(call: Call[Page, Nothing]) -> Answer:
    """Read what happened to it, oldest first."""
    page = await _settled(call)
    # Read after its history: a finding may speak of items that came last.
    shown = await readers.find(call)
    sent = call.query
    told = messages.page(
        page.entries,
        shown.items,
        await readers.reader(call),
        total=page.total,
        limit=sent.limit,
        offset=sent.offset,
    )
    return tagged(200, told, shown.version)


async def _settled(call: Call[Page, Nothing]) -> history.Page:
    """With the entries of the state that reads show: they come by another topic, a moment after or before."""
    give_up = time.monotonic() + ON_ITS_WAY_SECONDS_MAX
    while True:
        page = await history.page(
            call.gateway.pool,
            tenant_id=call.tenant_id,
            prescription_id=call.path["prescription_id"],
            actions=messages.ACTIONS,
            limit=call.query.limit,
            offset=call.query.offset,
        )
        if page is None:
            raise Problem("resource_not_found")
        if page.complete or time.monotonic() > give_up:
            return page
        await asyncio.sleep(LOOK_AGAIN_SECONDS)

"""For whom an answer is written: their language, and the names of ingredients (rulings 3.3, 3.4)."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from contracts.message import Command
from contracts.values import Prescription
from services.gateway.api.delphos.endpoint import Call
from services.gateway.messages import by_the_clock
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import reader as readers
from services.gateway.messages.delphos.reader import Reader
from services.gateway.messages.errors import Problem
from services.gateway.store import views
from services.gateway.store.ingredient_names import names

HEADER_LENGTH_MAX: Final = 1_000


def language(call: Call[Any, Any]) -> str:
    sent = call.request.headers.get("accept-language", "")[:HEADER_LENGTH_MAX]
    return readers.language(sent, call.caller.settings.language)


async def reader(call: Call[Any, Any]) -> Reader:
    return Reader(language(call), await names.read_from(call.gateway.pool))


async def ask(call: Call[Any, Any], command: Command) -> Answer:
    """Send a command, whose answer speaks the caller's language."""
    return await call.ask(command, language=language(call))


async def find(call: Call[Any, Any]) -> Prescription:
    """The prescription of the path, as the clock has it. Raises Problem `resource_not_found`."""
    stored = await stored_or_none(call, call.path["prescription_id"])
    if stored is None:
        raise Problem("resource_not_found")
    return by_the_clock.as_of(stored, call.now)


async def stored_or_none(call: Call[Any, Any], prescription_id: UUID) -> Prescription | None:
    shown = await views.find(
        call.gateway.pool,
        tenant_id=call.tenant_id,
        prescription_id=prescription_id,
        held=call.gateway.reads.held(call.tenant_id, prescription_id),
    )
    return None if shown is None else shown.prescription

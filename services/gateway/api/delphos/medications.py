"""Searching the catalogue of medicines (delphos-dialect 10)."""

from __future__ import annotations

import re
import time
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.auth.rights import CATALOGUE
from services.gateway.checks.delphos.fields import NoQuery, OptionalName, Sent, Share, text
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import medications as messages
from services.gateway.messages.errors import Problem
from services.gateway.store import medications, tenancy
from services.gateway.store.medications import Wanted

RESULTS_DEFAULT: Final = 20
RESULTS_MAX: Final = 100
THRESHOLD_DEFAULT: Final = 0.5
ATC_LETTERS_MAX: Final = 7
# A letter, two digits, two letters, two digits: or the beginning of that.
_ATC: Final = re.compile(r"[A-Z](\d(\d([A-Z]([A-Z](\d\d?)?)?)?)?)?", re.ASCII | re.IGNORECASE)

endpoints = Endpoints("Medications")


class Search(Sent):
    """What to look for. Filters are compared whole, without regard to case and accents."""

    query: Annotated[str, Field(min_length=1, max_length=500), BeforeValidator(text)]
    limit: Annotated[int, Field(ge=1, le=RESULTS_MAX)] = RESULTS_DEFAULT
    threshold: Share = THRESHOLD_DEFAULT
    tipo_produto: OptionalName = None
    classe_terapeutica: OptionalName = None
    atc_prefix: (
        Annotated[str, Field(min_length=1, max_length=ATC_LETTERS_MAX), BeforeValidator(text)] | None
    ) = None


def _unreadable(raw: object) -> None:
    """A beginning of no ATC code; what is too short or too long is out of range instead."""
    sent = raw.get("atc_prefix") if isinstance(raw, dict) else None
    prefix = sent.strip() if isinstance(sent, str) else ""
    if 0 < len(prefix) <= ATC_LETTERS_MAX and not _ATC.fullmatch(prefix):
        raise Problem("invalid_atc_prefix")


@endpoints.write(
    "POST",
    "/v1/medications/search",
    permission=CATALOGUE,
    body=Search,
    answer=messages.SearchResult,
    recorded=False,
    unreadable=_unreadable,
    errors=("invalid_atc_prefix",),
)
async def search_medications(call: Call[NoQuery, Search]) -> Answer:
    """Search medicines by name, substance and pack; the best first."""
    began = time.perf_counter()
    sent = call.body
    wanted = Wanted(
        sent.query,
        sent.threshold,
        sent.limit,
        kind=sent.tipo_produto,
        therapeutic_class=sent.classe_terapeutica,
        atc_prefix=None if sent.atc_prefix is None else sent.atc_prefix.upper(),
    )
    async with tenancy.transaction(call.gateway.pool, call.tenant_id) as conn:
        found = await medications.search(conn, wanted)
    seconds = time.perf_counter() - began
    return Answer(200, messages.result(sent.model_dump(), found, seconds=seconds).body())

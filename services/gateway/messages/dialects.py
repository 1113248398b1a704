"""The two dialects, as far as every answer differs: ids, moments, headers, and the body of a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.gateway.messages import ids
from services.gateway.messages.delphos import refusals, words
from services.gateway.messages.errors import Problem
from services.gateway.messages.moments import moment


@dataclass(frozen=True)
class Dialect:
    """`refused` takes a problem, the installation's base URL and the spelled id of the request."""

    name: str
    problem_type: str
    unknown_path: str
    spell: Callable[[str, UUID], str]
    moment: Callable[[datetime], str]
    refused: Callable[[Problem, str, str], dict[str, Any]]
    headers: Mapping[str, str] = field(default_factory=dict)
    """What every answer has besides its id."""


OSIGU: Final = Dialect(
    name="osigu",
    problem_type="application/problem+json",
    unknown_path="operation_not_offered",
    spell=ids.spell,
    moment=moment,
    refused=lambda problem, base_url, request_id: problem.body(base_url=base_url, request_id=request_id),
)
DELPHOS: Final = Dialect(
    name="delphos",
    problem_type="application/json",
    unknown_path="resource_not_found",
    spell=lambda _, id: str(id),
    moment=words.moment,
    refused=lambda problem, _, __: refusals.body(problem),
    headers={"Cache-Control": "no-store"},
)

CONSULTATIONS: Final = "consultation"
"""The source of a request that came as a consultation over Kafka."""
REQUESTS: Final = "/v1/requests"
"""The one path of both: a token selects the first dialect, a key the second."""

_FAMILIES: Final = frozenset(
    {
        "ehr",
        "arc",
        "medical-catalogs",
        "dispensing",
        "otp",
        "webhooks",
        "errors",
        "oauth",
        ".well-known",
        "v3",
    }
)
_UNDER_V1: Final = frozenset({"oauth", "otp", "sponsors", "providers"})


def of_path(path: str, *, with_token: bool) -> Dialect:
    """The dialect whose family a path belongs to; what is in neither family is the second one's."""
    first, _, rest = path.lstrip("/").partition("/")
    if first in _FAMILIES or (first == "v1" and rest.partition("/")[0] in _UNDER_V1):
        return OSIGU
    if with_token and (path == REQUESTS or path.startswith(f"{REQUESTS}/")):
        return OSIGU
    return DELPHOS


def of_source(source: str) -> Dialect:
    """The dialect that a request was made in, as requests say it; reports and documents speak the first."""
    return DELPHOS if source in (DELPHOS.name, CONSULTATIONS) else OSIGU

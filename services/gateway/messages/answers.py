"""An HTTP answer as a value: made where the outcome is known, sent, stored and repeated byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson


@dataclass(frozen=True)
class Answer:
    """Status, body and headers; `body` None: an answer without content; bytes: as it was stored."""

    status: int
    body: Mapping[str, Any] | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        return self.status < 300

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else to_json(self.body)


def to_json(value: Any) -> bytes:
    """Compact JSON; a Decimal is written as the exact number that it is, never through floating point."""
    return orjson.dumps(value, default=_exact)


def _exact(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value).__name__} has no JSON form here")

"""Reading a query string as strictly as a body: unknown, repeated and malformed parameters are refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from services.gateway.checks.fields import Checks, Form

PAGE_LIMIT_DEFAULT: Final = 50
PAGE_LIMIT_MAX: Final = 200
PAGE_MAX: Final = 1_000_000
PARAMETERS_MAX: Final = 50
_INTEGER: Final = re.compile(r"-?\d{1,18}")


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for."""

    number: int
    limit: int

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.limit

    def envelope(self, data: list[dict[str, Any]], total: int) -> dict[str, Any]:
        return {"data": data, "page": self.number, "limit": self.limit, "total": total}


class Query(Form):
    """The parameters of one query string; an empty value counts as absent."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        found: dict[str, str | None] = {}
        self._repeated: set[str] = set()
        for name, value in pairs:
            if name in found:
                self._repeated.add(name)
            found[name] = value or None
        super().__init__(found, Checks(), "query")

    def raw(self, name: str, *, required: bool = False, alias: str | None = None) -> Any:
        value = super().raw(name, required=required, alias=alias)
        if name not in self._repeated:
            return value
        self.fail(name, "duplicate", "Must be sent once.")
        return None

    def integer(self, name: str, low: int, high: int, *, required: bool = False) -> int | None:
        text = self.raw(name, required=required)
        if text is None:
            return None
        if not _INTEGER.fullmatch(text):
            self.fail(name, "wrong_type", "Must be an integer.")
        elif not low <= int(text) <= high:
            self.fail(name, "out_of_range", f"Must be {low} to {high}.")
        else:
            return int(text)
        return None

    def page(self) -> Page:
        """`page` and `limit`, which every list takes last."""
        number = self.integer("page", 1, PAGE_MAX)
        limit = self.integer("limit", 1, PAGE_LIMIT_MAX)
        return Page(number or 1, limit or PAGE_LIMIT_DEFAULT)

    def finish(self) -> None:
        """Refuse what was sent and is not known, and all that is wrong, at once."""
        self.done()
        self.checks.settle()

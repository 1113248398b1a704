"""The countries of ISO 3166-1, as the time zone database lists them."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

_TABLE: Final = files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
CODES: Final = frozenset(line[:2] for line in _TABLE.splitlines() if line and not line.startswith("#"))

"""The languages that names, findings and documents are told in."""

from __future__ import annotations

from typing import Final

ALL: Final = ("en", "es", "pt")
DEFAULT: Final = "en"
"""Where nothing says in which."""

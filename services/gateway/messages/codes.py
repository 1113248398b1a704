"""Prescription codes as people type them: case, spaces and hyphens make no difference (osigu-dialect 1.4)."""

from __future__ import annotations

import re
from typing import Final

_FORM: Final = re.compile(r"RX(\d{4})(\d{16})")


def canonical(text: str) -> str:
    """`RX-YYYY-` and 16 digits; text that is no code comes back as it is, and names nothing."""
    found = _FORM.fullmatch(re.sub(r"[\s-]", "", text).upper()) if text.isascii() else None
    return text if found is None else f"RX-{found[1]}-{found[2]}"

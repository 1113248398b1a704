"""What patients and doctors of the directory have in common: the version that a client has read."""

from __future__ import annotations

from typing import Any

from services.gateway.api.delphos.endpoint import Call
from services.gateway.messages.errors import Problem


def check_version(call: Call[Any, Any], present: int | None) -> None:
    """Raises Problem `version_mismatch` for another version, and for what is not there (ruling 3.9)."""
    expected = call.expected_version
    if expected is None or (present is not None and expected in (0, present)):
        return
    raise Problem("version_mismatch", current_version=present)

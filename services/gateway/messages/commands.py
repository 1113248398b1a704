"""What a client asks, as the command that prescription or notification executes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

DEADLINE: Final = timedelta(minutes=15)


def deadline(now: datetime) -> datetime:
    """Until when a command from HTTP may still be executed (DESIGN 3.1.3)."""
    return now + DEADLINE

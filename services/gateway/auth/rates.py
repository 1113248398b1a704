"""How often a client may call: rolling windows of a minute and a second; a refused call does not count."""

from __future__ import annotations

from collections import deque
from typing import Final

from services.gateway.messages.errors import Problem

MINUTE: Final = 60.0
SECOND: Final = 1.0


class Rate:
    """One client's calls within the last minute, as moments; at most `per_minute` are kept."""

    def __init__(self) -> None:
        self._minute: deque[float] = deque()
        self._second: deque[float] = deque()

    def admit(self, now: float, *, per_minute: int, per_second: int) -> None:
        """Count a call made now. Raises Problem `rate_limited`, and then counts nothing."""
        _admit(self._minute, now, MINUTE, per_minute)
        _admit(self._second, now, SECOND, per_second)
        self._minute.append(now)
        self._second.append(now)


def _admit(calls: deque[float], now: float, window: float, limit: int) -> None:
    while calls and calls[0] <= now - window:
        calls.popleft()
    if len(calls) >= limit:
        # The window has room when as many have left it as are too many for one more.
        leaves = calls[len(calls) - limit] + window - now
        raise Problem.later("rate_limited", leaves)

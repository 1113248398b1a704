"""How often a tenant may call: calendar minutes, hours and days in UTC, counted for all instances together.

The count is in the database. So that its cost stays bounded, an instance takes a hundredth of the smallest
limit at a time and hands that out itself: at the default limits each call is counted there, at raised ones
about a hundred times a minute. What an instance has taken and not used goes into its next share.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.gateway.messages.errors import Problem
from services.gateway.store import call_counts
from services.gateway.store.call_counts import WINDOWS
from shared.database import Pool

SHARES: Final = 100
TENANTS_MAX: Final = 10_000
_LENGTHS: Final = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}


@dataclass
class _Held:
    """What one instance holds of one tenant's calls; `used` are the counts without what is held here."""

    begun: Mapping[str, datetime] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WINDOWS, 0))
    left: int = 0
    full: bool = False
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def lacks(self, begun: Mapping[str, datetime]) -> bool:
        """Whether it must be asked for more before anything can be said."""
        return self.begun != begun or not (self.left or self.full)


class Quotas:
    """The calls of all tenants; `pool` is the owner's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held: dict[UUID, _Held] = {}

    async def admit(self, tenant_id: UUID, limits: Mapping[str, int], now: datetime) -> dict[str, str]:
        """Count a call; the headers of its answer. Raises Problem `rate_limited`, which counts nothing."""
        held = self._of(tenant_id)
        begun = _begun(now)
        while held.lacks(begun):
            async with held.taking:
                if held.lacks(begun):
                    await self._take(tenant_id, held, begun, limits)
        if held.full:
            raise _refused(held, limits, now)
        held.left -= 1
        for window in WINDOWS:
            held.used[window] += 1
        return _headers(held, limits, now)

    def _of(self, tenant_id: UUID) -> _Held:
        while len(self._held) >= TENANTS_MAX and tenant_id not in self._held:
            del self._held[next(iter(self._held))]
        return self._held.setdefault(tenant_id, _Held())

    async def _take(
        self, tenant_id: UUID, held: _Held, begun: Mapping[str, datetime], limits: Mapping[str, int]
    ) -> None:
        share = max(1, min(limits.values()) // SHARES)
        kept = held.left
        for size in dict.fromkeys((share, 1)):
            # What is left of the last share is counted already, in those windows that still go on.
            wanted = {
                window: max(0, size - (kept if held.begun.get(window) == begun[window] else 0))
                for window in WINDOWS
            }
            taken, counts = await call_counts.take(self._pool, tenant_id, begun, wanted, limits)
            if taken:
                held.begun, held.left, held.full = begun, max(size, 1), False
                held.used = {window: counts[window] - held.left for window in WINDOWS}
                return
        held.begun, held.left, held.full, held.used = begun, 0, True, counts


def _begun(now: datetime) -> dict[str, datetime]:
    minute = now.replace(second=0, microsecond=0)
    return {"minute": minute, "hour": minute.replace(minute=0), "day": minute.replace(hour=0, minute=0)}


def _seconds_left(held: _Held, window: str, now: datetime) -> int:
    ends = held.begun[window] + _LENGTHS[window]
    return max(1, math.ceil((ends - now).total_seconds()))


def _headers(held: _Held, limits: Mapping[str, int], now: datetime) -> dict[str, str]:
    """Of the window with the smallest share left."""
    remaining = {window: max(0, limits[window] - held.used[window]) for window in WINDOWS}
    window = min(WINDOWS, key=lambda one: remaining[one] / limits[one])
    return {
        "X-RateLimit-Limit": str(limits[window]),
        "X-RateLimit-Remaining": str(remaining[window]),
        "X-RateLimit-Reset": str(_seconds_left(held, window, now)),
        "X-RateLimit-Window": window,
    }


def _refused(held: _Held, limits: Mapping[str, int], now: datetime) -> Problem:
    """There is room again when the last of the full windows ends."""
    full = [window for window in WINDOWS if held.used[window] >= limits[window]] or ["minute"]
    seconds = max(_seconds_left(held, window, now) for window in full)
    return Problem.later("rate_limited", seconds, **_headers(held, limits, now))

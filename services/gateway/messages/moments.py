"""Moments as the Osigu dialect writes them: UTC, whole seconds, `Z`."""

from __future__ import annotations

from datetime import datetime

from contracts.message import utc


def moment(at: datetime) -> str:
    return utc(at).isoformat(timespec="seconds")[:19] + "Z"


def moment_or_none(at: datetime | None) -> str | None:
    return None if at is None else moment(at)

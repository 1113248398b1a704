"""The only clock that services read, so that tests can move time, in one process or in all.

`RECEPTA_CLOCK_FILE` names a file that holds seconds of offset; it is read at most four times a second.
"""

from __future__ import annotations

import contextlib
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Final

REREAD_SECONDS: Final = 0.25

_file: Final = os.environ.get("RECEPTA_CLOCK_FILE")
_offset = timedelta()
_shared_offset = timedelta()
_read_at = 0.0


def now() -> datetime:
    """The present moment, in UTC and aware."""
    if _file is not None:
        _reread(_file)
    return datetime.now(UTC) + _offset + _shared_offset


def shift(by: timedelta) -> None:
    """Move this process's time; only tests do."""
    global _offset
    _offset += by


def reset() -> None:
    global _offset
    _offset = timedelta()


def _reread(path: str) -> None:
    global _read_at, _shared_offset
    moment = time.monotonic()
    if moment - _read_at < REREAD_SECONDS:
        return
    _read_at = moment
    # A file that is absent, or half written at this moment, leaves the time as it was.
    with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:
        _shared_offset = timedelta(seconds=float(file.read().strip() or 0))

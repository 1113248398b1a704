"""What the processor did for a run of work: seconds of each process of the platform, Postgres by database."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from dev.platform import Platform

TICKS: Final = os.sysconf("SC_CLK_TCK")


def spent(platform: Platform) -> dict[str, float]:
    """Seconds of user and system time so far, by part; `postgres/<database>` for what serves one."""
    found: dict[str, float] = {}
    for name in ("kafka", *(one.name for one in platform.instances)):
        found[name] = _seconds(platform.supervisor.pid(name))
    server = platform.supervisor.pid("postgres")
    for pid in _children(server):
        # A worker of autovacuum may end while it is looked at.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            part = _served(pid)
            found[part] = found.get(part, 0.0) + _seconds(pid)
    return found


def per_piece(before: Mapping[str, float], after: Mapping[str, float], pieces: int) -> dict[str, float]:
    """Milliseconds of each part for one piece of work."""
    return {
        name: round((seconds - before.get(name, 0.0)) * 1_000 / pieces, 3) for name, seconds in after.items()
    }


def _seconds(pid: int) -> float:
    # What follows the name of the program, which may itself hold spaces and brackets.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _children(parent: int) -> Iterator[int]:
    for task in Path(f"/proc/{parent}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def _served(pid: int) -> str:
    """A backend says `postgres: <role> <database> <address> …`, another process of the server what it is."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
    backend = len(words) > 3 and "(" in words[3]
    return f"postgres/{words[2]}" if backend else "postgres/server"

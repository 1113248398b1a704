"""A set-up that is killed half-way takes along whatever it had started."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.infrastructure import until

ROOT = Path(__file__).parents[2]
DOWNLOADING = """
import signal
from dev import setup, tether

signal.signal(signal.SIGTERM, setup._terminated)
tether.end_with_make()
setup._run("sh", "-c", "sleep {0} & wait")
"""


def downloads(marker: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # Ended between the look at the folder and the look into it.
        if words[:2] == [b"sleep", marker.encode()]:
            found.append(path.parent.name)
    return found


async def test_killed_make_ends_the_download_and_what_the_download_had_started():
    marker = f"300.{os.getpid()}"
    script = f"'{sys.executable}' -c '{DOWNLOADING.format(marker)}' & wait"
    environment = os.environ | {"MAKELEVEL": "1"}
    make = await asyncio.create_subprocess_exec("sh", "-c", script, cwd=ROOT, env=environment)
    await until(lambda: downloads(marker), seconds=20)

    make.kill()
    await make.wait()

    await until(lambda: not downloads(marker), seconds=10)

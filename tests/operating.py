"""The operator's commands of the gateway, given to a running platform in one process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from dev.platform import Platform

_ALL_IN_TURN = """
import json, sys
from services.gateway import operator
for words in json.load(sys.stdin):
    if operator.main(words):
        sys.exit(f"refused: {words}")
"""


def operate(platform: Platform, *commands: Sequence[str]) -> list[str]:
    """What `python -m services.gateway WORD …` prints for each of the commands, one line each."""
    done = subprocess.run(
        (sys.executable, "-c", _ALL_IN_TURN),
        input=json.dumps(commands),
        env=platform.environment("gateway"),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()

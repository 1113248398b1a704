"""Write what outsiders depend on: `python -m contracts.golden`; the diff is the review.

A schema is never overwritten by one that its readers could not bear.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from contracts import asyncapi
from contracts.catalog import TOPICS
from contracts.compatibility import breaking_changes

HERE: Final = Path(__file__).parent
ADVICE: Final = (
    "An old reader cannot bear this. Keep the member and give new ones a default; or add a class with a new "
    "ce_type (`… .v2`) beside this one on the same topic, and announce both until nobody reads the old one."
)


def documents() -> dict[Path, dict[str, Any]]:
    """Every generated file, by its path."""
    found: dict[Path, dict[str, Any]] = {
        HERE / "schemas" / f"{message.ce_type}.json": asyncapi.schema(message)
        for topic in TOPICS.values()
        for message in topic.messages
    }
    found[HERE / "asyncapi.json"] = asyncapi.document(public=False)
    found[HERE / "asyncapi-public.json"] = asyncapi.document(public=True)
    return found


def text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def broken() -> list[str]:
    """What differs from the committed schemas in a way that breaks a reader."""
    found = []
    present = documents()
    for path in sorted((HERE / "schemas").glob("*.json")):
        new = present.get(path)
        if new is None:
            found.append(f"{path.name}: the message is gone")
        else:
            found += [
                f"{path.name} {change}" for change in breaking_changes(json.loads(path.read_text()), new)
            ]
    return found


def main() -> int:
    faults = broken()
    if faults:
        print("\n".join([*faults, ADVICE]), file=sys.stderr)
        return 1
    for path, document in documents().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What an operator does with knowledge and catalogue at a terminal: `python -m services.safety_check …`."""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from services.safety_check.operator import loading


def command(arguments: Sequence[str]) -> int:
    """Do what was asked. 0: done; 1: a mistake in the command; 2: refused, nothing has changed."""
    parser = argparse.ArgumentParser(
        prog="python -m services.safety_check",
        description=__doc__,
        epilog="Besides: `serve` (or nothing), `dead-letters …` and `evaluate FILE.csv`.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _load(commands.add_parser("load", help="load a release of the product catalogue"))
    commands.add_parser("versions", help="list the releases that are kept")
    commands.add_parser("activate", help="put a loaded release in use").add_argument("release")
    commands.add_parser("rollback", help="put the release in use before this one in use again")
    asked = parser.parse_args(arguments)
    match asked.command:
        case "load":
            return asyncio.run(loading.load(_wish(asked)))
        case "versions":
            return asyncio.run(loading.versions())
        case "activate":
            return asyncio.run(loading.activate(asked.release))
        case _:
            return asyncio.run(loading.rollback())


def _load(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=["csv"])
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--release", required=True, metavar="TEXT", help="the name of this release")
    parser.add_argument("--source", default="csv", metavar="TEXT", help="the catalogue's name (default: csv)")
    parser.add_argument("--country", default="", metavar="CC", help="whose brands names may be")
    parser.add_argument("--max-rejects", default="1%", metavar="1%", help="share of bad rows that is borne")
    parser.add_argument("--dry-run", action="store_true", help="read and report; keep nothing")
    parser.add_argument("--activate", action="store_true", help="put it in use; without, it is only kept")
    parser.add_argument("--force", action="store_true", help="activate in spite of rejects or missing rows")


def _wish(asked: argparse.Namespace) -> loading.Wish:
    return loading.Wish(
        file=asked.file,
        release=asked.release,
        source=asked.source,
        country=asked.country.upper(),
        rejects_share_max=_share(asked.max_rejects),
        dry_run=asked.dry_run,
        activate=asked.activate,
        force=asked.force,
    )


def _share(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / 100
    except ValueError:
        raise SystemExit(f"--max-rejects is a percentage, not {text!r}") from None

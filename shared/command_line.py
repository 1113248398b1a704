"""`python -m services.<name>`: serve, the dead letters, or one of the service's own commands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from shared import dead_letters
from shared.messaging import Handlers
from shared.service import Resources
from shared.settings import Settings

Operator = Callable[[Sequence[str]], int]


def dispatch(
    handlers: Handlers,
    settings: Callable[[], Settings],
    serve: Callable[[], None],
    *,
    resources: Resources | None = None,
    operator: Operator | None = None,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Do what the words say: none or `serve`, `dead-letters …`, else `operator`."""
    words = list(sys.argv[1:] if argv is None else argv)
    match words:
        case [] | ["serve"]:
            serve()
            sys.exit(0)
        case ["dead-letters", *rest]:
            sys.exit(dead_letters.main(handlers, settings(), rest, resources=resources))
        case _ if operator is not None:
            sys.exit(operator(words))
        case _:
            known = (
                "[serve | dead-letters list | dead-letters show | dead-letters replay | dead-letters discard]"
            )
            print(f"usage: python -m services.{handlers.service.replace('-', '_')} {known}", file=sys.stderr)
            sys.exit(0 if words in (["-h"], ["--help"]) else 2)

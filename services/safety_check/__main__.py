"""`python -m services.safety_check`: the service, or one of the commands that people give it."""

import sys

OPERATORS = ("load", "versions", "activate", "rollback", "evaluate", "--help", "-h")


def command(arguments: list[str]) -> int:
    """Imports only what a command needs: whoever evaluates a file has neither broker nor database."""
    if arguments and arguments[0] in OPERATORS:
        from services.safety_check import operator

        return operator.command(arguments)
    from services.safety_check.main import main

    main()
    return 0


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))

"""`python -m services.signing`: the service, or one of the commands that people give it."""

import sys


def command(arguments: list[str]) -> int:
    """Imports only what a command needs: whoever verifies a seal has no broker."""
    match arguments:
        case ["verify", *rest]:
            from services.signing.operator import verify

            return verify(rest)
        case ["export", *rest]:
            from services.signing.operator import export

            return export(rest)
        case _:
            from services.signing.main import main

            main()
            return 0


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))

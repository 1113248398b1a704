"""`python -m services.signing`: the service, its dead letters, or a command about one seal."""

import sys

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["verify" | "export", *_] as words:
            # Before anything else is imported: whoever verifies a seal has no broker and no database.
            from services.signing import operator

            sys.exit(operator.command(words))
        case _:
            from services.signing import operator
            from services.signing.handlers import handlers
            from services.signing.main import keys_opened, main, settings
            from shared import command_line

            command_line.dispatch(handlers, settings, main, resources=keys_opened, operator=operator.command)

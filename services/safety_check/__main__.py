"""`python -m services.safety_check`: the service, or one of the commands that people give it."""

import sys


def command(arguments: list[str]) -> int:
    """Whoever evaluates a file has neither broker nor database: nothing that needs them is imported."""
    if arguments[:1] == ["evaluate"]:
        from services.safety_check.operator import evaluation

        return evaluation.command(arguments[1:])

    from services.safety_check import main
    from services.safety_check.handlers import handlers
    from services.safety_check.operator import commands
    from services.safety_check.settings import Settings
    from shared import command_line

    command_line.dispatch(
        handlers,
        lambda: Settings.from_environment("SAFETY_CHECK"),
        main.main,
        resources=main.catalogue,
        operator=commands.command,
        argv=arguments,
    )


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))

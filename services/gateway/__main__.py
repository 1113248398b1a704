"""`python -m services.gateway` serves; with words after it, it does what an operator asks."""

from services.gateway import main, operator
from services.gateway.handlers import handlers
from services.gateway.settings import Settings
from shared import command_line

if __name__ == "__main__":
    command_line.dispatch(
        handlers, lambda: Settings.from_environment("GATEWAY"), main.main, operator=operator.main
    )

"""`python -m services.notification`: the service, or one of the commands that operators give it."""

from services.notification.handlers import handlers
from services.notification.main import main
from services.notification.settings import Settings
from shared import command_line

if __name__ == "__main__":
    command_line.dispatch(handlers, lambda: Settings.from_environment("NOTIFICATION"), main)

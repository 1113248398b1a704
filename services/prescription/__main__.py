"""`python -m services.prescription`: the service, or one of the commands that operators give it."""

from services.prescription.handlers import handlers
from services.prescription.main import main
from services.prescription.settings import Settings
from shared import command_line

if __name__ == "__main__":
    command_line.dispatch(handlers, lambda: Settings.from_environment("PRESCRIPTION"), main)

"""Moves each prescription from order to end: decides what may happen to it, and tells whoever needs it."""

from services.prescription.handlers import handlers
from services.prescription.settings import Settings
from services.prescription.work import works
from shared.service import run


def main() -> None:
    """Runs the service until it is told to stop."""
    run(handlers, Settings.from_environment("PRESCRIPTION"), works=works)

"""What the prescription service is told by its environment."""

from shared import settings


class Settings(settings.Settings):
    """Nothing beside what every service has: what decides about prescriptions travels with the commands."""

"""What the safety-check service is told by its environment."""

from shared import settings


class Settings(settings.Settings):
    """Nothing of its own: what it knows is shipped with it, or loaded by its operator."""

"""What the signing service is told by its environment."""

from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from shared import settings


class Settings(settings.Settings):
    """Keys are files for now; `production` refuses them, and with them to start."""

    environment: Literal["development", "production"] = "development"
    key_dir: Path
    """Shared by all processes of the service: the first to need a key makes it for all."""
    key_password: SecretStr

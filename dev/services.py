"""What the five services are called, and the environment that each of them gets."""

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.parts import Part

# In the order in which they start: all at once, but a list has one.
SERVICES = ("gateway", "prescription", "safety_check", "signing", "notification")

# The medicines to try things with; loading the same release again changes nothing.
LOAD_CATALOGUE = (
    *("load", "csv", "services/safety_check/data/demo_catalogue.csv"),
    *("--release", "development-2", "--activate"),
)

HEALTH_SECONDS_MAX = 2.0
MAIL_FROM = "Recepta <no-reply@recepta.example>"


@dataclass(frozen=True)
class Instance:
    """One process of a service: `safety-check-0` to people, `SAFETY_CHECK_…` in its environment."""

    service: str
    number: int
    port: int
    """Of its health and metrics; the gateway's only port."""

    @property
    def name(self) -> str:
        return f"{self.service.replace('_', '-')}-{self.number}"

    def is_well(self, question: str) -> bool:
        """Whether `/health/live` or `/health/ready` says yes."""
        try:
            with urllib.request.urlopen(
                self.url(f"/health/{question}"), timeout=HEALTH_SECONDS_MAX
            ) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError, ValueError):
            return False

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@dataclass(frozen=True)
class Surroundings:
    """What the services find around them."""

    database_urls: Mapping[str, str]
    kafka_bootstrap: str
    smtp_port: int
    public_url: str
    secret_key: str
    data_key: str
    signing_key_dir: Path
    signing_key_password: str


def environment(instance: Instance, around: Surroundings, outside: Mapping[str, str]) -> dict[str, str]:
    """The settings of one process. What the environment outside says wins, except over its slot and port."""
    prefix = instance.service.upper()
    port = f"{prefix}_PORT" if instance.service == "gateway" else f"{prefix}_HEALTH_PORT"
    slot = {f"{prefix}_INSTANCE": instance.name, port: str(instance.port)}
    return {"PYTHONUNBUFFERED": "1"} | settings(instance.service, around) | dict(outside) | slot


def settings(service: str, around: Surroundings) -> dict[str, str]:
    """What a service is told here, in whichever process: serving, or doing an operator's command."""
    told = {
        "DATABASE_URL": around.database_urls[service],
        "KAFKA_BOOTSTRAP": around.kafka_bootstrap,
        "LOG_FORMAT": "console",
        **_own(service, around),
    }
    return {f"{service.upper()}_{name}": value for name, value in told.items()}


def _own(service: str, around: Surroundings) -> dict[str, str]:
    match service:
        case "gateway":
            return {
                "HOST": "127.0.0.1",
                "BASE_URL": around.public_url,
                "SECRET_KEY": around.secret_key,
                "DATA_KEY": around.data_key,
            }
        case "signing":
            return {"KEY_DIR": str(around.signing_key_dir), "KEY_PASSWORD": around.signing_key_password}
        case "notification":
            return {
                "SMTP_URL": f"smtp://127.0.0.1:{around.smtp_port}",
                "MAIL_FROM": MAIL_FROM,
                "PUBLIC_URL": around.public_url,
            }
    return {}


def part(instance: Instance, around: Surroundings, outside: Mapping[str, str]) -> Part:
    return Part(
        name=instance.name,
        command=(sys.executable, "-m", f"services.{instance.service}"),
        environment=environment(instance, around, outside),
        # Live, not ready: the gateway is ready only when the seed has given it a catalogue.
        ready=lambda: instance.is_well("live"),
    )

"""What an operator tells the gateway through its environment (GATEWAY_…)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from shared.settings import Settings as ServiceSettings


class Settings(ServiceSettings):
    """Read once at start; secrets and addresses have no defaults."""

    base_url: str = Field(pattern=r"^https?://[^/]+$")
    """Where clients reach this installation; `iss` and `aud` of its tokens."""

    secret_key: SecretStr = Field(min_length=32)
    """What encrypts token keys at rest and signs download links; the same on all instances."""

    data_key: SecretStr = Field(min_length=32)
    """What encrypts the keys of patients' data at rest, the same on all instances; older ones after it, until
    `rotate-data-key` has put everything under the first."""

    environment: Literal["sandbox", "staging", "development", "production"] = "sandbox"
    """What tokens and API keys are bound to; `sandbox` and `staging` have keys of one kind."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    token_algorithm: Literal["ES256", "RS256"] = "ES256"
    token_seconds: int = Field(default=3_600, ge=60, le=86_400)
    pool_max: int = Field(default=12, ge=2, le=200)
    """Connections for requests, beside those of message handlers and relay."""

    look_ups_max: int = Field(default=4, ge=1, le=50)
    """Connections for what each create refers to, beside both."""

    database_role: str | None = "gateway_owner"
    """Whom handlers, relay and migrations act as: row-level security binds the login role alone."""

    trusted_proxies: str = ""
    """Addresses, separated by commas, whose X-Forwarded-For is believed."""

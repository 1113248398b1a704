"""What an operator says of the mail server and of the documents."""

from email.utils import parseaddr
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator

from shared import settings


class Settings(settings.Settings):
    """`NOTIFICATION_…`; the password may stand in a file of its own: `NOTIFICATION_SMTP_PASSWORD_FILE`."""

    smtp_url: Annotated[str, Field(pattern=r"^smtps?://[^/?#]+$")]
    """`smtp://` encrypts where the server offers it, with a user always; `smtps://` from the start."""
    smtp_password: SecretStr | None = None
    smtp_tls_required: bool = False
    smtp_seconds_max: Annotated[float, Field(gt=0, le=60)] = 30.0
    mail_from: str
    """`Recepta <no-reply@rx.example.org>`; Message-IDs end with its domain."""
    verify_url: Annotated[str, Field(pattern=r"^https?://\S*\{code\}\S*$")] | None = None
    """Where the QR code leads, with a place `{code}`; none: it holds the prescription code itself."""

    @field_validator("mail_from")
    @classmethod
    def _has_an_address(cls, value: str) -> str:
        local, _, domain = parseaddr(value)[1].partition("@")
        if not local or not domain:
            raise ValueError("no address")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _has_a_host(cls, value: str) -> str:
        found = urlsplit(value)
        if not found.hostname or found.port == 0:
            raise ValueError("no host")
        return value

    @property
    def mail_name(self) -> str:
        return parseaddr(self.mail_from)[0]

    @property
    def mail_address(self) -> str:
        return parseaddr(self.mail_from)[1]

    @property
    def smtp_host(self) -> str:
        return urlsplit(self.smtp_url).hostname or ""

    @property
    def smtp_port(self) -> int:
        found = urlsplit(self.smtp_url)
        return found.port or (465 if found.scheme == "smtps" else 587)

    @property
    def smtp_tls(self) -> Literal["auto", "required", "implicit"]:
        if urlsplit(self.smtp_url).scheme == "smtps":
            return "implicit"
        return "required" if self.smtp_tls_required else "auto"

    @property
    def smtp_user(self) -> str | None:
        user = urlsplit(self.smtp_url).username
        return unquote(user) if user else None

"""A one-time password on its way to the person it verifies."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.notification.domain.printed import Language


@dataclass(frozen=True)
class OneTimePassword:
    """A code for one reader; past `expires_at` it is not sent any more."""

    id: UUID
    code: str = field(repr=False)
    email_address: str = field(repr=False)
    language: Language
    time_zone: str
    asked_by: str
    requested_at: datetime
    expires_at: datetime

"""One delivery by mail: its Message-ID, when it is tried again, and how its address is shown."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.notification.domain.printed import PrintedPrescription

# The last wait repeats until a day has passed since the delivery was asked for.
WAITS: Final = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 120, 600, 1_800, 3_600, 7_200))
TRYING_MAX: Final = timedelta(hours=24)


@dataclass(frozen=True)
class Refusal:
    """Why the mail can never arrive, as a code of ours and the receiving server's number: never its text."""

    code: str
    smtp_status: int | None = None

    def __str__(self) -> str:
        return self.code if self.smtp_status is None else f"{self.code} ({self.smtp_status})"


TRIED_TOO_LONG: Final = Refusal("not_accepted_within_24_hours")
UNPRINTABLE: Final = Refusal("document_not_made")


@dataclass(frozen=True)
class Delivery:
    """One mail to one address; its `message_id` comes with the first attempt and stays."""

    tenant_id: UUID
    id: UUID
    prescription_id: UUID
    email_address: str
    printed: PrintedPrescription
    requested_at: datetime
    correlation: str | None = None
    message_id: str = ""
    attempts: int = 0

    def next_attempt(self, now: datetime) -> datetime | None:
        """When to try again; None once a day has been spent on it."""
        due = now + WAITS[min(self.attempts, len(WAITS)) - 1]
        return due if due <= self.requested_at + TRYING_MAX else None


def message_id(delivery_id: UUID, domain: str) -> str:
    """The Message-ID of a delivery, the same for ever: whoever counts Message-IDs counts deliveries."""
    return f"<{delivery_id}@{domain}>"


def masked(address: str) -> str:
    """An address that its owner recognises and nobody else can use: `a***@e***.example`."""
    local, _, domain = address.rpartition("@")
    name, dot, ending = domain.rpartition(".")
    if not dot:
        name, ending = ending, ""
    return f"{local[:1]}***@{name[:1]}***{dot}{ending}"

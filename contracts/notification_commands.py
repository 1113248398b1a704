"""What the gateway asks of notification, on `notification-commands-v1`."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Command, Event
from contracts.values import Prescription, Text


class NotificationCommand(Command, Event):
    """A command about one prescription that the notification service executes."""

    topic: ClassVar[str] = "notification-commands-v1"
    source: ClassVar[str] = "/gateway"


class MakeDocument(NotificationCommand):
    """Make the PDF of a prescription in this state and language; the answer is `DocumentFinished`."""

    ce_type: ClassVar[str] = "recepta.notification.make-document.v1"

    document_id: UUID
    language: str
    prescription: Prescription


class SendOneTimePassword(NotificationCommand):
    """Mail a code to the person it verifies, once, while it lives; its request is answered at acceptance.

    Whoever reads the code can pass for that person: no dead letter keeps it.
    """

    ce_type: ClassVar[str] = "recepta.notification.send-one-time-password.v1"
    perishable: ClassVar[bool] = True

    otp_id: UUID
    code: Annotated[str, Field(pattern="^[0-9]{6}$", repr=False)]
    email_address: Annotated[str, Field(repr=False)]
    language: str
    time_zone: str = "UTC"
    asked_by: Text
    """The pharmacy, by the name that the person knows."""
    expires_at: AwareDatetime

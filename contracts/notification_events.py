"""Deliveries and finished documents, on `notification-events-v1`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import AwareDatetime, Base64Bytes, Field

from contracts.message import Event
from contracts.values import Text

DOCUMENT_BYTES_MAX: Final = 512 * 1024


class NotificationEvent(Event):
    """Something that the notification service announces about one prescription."""

    topic: ClassVar[str] = "notification-events-v1"
    source: ClassVar[str] = "/notification"


class DeliverySucceeded(NotificationEvent):
    """The receiving server took the mail."""

    ce_type: ClassVar[str] = "recepta.notification.delivery-succeeded.v1"

    delivery_id: UUID
    message_id: str
    delivered_at: AwareDatetime


class DeliveryFailed(NotificationEvent):
    """The mail was refused for good, or could not be handed over within 24 hours."""

    ce_type: ClassVar[str] = "recepta.notification.delivery-failed.v1"

    delivery_id: UUID
    message_id: str
    reason: Text
    failed_at: AwareDatetime


class DocumentFinished(NotificationEvent):
    """A PDF as bytes of at most 512 KiB: the outcome of `MakeDocument`."""

    ce_type: ClassVar[str] = "recepta.notification.document-finished.v1"

    request_id: UUID
    document_id: UUID
    revision: int = Field(ge=1)
    language: str
    sha256: str
    content: Annotated[Base64Bytes, Field(max_length=DOCUMENT_BYTES_MAX * 2)]

"""What the gateway asks of notification, on `notification-commands-v1`."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from contracts.message import Command
from contracts.values import Prescription


class MakeDocument(Command):
    """Make the PDF of a prescription in this state and language; the answer is `DocumentFinished`."""

    topic: ClassVar[str] = "notification-commands-v1"
    source: ClassVar[str] = "/gateway"
    ce_type: ClassVar[str] = "recepta.notification.make-document.v1"

    document_id: UUID
    language: str
    prescription: Prescription

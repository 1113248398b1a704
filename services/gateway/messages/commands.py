"""What clients ask about prescriptions, as the commands that prescription and notification execute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from contracts.message import Caller
from contracts.notification_commands import MakeDocument
from contracts.prescription_commands import NoteAccess, ResendPrescription, VoidPrescription
from contracts.values import Prescription
from shared import ids

DEADLINE: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Asking:
    """Who asks for what prescription, and when: what every command from HTTP begins with."""

    caller: Caller
    request_id: UUID
    tenant_id: UUID
    prescription_id: UUID
    now: datetime

    def head(self) -> Mapping[str, Any]:
        return {
            "tenant_id": self.tenant_id,
            "prescription_id": self.prescription_id,
            "request_id": self.request_id,
            "caller": self.caller,
            "deadline": self.now + DEADLINE,
        }


def record_head(caller: Caller, request_id: UUID, tenant_id: UUID, now: datetime) -> Mapping[str, Any]:
    """What every command from HTTP about a consultation or a template begins with."""
    return {
        "tenant_id": tenant_id,
        "request_id": request_id,
        "caller": caller,
        "deadline": now + DEADLINE,
    }


def void(asking: Asking, *, reason: str, reason_code: str, doctor_id: UUID | None) -> VoidPrescription:
    return VoidPrescription(**asking.head(), reason=reason, reason_code=reason_code, doctor_id=doctor_id)


def resend(asking: Asking, *, channel: str, email_address: str | None) -> ResendPrescription:
    return ResendPrescription(
        **asking.head(), delivery_id=ids.new(), channel=channel, email_address=email_address
    )


def make_document(asking: Asking, prescription: Prescription, *, language: str) -> MakeDocument:
    """The PDF of this very state; the document of an issued prescription has its number from prescription."""
    return MakeDocument(
        **asking.head(),
        document_id=prescription.signed_document_id or ids.new(),
        language=language,
        prescription=prescription,
    )


def note_download(asking: Asking) -> NoteAccess:
    return NoteAccess(**asking.head(), what="pdf_downloaded")

"""How doctors are shown to their provider."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contracts.values import Doctor
from services.gateway.messages import ids
from services.gateway.messages.products import moment


def doctor(record: Doctor, *, status: str, created_at: datetime, updated_at: datetime) -> dict[str, Any]:
    """A doctor's whole record; `status` is the registration's as of today."""
    fields = record.model_dump(mode="json", exclude={"doctor_id"})
    return {
        "doctor_id": ids.spell("doc", record.doctor_id),
        **fields,
        "registration_status": status,
        "signing_key": None,
        "created_at": moment(created_at),
        "updated_at": moment(updated_at),
    }

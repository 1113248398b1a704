"""How doctors are kept and shown to their provider."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from pydantic import Field

from contracts.values import Doctor
from services.gateway.messages import ids
from services.gateway.messages.moments import moment

# Of the older registration request: they have one value here.
_ALWAYS: Final = {
    "provider_type": "DOCTOR",
    "entity_type": "NATURAL",
    "external_registry": False,
    "electronic_invoice_enabled": False,
}


class ListedDoctor(Doctor):
    """A doctor as the directory keeps them: with what no prescription needs to know."""

    identity_document_expiration_date: date | None = None
    state_name: str | None = None
    city_subdivision_name: str | None = None
    registration_valid_until: date | None = None
    time_zone: str | None = None
    locale: str | None = None
    external_ids: dict[str, str] = Field(default_factory=dict)


def standing(status: str, valid_until: date | None, today: date) -> str:
    """A registration as it is today: an active one that has run out is `EXPIRED`."""
    over = valid_until is not None and valid_until < today
    return "EXPIRED" if status == "ACTIVE" and over else status


def doctor(
    record: ListedDoctor, *, status: str, created_at: datetime, updated_at: datetime
) -> dict[str, Any]:
    """A doctor's whole record; `status` is the registration's as of today."""
    fields = record.model_dump(mode="json", exclude={"doctor_id", "external_ids"})
    return {
        "doctor_id": ids.spell("doc", record.doctor_id),
        **fields,
        **_ALWAYS,
        "registration_status": status,
        "signing_key": None,
        "created_at": moment(created_at),
        "updated_at": moment(updated_at),
    }

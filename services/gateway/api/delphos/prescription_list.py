"""The list of a tenant's prescriptions (delphos-dialect 5.3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from pydantic import ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.api.delphos.prescriptions import Origin
from services.gateway.auth.rights import READ
from services.gateway.checks.delphos.fields import DayOrMoment, Nothing, OptionalUuid, Page, StatusWord
from services.gateway.messages import by_the_clock
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import prescriptions
from services.gateway.messages.delphos.prescriptions import PrescriptionList
from services.gateway.store import prescription_lists
from services.gateway.store.prescription_lists import Filter

endpoints = Endpoints("Prescriptions")


class Wanted(Page):
    """Filters, all of which must fit."""

    patient_id: OptionalUuid = None
    doctor_id: OptionalUuid = None
    status: StatusWord | None = None
    origin: Origin | None = None
    consultation_id: OptionalUuid = None
    date_from: DayOrMoment | None = None
    date_to: DayOrMoment | None = None

    @field_validator("date_to")
    @classmethod
    def _after_its_beginning(cls, date_to: Any, info: ValidationInfo) -> Any:
        date_from = info.data.get("date_from")
        if date_from is not None and date_to is not None and _begin(date_from) > _end(date_to):
            raise PydanticCustomError("value_error", "Value error, date_from is after date_to")
        return date_to


@endpoints.read("/v1/prescriptions", permission=READ, query=Wanted, answer=PrescriptionList)
async def list_prescriptions(call: Call[Wanted, Nothing]) -> Answer:
    """List prescriptions, newest first."""
    sent = call.query
    found, total = await prescription_lists.page(
        call.gateway.pool,
        tenant_id=call.tenant_id,
        now=call.now,
        wanted=_filter(sent),
        limit=sent.limit,
        offset=sent.offset,
    )
    shown = (by_the_clock.as_of(one, call.now) for one in found)
    return Answer(200, prescriptions.page(shown, total=total, limit=sent.limit, offset=sent.offset).body())


def _filter(sent: Wanted) -> Filter:
    return Filter(
        status=sent.status,
        origin=None if sent.origin is None else sent.origin.value,
        consultation_id=sent.consultation_id,
        patient_id=sent.patient_id,
        doctor_id=sent.doctor_id,
        created_from=None if sent.date_from is None else _begin(sent.date_from),
        created_to=None if sent.date_to is None else _end(sent.date_to),
    )


def _begin(sent: date | datetime) -> datetime:
    """A day begins at midnight in UTC."""
    return sent if isinstance(sent, datetime) else datetime.combine(sent, time.min, UTC)


def _end(sent: date | datetime) -> datetime:
    """The last moment of a day, to the microsecond that is stored."""
    return sent if isinstance(sent, datetime) else datetime.combine(sent, time.max, UTC)

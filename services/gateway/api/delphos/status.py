"""The next step of a prescription's life, signing among them (delphos-dialect 3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from contracts.drafting_commands import ChangeStatus
from contracts.values import Status
from services.gateway.api.delphos import readers, references
from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.api.delphos.prescriptions import ONE
from services.gateway.auth.rights import DISPENSE, SIGN, WRITE
from services.gateway.checks.delphos.fields import (
    Moment,
    NoQuery,
    OptionalUuid,
    Reason,
    Sent,
    StatusWord,
    in_future,
)
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos.prescriptions import PrescriptionDetail

PERMISSIONS: Final = {Status.SIGNED: SIGN, Status.DISPENSED: DISPENSE}
"""By target; all others need the permission to write."""

BELONGS_TO: Final = {
    "signed_by": Status.SIGNED,
    "valid_until": Status.VALIDATED,
    "reason": Status.CANCELLED,
}
"""The fields that one target demands, and no other takes (3.2)."""

endpoints = Endpoints("Status")


class NextStatus(Sent):
    status: StatusWord
    signed_by: OptionalUuid = Field(None, validate_default=True)
    valid_until: Moment | None = Field(None, validate_default=True)
    reason: Reason = Field(None, validate_default=True)

    @field_validator(*BELONGS_TO)
    @classmethod
    def _with_its_target(cls, sent: Any, info: ValidationInfo) -> Any:
        target = info.data.get("status")
        if target is None or info.field_name is None:
            return sent  # The status itself is told of.
        demanded = BELONGS_TO[info.field_name] is target
        if demanded and sent is None:
            raise PydanticKnownError("missing")
        if not demanded and sent is not None:
            raise PydanticCustomError("field_not_applicable", "Does not belong to this status.")
        return sent

    @field_validator("valid_until")
    @classmethod
    def _in_future(cls, sent: datetime | None) -> datetime | None:
        return None if sent is None else in_future(sent)


@endpoints.write(
    "PATCH",
    f"{ONE}/status",
    permission=None,
    body=NextStatus,
    answer=PrescriptionDetail,
    errors=(
        *("permission_denied", "resource_not_found", "version_mismatch", "invalid_transition"),
        *("signing_in_progress", "already_being_dispensed", "items_required", "items_incomplete"),
        *("unacknowledged_interactions", "prescription_expired", "policy_refused", "safety_check_failed"),
        *("field_not_applicable", "not_in_future", "unknown_reference", "inactive_reference"),
        *("signer_not_allowed", "signing_key_not_enrolled", "signing_refused"),
    ),
)
async def change_status(call: Call[NoQuery, NextStatus]) -> Answer:
    """Take the next step of its life, or cancel it.

    `signed` needs `prescriptions:sign`, `dispensed` `dispensing:write`, all others `prescriptions:write`.
    """
    sent = call.body
    call.caller.demand(PERMISSIONS.get(sent.status, WRITE))
    stored = await readers.stored_or_none(call, call.path["prescription_id"])
    named = await references.of_step(call, stored, sent.status, sent.signed_by)
    command = ChangeStatus(
        **call.head(call.path["prescription_id"], doctor_id=named.signer.doctor_id if named.signer else None),
        **named.of_step(),
        status=sent.status,
        signed_by=sent.signed_by,
        valid_until=sent.valid_until,
        reason=sent.reason,
    )
    return await readers.ask(call, command)

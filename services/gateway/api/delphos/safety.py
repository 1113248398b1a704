"""Checks that are asked for, and doctors who answer for findings (delphos-dialect 7.1, 7.4)."""

from __future__ import annotations

from uuid import UUID

from contracts.drafting_commands import AcknowledgeFindings, CheckSafety
from services.gateway.api.delphos import readers, references
from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.api.delphos.prescriptions import ONE
from services.gateway.auth.rights import SIGN, WRITE
from services.gateway.checks.delphos.fields import NoQuery, Nothing, Reason, Sent, Uuid
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos.prescriptions import PrescriptionDetail
from services.gateway.messages.delphos.safety import CheckResult

_REFUSED = (
    *("resource_not_found", "version_mismatch", "terminal_state"),
    *("unknown_reference", "inactive_reference", "reason_required"),
)

endpoints = Endpoints("Safety")


class Acknowledgement(Sent):
    acknowledged_by: Uuid
    reason: Reason = None


@endpoints.write(
    "POST",
    f"{ONE}/safety-check",
    permission=WRITE,
    body=Nothing,
    answer=CheckResult,
    errors=("resource_not_found", "version_mismatch", "terminal_state", "safety_check_failed"),
)
async def check_safety(call: Call[NoQuery, Nothing]) -> Answer:
    """Check every item now."""
    return await readers.ask(call, CheckSafety(**call.head(call.path["prescription_id"])))


@endpoints.write(
    "POST",
    f"{ONE}/interactions/{{interaction_id}}/acknowledge",
    permission=SIGN,
    body=Acknowledgement,
    answer=PrescriptionDetail,
    errors=_REFUSED,
)
async def acknowledge(call: Call[NoQuery, Acknowledgement]) -> Answer:
    """Answer for one finding."""
    return await _acknowledge(call, (call.path["interaction_id"],))


@endpoints.write(
    "POST",
    f"{ONE}/interactions/acknowledge-all",
    permission=SIGN,
    body=Acknowledgement,
    answer=PrescriptionDetail,
    errors=_REFUSED,
)
async def acknowledge_all(call: Call[NoQuery, Acknowledgement]) -> Answer:
    """Answer for every finding that nobody has answered for."""
    return await _acknowledge(call, None)


async def _acknowledge(call: Call[NoQuery, Acknowledgement], finding_ids: tuple[UUID, ...] | None) -> Answer:
    sent = call.body
    unresolved = await references.doctor_unresolved(call, sent.acknowledged_by, "acknowledged_by")
    doctor_id = None if unresolved else sent.acknowledged_by
    command = AcknowledgeFindings(
        **call.head(call.path["prescription_id"], doctor_id=doctor_id),
        finding_ids=finding_ids,
        acknowledged_by=sent.acknowledged_by,
        unresolved=unresolved,
        reason=sent.reason,
    )
    return await readers.ask(call, command)

"""Consultations, and the prescription that follows from one by itself (delphos-dialect 8)."""

from __future__ import annotations

from typing import Any, Final

from contracts.drafting_commands import CreateFromConsultation
from contracts.record_commands import PutConsultation
from services.gateway.api.delphos import readers, references
from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.api.delphos.prescriptions import REFERENCES
from services.gateway.auth.rights import READ, WRITE
from services.gateway.checks.delphos import consultations as checks
from services.gateway.checks.delphos.consultations import SentConsultation
from services.gateway.checks.delphos.fields import NoQuery, Sent, Uuid
from services.gateway.messages.answers import Answer
from services.gateway.messages.commands import record_head
from services.gateway.messages.delphos import consultations as messages
from services.gateway.messages.delphos.prescriptions import WrappedPrescription
from services.gateway.messages.delphos.words import tagged
from services.gateway.messages.errors import Problem
from services.gateway.store import records, tenancy
from shared import ids

ONE: Final = "/v1/consultations/{consultation_id}"
BYTES_MAX: Final = 1024 * 1024

endpoints = Endpoints("Consultations")


class AutoCreate(Sent):
    """For whom, by whom, from what."""

    consultation_id: Uuid
    patient_id: Uuid
    doctor_id: Uuid


@endpoints.read(ONE, permission=READ, answer=messages.Consultation, errors=("resource_not_found",))
async def get_consultation(call: Call[NoQuery, Any]) -> Answer:
    """Read a consultation."""
    found = await records.find_consultation(call.gateway.pool, call.tenant_id, call.path["consultation_id"])
    if found is None:
        raise Problem("resource_not_found")
    return tagged(200, messages.render(found), found.version)


@endpoints.write(
    "PUT",
    ONE,
    permission=WRITE,
    body=SentConsultation,
    answer=messages.Consultation,
    also=(201,),
    bytes_max=BYTES_MAX,
    errors=("invalid_transition", "unknown_reference", "consultation_mismatch", "version_mismatch"),
)
async def put_consultation(call: Call[NoQuery, SentConsultation]) -> Answer:
    """Hand a consultation in, or replace it whole."""
    async with tenancy.transaction(call.gateway.pool, call.tenant_id) as conn:
        unresolved = await checks.unresolved(conn, call.tenant_id, call.body)
    command = PutConsultation(
        **record_head(call.caller.caller(), call.request_id, call.tenant_id, call.now),
        record_id=call.path["consultation_id"],
        expected_version=call.expected_version,
        unresolved=unresolved,
        **call.body.members(),
    )
    return await call.ask(command)


@endpoints.write(
    "POST",
    "/v1/prescriptions/auto-create",
    permission=WRITE,
    body=AutoCreate,
    status=201,
    answer=WrappedPrescription,
    errors=(
        *("resource_not_found", "consultation_not_completed", "prescription_exists", "items_limit"),
        *(*REFERENCES, "no_medication_entities", "safety_check_failed"),
    ),
)
async def create_from_consultation(call: Call[NoQuery, AutoCreate]) -> Answer:
    """Make the one draft that follows from a completed consultation, checked."""
    sent = call.body
    people = await references.people(call, patient_id=sent.patient_id, doctor_id=sent.doctor_id)
    command = CreateFromConsultation(
        **call.asking(ids.new()).head(), **people.of_draft(), consultation_id=sent.consultation_id
    )
    return await readers.ask(call, command)

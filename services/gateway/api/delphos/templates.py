"""Templates: listed, read, deleted, and prescribed from (delphos-dialect 9.2, 9.3)."""

from __future__ import annotations

from typing import Any, Final

from contracts.drafting_commands import CreateFromTemplate
from contracts.record_commands import DeleteTemplate
from services.gateway.api.delphos import readers, references
from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.api.delphos.prescriptions import REFERENCES
from services.gateway.auth.rights import READ, WRITE
from services.gateway.checks.delphos.fields import NoQuery, Nothing, OptionalUuid, Page, Sent, Uuid
from services.gateway.messages.answers import Answer
from services.gateway.messages.commands import record_head
from services.gateway.messages.delphos import templates as messages
from services.gateway.messages.delphos.prescriptions import WrappedPrescription
from services.gateway.messages.delphos.words import tagged
from services.gateway.messages.errors import Problem
from services.gateway.store import records
from shared import ids

ALL: Final = "/v1/templates"
ONE: Final = "/v1/templates/{template_id}"

endpoints = Endpoints("Templates")


class FromTemplate(Sent):
    """For whom, by whom, with what."""

    template_id: Uuid
    patient_id: Uuid
    doctor_id: Uuid
    consultation_id: OptionalUuid = None


@endpoints.read(ALL, permission=READ, query=Page, answer=messages.TemplateList)
async def list_templates(call: Call[Page, Any]) -> Answer:
    """List templates by name."""
    page = call.query
    found, total = await records.templates(
        call.gateway.pool, call.tenant_id, limit=page.limit, offset=page.offset
    )
    shown = messages.TemplateList(
        templates=[messages.render(one) for one in found], total=total, limit=page.limit, offset=page.offset
    )
    return Answer(200, shown.body())


@endpoints.read(ONE, permission=READ, answer=messages.Template, errors=("resource_not_found",))
async def get_template(call: Call[NoQuery, Any]) -> Answer:
    """Read a template."""
    found = await records.find_template(call.gateway.pool, call.tenant_id, call.path["template_id"])
    if found is None:
        raise Problem("resource_not_found")
    return tagged(200, messages.render(found), found.version)


@endpoints.write(
    "DELETE",
    ONE,
    permission=WRITE,
    status=204,
    answer=None,
    errors=("resource_not_found", "version_mismatch"),
)
async def delete_template(call: Call[NoQuery, Nothing]) -> Answer:
    """Delete a template; prescriptions made from it stay."""
    command = DeleteTemplate(
        **record_head(call.caller.caller(), call.request_id, call.tenant_id, call.now),
        record_id=call.path["template_id"],
        expected_version=call.expected_version,
    )
    return await call.ask(command)


@endpoints.write(
    "POST",
    "/v1/prescriptions/from-template",
    permission=WRITE,
    body=FromTemplate,
    status=201,
    answer=WrappedPrescription,
    errors=("resource_not_found", *REFERENCES, "items_limit"),
)
async def create_from_template(call: Call[NoQuery, FromTemplate]) -> Answer:
    """Make a draft with the items of a template."""
    sent = call.body
    people = await references.people(call, patient_id=sent.patient_id, doctor_id=sent.doctor_id)
    command = CreateFromTemplate(
        **call.asking(ids.new()).head(),
        **people.of_draft(),
        template_id=sent.template_id,
        consultation_id=sent.consultation_id,
    )
    return await readers.ask(call, command)

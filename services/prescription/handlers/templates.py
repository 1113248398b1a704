"""What doctors keep to prescribe again."""

from contracts.drafting_commands import CreateFromTemplate, SaveAsTemplate
from contracts.record_commands import DeleteTemplate
from services.prescription import store
from services.prescription.commands import (
    begin,
    carry_out,
    patient_as_told,
    question,
    take_in,
    take_up,
    unfit_consultation,
)
from services.prescription.domain import assembling, editing
from services.prescription.domain import template as templates
from services.prescription.domain.refusal import refuse_if
from services.prescription.handlers.registry import handlers
from services.prescription.messages import drafts, reading, records, telling
from shared import clock
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(SaveAsTemplate)
async def save_as_template(command: SaveAsTemplate, conn: Connection, outbox: Outbox) -> None:
    """Keep what a prescription says under a name of its own; the prescription stays as it is."""
    asked = take_up(conn, command)
    saved = templates.save(
        asked.prescription,
        id=command.template_id,
        name=command.name,
        description=command.description,
        name_taken=await store.name_taken(conn, command.tenant_id, command.name),
        at=asked.now.at,
    )

    store.save_template(conn, saved)
    whole = carry_out(conn, outbox, asked.before, asked.prescription)
    outbox.announce(
        records.template_changed(saved),
        telling.succeeded(whole, command.request_id, template=records.whole_template(saved)),
    )


@handlers.on(CreateFromTemplate)
async def create_from_template(command: CreateFromTemplate, conn: Connection, outbox: Outbox) -> None:
    """Make a draft with the lines of a template; its check begins by itself, and nobody waits for it."""
    now = take_in(conn, command)
    template = store.template(conn, command.tenant_id, command.template_id)
    refuse_if([*drafts.people_missing(command), *unfit_consultation(conn, command)])
    editing.at_most(len(template.items), command.policy.max_medications)
    empty = drafts.draft_from_template(command, template, now.at)
    patient = patient_as_told(conn, empty)
    lines = template.lines(empty.id)
    items = await store.resolve_items(conn, lines, country=command.provider.country)
    draft = assembling.begin(empty, items, patient.asked_with(empty), now)
    to_ask = await question(conn, empty, draft, patient, now)

    whole = begin(conn, outbox, draft, patient)
    outbox.announce(*to_ask, telling.succeeded(whole, command.request_id))


@handlers.on(DeleteTemplate)
async def delete_template(command: DeleteTemplate, conn: Connection, outbox: Outbox) -> None:
    """Show it to nobody any more; its name is free, and what was made from it stays."""
    reading.in_time(command, clock.now())
    before = store.template(conn, command.tenant_id, command.record_id)
    after = before.delete(expected_version=command.expected_version)

    store.save_template(conn, after)
    outbox.announce(records.template_changed(after), records.succeeded(command, template=after))

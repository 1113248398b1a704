"""What doctors keep to prescribe again."""

from contracts.drafting_commands import SaveAsTemplate
from contracts.record_commands import DeleteTemplate
from services.prescription import store
from services.prescription.commands import carry_out, take_up
from services.prescription.domain import template as templates
from services.prescription.handlers.registry import handlers
from services.prescription.messages import reading, records, telling
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


@handlers.on(DeleteTemplate)
async def delete_template(command: DeleteTemplate, conn: Connection, outbox: Outbox) -> None:
    """Show it to nobody any more; its name is free, and what was made from it stays."""
    reading.in_time(command, clock.now())
    before = store.template(conn, command.tenant_id, command.record_id)
    after = before.delete(expected_version=command.expected_version)

    store.save_template(conn, after)
    outbox.announce(records.template_changed(after), records.succeeded(command, template=after))

"""Writing a prescription step by step, until somebody approves it."""

from contracts.drafting_commands import AddItem, ChangeItem, ChangeMetadata, CreatePrescription, RemoveItem
from services.prescription import store
from services.prescription.commands import (
    begin,
    carry_out,
    checked_again,
    patient_as_told,
    take_in,
    take_up,
    unfit_consultation,
)
from services.prescription.domain import editing
from services.prescription.domain.refusal import refuse_if
from services.prescription.handlers.registry import handlers
from services.prescription.messages import drafts, particulars, telling
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(CreatePrescription)
async def create_prescription(command: CreatePrescription, conn: Connection, outbox: Outbox) -> None:
    """Begin an empty draft for a patient; its items come one by one."""
    now = take_in(conn, command)
    refuse_if([*drafts.people_missing(command), *unfit_consultation(conn, command)])
    empty = drafts.draft(command, now.at)
    patient = patient_as_told(conn, empty)
    draft = editing.create(empty, now)

    whole = begin(conn, outbox, draft, patient)
    outbox.announce(telling.succeeded(whole, command.request_id))


@handlers.on(ChangeMetadata)
async def change_metadata(command: ChangeMetadata, conn: Connection, outbox: Outbox) -> None:
    """Change what is said about it; another type of prescription is checked anew."""
    asked = take_up(conn, command)
    said = drafts.metadata(command, asked.prescription)
    edited = editing.change_metadata(
        asked.prescription,
        notes=said.notes,
        valid_until=said.valid_until,
        prescription_type=said.prescription_type,
        occasion=asked.now,
    )
    after, question = await checked_again(conn, asked, edited)

    whole = carry_out(conn, outbox, asked.before, after)
    outbox.announce(*question, telling.succeeded(whole, command.request_id))


@handlers.on(AddItem)
async def add_item(command: AddItem, conn: Connection, outbox: Outbox) -> None:
    """One more line, and a check of all of them, which nobody waits for."""
    asked = take_up(conn, command)
    country = particulars.of(asked.prescription).provider.country
    (item,) = await store.resolve_items(conn, [drafts.added_item(command)], country=country)
    edited = editing.add_item(
        asked.prescription, item, items_max=command.policy.max_medications, occasion=asked.now
    )
    after, question = await checked_again(conn, asked, edited)

    whole = carry_out(conn, outbox, asked.before, after)
    outbox.announce(*question, telling.succeeded(whole, command.request_id, item_id=item.id))


@handlers.on(ChangeItem)
async def change_item(command: ChangeItem, conn: Connection, outbox: Outbox) -> None:
    """Change a line; what the check looks at is checked anew."""
    asked = take_up(conn, command, named=lambda one: editing.item_named(one, command.item_id))
    before = editing.item_named(asked.prescription, command.item_id)
    item = drafts.changed_item(command, before)
    if drafts.names_another(before, item):
        country = particulars.of(asked.prescription).provider.country
        (item,) = await store.resolve_items(conn, [item], country=country)
    edited = editing.change_item(asked.prescription, item, occasion=asked.now)
    after, question = await checked_again(conn, asked, edited)

    whole = carry_out(conn, outbox, asked.before, after)
    outbox.announce(*question, telling.succeeded(whole, command.request_id, item_id=item.id))


@handlers.on(RemoveItem)
async def remove_item(command: RemoveItem, conn: Connection, outbox: Outbox) -> None:
    """Take a line away, and check what is left."""
    asked = take_up(conn, command, named=lambda one: editing.item_named(one, command.item_id))
    edited = editing.remove_item(asked.prescription, command.item_id, occasion=asked.now)
    after, question = await checked_again(conn, asked, edited)

    whole = carry_out(conn, outbox, asked.before, after)
    outbox.announce(*question, telling.succeeded(whole, command.request_id, item_id=command.item_id))

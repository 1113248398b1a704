"""Items of a prescription, one by one (delphos-dialect 6)."""

from __future__ import annotations

from typing import Final

from contracts.drafting_commands import AddItem, ChangeItem, RemoveItem
from contracts.values import ItemOrder
from services.gateway.api.delphos import readers
from services.gateway.api.delphos.endpoint import Call, Endpoints
from services.gateway.api.delphos.prescriptions import ONE
from services.gateway.auth.rights import WRITE
from services.gateway.checks.delphos.fields import (
    Changes,
    Instructions,
    Name,
    NoQuery,
    Nothing,
    OptionalName,
    OptionalPosology,
    OptionalUuid,
    Posology,
    Quantity,
    Route,
    Sent,
    Unit,
)
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos.items import PrescriptionItem
from shared import ids

ITEM: Final = f"{ONE}/items/{{item_id}}"
_REFUSED: Final = ("resource_not_found", "version_mismatch", "not_editable")

endpoints = Endpoints("Items")


class NewItem(Sent):
    medication_name: Name
    dosage: Posology
    route: Route
    frequency: Posology
    active_ingredient: OptionalName = None
    duration: OptionalPosology = None
    quantity: Quantity | None = None
    unit: Unit = None
    instructions: Instructions = None
    clinical_notes: Instructions = None
    cmed_medication_id: OptionalUuid = None


class ItemChanges(Changes):
    medication_name: Name = ""
    dosage: Posology = ""
    route: Route = ""
    frequency: Posology = ""
    active_ingredient: OptionalName = None
    duration: OptionalPosology = None
    quantity: Quantity | None = None
    unit: Unit = None
    instructions: Instructions = None
    clinical_notes: Instructions = None
    cmed_medication_id: OptionalUuid = None


@endpoints.write(
    "POST",
    f"{ONE}/items",
    permission=WRITE,
    body=NewItem,
    status=201,
    answer=PrescriptionItem,
    errors=(*_REFUSED, "items_limit", "unknown_reference"),
)
async def add_item(call: Call[NoQuery, NewItem]) -> Answer:
    """Add an item to a draft, or to one under review."""
    command = AddItem(
        **call.head(call.path["prescription_id"]),
        policy=call.caller.settings.policy,
        item=ItemOrder(item_id=ids.new(), **call.body.model_dump()),
    )
    return await readers.ask(call, command)


@endpoints.write(
    "PATCH",
    ITEM,
    permission=WRITE,
    body=ItemChanges,
    answer=PrescriptionItem,
    errors=(*_REFUSED, "unknown_reference"),
)
async def change_item(call: Call[NoQuery, ItemChanges]) -> Answer:
    """Change what is sent of an item."""
    command = ChangeItem(
        **call.head(call.path["prescription_id"]), item_id=call.path["item_id"], changes=call.body.named
    )
    return await readers.ask(call, command)


@endpoints.write(
    "DELETE",
    ITEM,
    permission=WRITE,
    body=Nothing,
    status=204,
    answer=None,
    errors=(*_REFUSED, "last_item"),
)
async def remove_item(call: Call[NoQuery, Nothing]) -> Answer:
    """Remove an item; the history keeps it."""
    command = RemoveItem(**call.head(call.path["prescription_id"]), item_id=call.path["item_id"])
    return await readers.ask(call, command)

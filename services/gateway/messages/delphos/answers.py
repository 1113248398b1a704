"""How commands about prescriptions are answered in this dialect, when they succeed (section 1)."""

from __future__ import annotations

from contracts.command_outcomes import CommandSucceeded
from contracts.drafting_commands import (
    AcknowledgeFindings,
    AddItem,
    ChangeItem,
    ChangeMetadata,
    ChangeStatus,
    CheckSafety,
    CreateFromConsultation,
    CreateFromTemplate,
    CreatePrescription,
    RemoveItem,
    SaveAsTemplate,
)
from contracts.prescription_commands import NoteAccess
from contracts.values import Item
from services.gateway.messages import languages
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import items, prescriptions, safety, templates
from services.gateway.messages.delphos.prescriptions import WrappedPrescription
from services.gateway.messages.delphos.reader import Reader
from services.gateway.messages.delphos.words import Shown, tagged
from services.gateway.messages.outcomes import answers
from services.gateway.messages.requests import Request


@answers(CreatePrescription)
@answers(CreateFromTemplate)
@answers(CreateFromConsultation)
def created(outcome: CommandSucceeded, request: Request) -> Answer:
    whole = prescriptions.detail(outcome.prescription, _reader(request))
    return _about(outcome, 201, WrappedPrescription(prescription=whole))


@answers(ChangeMetadata)
@answers(ChangeStatus)
@answers(AcknowledgeFindings)
def changed(outcome: CommandSucceeded, request: Request) -> Answer:
    return _about(outcome, 200, prescriptions.detail(outcome.prescription, _reader(request)))


@answers(AddItem)
def item_added(outcome: CommandSucceeded, request: Request) -> Answer:
    return _about(outcome, 201, items.render(outcome.prescription, _item(outcome), _reader(request)))


@answers(ChangeItem)
def item_changed(outcome: CommandSucceeded, request: Request) -> Answer:
    return _about(outcome, 200, items.render(outcome.prescription, _item(outcome), _reader(request)))


@answers(RemoveItem)
def item_removed(outcome: CommandSucceeded, request: Request) -> Answer:
    return _about(outcome, 204, None)


@answers(CheckSafety)
def checked(outcome: CommandSucceeded, request: Request) -> Answer:
    return _about(outcome, 200, safety.result(outcome.prescription, _reader(request)))


@answers(SaveAsTemplate)
def saved_as_template(outcome: CommandSucceeded, request: Request) -> Answer:
    """About the template, whose version it is that the answer is tagged with."""
    if outcome.template is None:
        raise LookupError("the outcome has no template")
    return tagged(201, templates.render(outcome.template), outcome.template.version)


@answers(NoteAccess)
def noted(outcome: CommandSucceeded, request: Request) -> Answer:
    """Only the gateway itself waits for it."""
    return Answer(200, None)


def _about(outcome: CommandSucceeded, status: int, shown: Shown | None) -> Answer:
    return tagged(status, shown, outcome.prescription.version)


def _item(outcome: CommandSucceeded) -> Item:
    for one in outcome.prescription.items:
        if one.item_id == outcome.item_id:
            return one
    raise LookupError("the outcome names no item of its prescription")


def _reader(request: Request) -> Reader:
    context = request.context or {}
    return Reader(context.get("language", languages.DEFAULT), context.get("names", {}))

"""How commands about consultations and templates are answered in this dialect, when they succeed."""

from __future__ import annotations

from contracts.command_outcomes import RecordCommandSucceeded
from contracts.record_commands import DeleteTemplate, PutConsultation
from services.gateway.messages.answers import Answer
from services.gateway.messages.delphos import consultations
from services.gateway.messages.delphos.words import tagged
from services.gateway.messages.outcomes import record_answers
from services.gateway.messages.requests import Request


@record_answers(PutConsultation)
def put(outcome: RecordCommandSucceeded, request: Request) -> Answer:
    if outcome.consultation is None:
        raise LookupError("the outcome has no consultation")
    shown = consultations.render(outcome.consultation)
    return tagged(201 if outcome.created else 200, shown, shown.version)


@record_answers(DeleteTemplate)
def deleted(outcome: RecordCommandSucceeded, request: Request) -> Answer:
    return Answer(204)

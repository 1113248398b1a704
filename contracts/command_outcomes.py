"""The one answer to each command, on `command-outcomes-v1`: the new state whole, or a refusal."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field

from contracts.message import Event, Message, Value
from contracts.values import Consultation, Prescription, Template, Text


class CommandOutcome(Event):
    """What became of one request."""

    topic: ClassVar[str] = "command-outcomes-v1"
    source: ClassVar[str] = "/prescription"

    request_id: UUID


class CommandSucceeded(CommandOutcome):
    """Done, or already so (`repeated`): the state that a read after this answer sees at least."""

    ce_type: ClassVar[str] = "recepta.command.succeeded.v1"

    prescription: Prescription
    dispensation_id: UUID | None = None
    delivery_id: UUID | None = None
    item_id: UUID | None = None
    template: Template | None = None
    repeated: bool = False


class Refusal(Value):
    """One failing check: the field of the request, the code, and what else helps to repair it."""

    path: str
    code: str
    message: Text
    data: dict[str, Any] = Field(default_factory=dict)


class CommandRefused(CommandOutcome):
    """Refused, with nothing left behind; `prescription` is the state that this was decided on, if any."""

    ce_type: ClassVar[str] = "recepta.command.refused.v1"

    code: str
    message: Text
    refusals: tuple[Refusal, ...] = ()
    data: dict[str, Any] = Field(default_factory=dict)
    prescription: Prescription | None = None


class RecordOutcome(Message):
    """What became of one request about a consultation or a template."""

    topic: ClassVar[str] = "command-outcomes-v1"
    source: ClassVar[str] = "/prescription"

    tenant_id: UUID
    record_id: UUID
    request_id: UUID

    @property
    def key(self) -> str:
        return str(self.record_id)

    @property
    def tenant(self) -> UUID | None:
        return self.tenant_id


class RecordCommandSucceeded(RecordOutcome):
    """Done: the consultation or template as it stands; `created` if it was not there before."""

    ce_type: ClassVar[str] = "recepta.record-command.succeeded.v1"

    consultation: Consultation | None = None
    template: Template | None = None
    created: bool = False


class RecordCommandRefused(RecordOutcome):
    """Refused, with nothing left behind."""

    ce_type: ClassVar[str] = "recepta.record-command.refused.v1"

    code: str
    message: Text
    refusals: tuple[Refusal, ...] = ()
    data: dict[str, Any] = Field(default_factory=dict)

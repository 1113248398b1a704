"""How views are rebuilt: their reader asks that state be announced again, and its owner does so."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from contracts.message import Message
from contracts.values import Consultation, HistoryEntry, Prescription, Template


class AnnounceAgain(Message):
    """Present state and history are wanted again; what an earlier rebuild waits for no longer is."""

    topic: ClassVar[str] = "prescription-commands-v1"
    source: ClassVar[str] = "/gateway"
    ce_type: ClassVar[str] = "recepta.prescription.announce-again.v1"

    rebuild_id: UUID

    @property
    def key(self) -> str:
        """One for all: what is asked for a later rebuild comes later, and ends what goes on for others."""
        return "announce-again"


class StateAnnounced(Message):
    """What its owner keeps under one id: a state, some of its history, or both; nothing has happened."""

    topic: ClassVar[str] = "prescription-events-v1"
    source: ClassVar[str] = "/prescription"
    ce_type: ClassVar[str] = "recepta.prescription.state-announced.v1"

    rebuild_id: UUID
    tenant_id: UUID
    record_id: UUID
    prescription: Prescription | None = None
    history: tuple[HistoryEntry, ...] = ()
    consultation: Consultation | None = None
    template: Template | None = None

    @property
    def key(self) -> str:
        return str(self.record_id)

    @property
    def tenant(self) -> UUID | None:
        return self.tenant_id


class AnnouncementEnded(Message):
    """All is announced, in so many records; some of them may be read after this one."""

    topic: ClassVar[str] = "prescription-events-v1"
    source: ClassVar[str] = "/prescription"
    ce_type: ClassVar[str] = "recepta.prescription.announcement-ended.v1"

    rebuild_id: UUID
    announced: int = Field(ge=0)

    @property
    def key(self) -> str:
        return str(self.rebuild_id)

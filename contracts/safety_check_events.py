"""Verdicts, on `safety-check-events-v1`."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Event, Message
from contracts.values import Verdict


class SafetyCheckCompleted(Event):
    """Every rule has run over the content as it stood at the three versions that the request named."""

    topic: ClassVar[str] = "safety-check-events-v1"
    source: ClassVar[str] = "/safety-check"
    ce_type: ClassVar[str] = "recepta.safety-check.completed.v1"

    content_version: int = Field(ge=1)
    facts_version: int = Field(ge=1)
    in_force_version: int = Field(ge=0)
    patient_id: UUID
    verdict: Verdict


class KnowledgeBaseUpdated(Message):
    """Checks use another knowledge base from now on; those of unsigned prescriptions are stale."""

    topic: ClassVar[str] = "safety-check-events-v1"
    source: ClassVar[str] = "/safety-check"
    ce_type: ClassVar[str] = "recepta.safety-check.knowledge-base-updated.v1"

    knowledge_base_version: str
    updated_at: AwareDatetime

    @property
    def key(self) -> str:
        return self.knowledge_base_version

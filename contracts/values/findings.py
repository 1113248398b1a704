"""What a safety check says, and who answers for going on all the same."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Value
from contracts.values.words import Severity, Text


class FindingText(Value):
    """What a finding says to a reader, in one language."""

    description: Text
    recommendation: Text | None = None


class Finding(Value):
    """One thing that the safety check objects to; `item_ids` are of the prescription that was checked."""

    interaction_type: str
    severity: Severity
    rule_id: str
    source: str
    evidence: str | None = None
    reference: Text | None = None
    ingredients: tuple[str, ...]
    drug_a: Text
    drug_b: Text | None = None
    item_ids: tuple[UUID, ...]
    other_prescription_id: UUID | None = None
    assumed: bool = False
    assumptions: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    text: dict[str, FindingText]

    def said_in(self, language: str) -> FindingText:
        """In this language, else in English, else in whichever there is."""
        found = self.text.get(language) or self.text.get("en")
        return found or next(iter(self.text.values()), FindingText(description=""))


class KeyedFinding(Finding):
    """A finding as its prescription keeps it: with its key, and who acknowledged it."""

    finding_id: UUID
    finding_key: str
    blocking: bool
    acknowledged: bool = False
    acknowledged_by: UUID | None = None
    acknowledged_at: AwareDatetime | None = None
    acknowledgement_reason: Text | None = None
    acknowledged_severity: Severity | None = None
    detected_at: AwareDatetime


class Coverage(Value):
    """How much of one kind of check could be evaluated; `recorded` counts the allergies on file."""

    evaluated: int = Field(ge=0)
    not_evaluated: int = Field(ge=0)
    recorded: int | None = None


class NotEvaluated(Value):
    """Something that a check could not answer, and why (drug-safety 8.1)."""

    check: str
    item_ids: tuple[UUID, ...] = ()
    reason: str
    suggestions: tuple[str, ...] = ()


class Verdict(Value):
    """What the check of one content found; no finding never stands for not evaluated."""

    knowledge_base_version: str
    checked_at: AwareDatetime
    content_version: int = Field(ge=1)
    state: Annotated[str, Field(pattern="^(finding|none_known|not_evaluated)$")]
    findings: tuple[Finding, ...] = ()
    coverage: dict[str, Coverage] = Field(default_factory=dict)
    not_evaluated: tuple[NotEvaluated, ...] = ()


class Acknowledgement(Value):
    """A finding that the doctor has seen and takes upon themselves, with the reason."""

    finding_key: Annotated[str, Field(max_length=200)]
    reason: Text

"""How safe a prescription is known to be, and what stands in the way of its signature (4.4, 7.1, 7.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from contracts.values import Coverage, NotEvaluated, Prescription, Severity, Status
from services.gateway.messages.delphos import findings, items
from services.gateway.messages.delphos.findings import Interaction
from services.gateway.messages.delphos.reader import Reader
from services.gateway.messages.delphos.words import Moment, Shown

_BEFORE_SIGNATURE: Final = (Status.DRAFT, Status.PENDING_REVIEW, Status.VALIDATED)


class SafetySummary(Shown):
    """How many findings of each severity, and whether it has passed: acknowledging changes neither."""

    passed: bool
    critical_count: int
    contraindicated_count: int
    major_count: int
    moderate_count: int
    minor_count: int


class CheckCoverage(Shown):
    """How much of one kind of check could be evaluated; `recorded` counts the allergies on file."""

    evaluated: int
    not_evaluated: int
    recorded: int | None


class Unanswered(Shown):
    """What a check could not answer, and why."""

    check: str
    item_ids: list[UUID]
    reason: str
    suggestions: list[str]


class SafetyCheck(Shown):
    """Of what content the stored result is, and what it could not answer; nulls before the first one."""

    status: str
    checked_at: Moment | None
    knowledge_base_version: str | None
    coverage: dict[str, CheckCoverage] | None
    not_evaluated: list[Unanswered] | None


class CheckResult(Shown):
    """The answer to a check that was asked for."""

    prescription_id: UUID
    interactions: list[Interaction]
    safety_summary: SafetySummary
    items_checked: int
    ingredients_analyzed: list[str]
    checked_at: Moment
    knowledge_base_version: str | None
    coverage: dict[str, CheckCoverage]
    not_evaluated: list[Unanswered]


def summary(one: Prescription) -> SafetySummary:
    counted = [finding.severity for finding in one.findings]
    return SafetySummary(
        passed=one.safety_check_status == "current" and not any(each.blocking for each in one.findings),
        critical_count=counted.count(Severity.CRITICAL),
        contraindicated_count=counted.count(Severity.CONTRAINDICATED),
        major_count=counted.count(Severity.MAJOR),
        moderate_count=counted.count(Severity.MODERATE),
        minor_count=counted.count(Severity.MINOR),
    )


def check(one: Prescription) -> SafetyCheck:
    stored = one.checked_at is not None
    return SafetyCheck(
        status=one.safety_check_status,
        checked_at=one.checked_at,
        knowledge_base_version=one.knowledge_base_version,
        coverage=coverage(one.coverage) if stored else None,
        not_evaluated=unanswered(one.not_evaluated) if stored else None,
    )


def result(one: Prescription, reader: Reader) -> CheckResult:
    return CheckResult(
        prescription_id=one.prescription_id,
        interactions=findings.render(one.findings, one.items, reader),
        safety_summary=summary(one),
        items_checked=len(one.items),
        ingredients_analyzed=items.analyzed(one.items, reader),
        checked_at=one.checked_at or one.updated_at,
        knowledge_base_version=one.knowledge_base_version,
        coverage=coverage(one.coverage),
        not_evaluated=unanswered(one.not_evaluated),
    )


def unacknowledged(one: Prescription) -> int:
    return sum(not finding.acknowledged for finding in one.findings)


def blocking(one: Prescription) -> int:
    """How many findings nobody has answered for, and somebody must before a signature."""
    return sum(finding.blocking and not finding.acknowledged for finding in one.findings)


def can_sign(one: Prescription) -> bool:
    """Whether nothing clinical is in the way; not whether signing is the next step."""
    return (
        one.status in _BEFORE_SIGNATURE
        and bool(one.items)
        and one.safety_check_status == "current"
        and blocking(one) == 0
    )


def coverage(said: Mapping[str, Coverage]) -> dict[str, CheckCoverage]:
    return {
        name: CheckCoverage(
            evaluated=each.evaluated, not_evaluated=each.not_evaluated, recorded=each.recorded
        )
        for name, each in said.items()
    }


def unanswered(said: Iterable[NotEvaluated]) -> list[Unanswered]:
    return [
        Unanswered(
            check=each.check,
            item_ids=list(each.item_ids),
            reason=each.reason,
            suggestions=list(each.suggestions),
        )
        for each in said
    ]

"""What a check found, in the words of the prescription's own items, and what stands in the way of signing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from contracts.values import Item, KeyedFinding, Prescription, Severity, Status
from services.gateway.messages.delphos import items
from services.gateway.messages.delphos.reader import Reader, moment, moment_or_none, shown

ABOUT_ONE_DRUG: Final = frozenset(
    {"controlled_substance", "dose", "contraindication", "unverified_medication"}
)
ALLERGY: Final = "allergy"
_WORST_FIRST: Final = [severity.value for severity in Severity]
_SUMMARY: Final = (
    Severity.CRITICAL,
    Severity.CONTRAINDICATED,
    Severity.MAJOR,
    Severity.MODERATE,
    Severity.MINOR,
)
_BEFORE_SIGNATURE: Final = (Status.DRAFT, Status.PENDING_REVIEW, Status.VALIDATED)


def interactions(one: Prescription, reader: Reader) -> list[dict[str, Any]]:
    """The findings of the last stored check, in the order of 4.1."""
    return render(one.findings, one.items, reader)


def render(found: Iterable[KeyedFinding], lines: tuple[Item, ...], reader: Reader) -> list[dict[str, Any]]:
    """Findings about these items: most severe first, then by drugs and id."""
    rendered = [_finding(each, lines, reader) for each in found]
    return sorted(
        rendered,
        key=lambda one: (
            _WORST_FIRST.index(one["severity"]),
            one["drug_a"],
            one["drug_b"] or "",
            one["id"],
        ),
    )


def summary(one: Prescription) -> dict[str, Any]:
    """How many of each severity, and whether it has passed: acknowledging changes neither (7.2)."""
    counted = [finding.severity for finding in one.findings]
    numbers = {f"{severity}_count": counted.count(severity) for severity in _SUMMARY}
    passed = one.safety_check_status == "current" and not any(each.blocking for each in one.findings)
    return {"passed": passed, **numbers}


def check(one: Prescription) -> dict[str, Any]:
    """Of what content the stored result is, and what it could not answer; nulls before the first one."""
    stored = one.checked_at is not None
    return {
        "status": one.safety_check_status,
        "checked_at": moment_or_none(one.checked_at),
        "knowledge_base_version": one.knowledge_base_version,
        "coverage": coverage(one) if stored else None,
        "not_evaluated": not_evaluated(one) if stored else None,
    }


def result(one: Prescription, reader: Reader) -> dict[str, Any]:
    """The answer to a safety check that was asked for (7.1)."""
    return {
        "prescription_id": str(one.prescription_id),
        "interactions": interactions(one, reader),
        "safety_summary": summary(one),
        "items_checked": len(one.items),
        "ingredients_analyzed": items.analyzed(one.items, reader),
        "checked_at": moment_or_none(one.checked_at),
        "knowledge_base_version": one.knowledge_base_version,
        "coverage": coverage(one),
        "not_evaluated": not_evaluated(one),
    }


def coverage(one: Prescription) -> dict[str, Any]:
    return {name: each.model_dump(exclude_none=True) for name, each in one.coverage.items()}


def not_evaluated(one: Prescription) -> list[dict[str, Any]]:
    return [
        {
            "check": each.check,
            "item_ids": list(map(str, each.item_ids)),
            "reason": each.reason,
            "suggestions": list(each.suggestions),
        }
        for each in one.not_evaluated
    ]


def unacknowledged(one: Prescription) -> int:
    return sum(not finding.acknowledged for finding in one.findings)


def blocking(one: Prescription) -> int:
    """How many findings nobody has answered for, and somebody must before a signature."""
    return sum(finding.blocking and not finding.acknowledged for finding in one.findings)


def can_sign(one: Prescription) -> bool:
    """Whether nothing clinical is in the way; not whether signing is the next step (4.4)."""
    return (
        one.status in _BEFORE_SIGNATURE
        and bool(one.items)
        and one.safety_check_status == "current"
        and blocking(one) == 0
    )


def _finding(one: KeyedFinding, lines: tuple[Item, ...], reader: Reader) -> dict[str, Any]:
    text = reader.text(one.text)
    drug_a, drug_b = _drugs(one, lines, reader)
    ingredient_a, ingredient_b = _ingredients(one, reader)
    by = one.acknowledged_by
    severity = one.acknowledged_severity
    other = one.other_prescription_id
    return {
        "id": str(one.finding_id),
        "drug_a": drug_a,
        "drug_b": drug_b,
        "severity": one.severity.value,
        "interaction_type": one.interaction_type,
        "description": text.description,
        "recommendation": text.recommendation,
        "source": one.source,
        "rule_id": one.rule_id,
        "ingredient_a": ingredient_a,
        "ingredient_b": ingredient_b,
        "item_ids": list(map(str, one.item_ids)),
        "other_prescription_id": None if other is None else str(other),
        "blocking": one.blocking,
        "assumed": one.assumed,
        "assumptions": list(one.assumptions),
        "suggestions": list(one.suggestions),
        "acknowledged": one.acknowledged,
        "acknowledged_by": None if by is None else str(by),
        "acknowledged_at": moment_or_none(one.acknowledged_at),
        "acknowledgement_reason": one.acknowledgement_reason,
        "acknowledged_severity": None if severity is None else severity.value,
        "detected_at": moment(one.detected_at),
    }


def _drugs(one: KeyedFinding, lines: tuple[Item, ...], reader: Reader) -> tuple[str, str | None]:
    """The item of lower position first (ruling 3.17), each in its own words."""
    involved = sorted(
        (item for item in lines if item.item_id in one.item_ids), key=lambda item: item.position
    )
    first = _drug(involved[0], one.drug_a, reader) if involved else shown(one.drug_a)
    if one.interaction_type in ABOUT_ONE_DRUG or one.drug_b is None:
        return first, None
    if one.interaction_type == ALLERGY or len(involved) < 2:
        return first, shown(one.drug_b)
    return first, _drug(involved[1], one.drug_b, reader)


def _drug(item: Item, concerned: str, reader: Reader) -> str:
    """An item's wording; of several ingredients in it, the one that the finding is about."""
    return shown(concerned) if len(item.ingredients) > 1 else items.wording(item, reader)


def _ingredients(one: KeyedFinding, reader: Reader) -> tuple[str | None, str | None]:
    """Names of the catalogue's ingredients that were compared."""
    if not one.ingredients:
        return None, None
    if one.interaction_type in ABOUT_ONE_DRUG:
        return " + ".join(map(reader.name, one.ingredients)), None
    return shown(one.drug_a), None if one.drug_b is None else shown(one.drug_b)

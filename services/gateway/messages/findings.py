"""Safety findings in this dialect: request paths and product codes instead of item ids (5.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.values import Coverage, Item, KeyedFinding, NotEvaluated
from services.gateway.messages import ids
from services.gateway.messages.moments import moment_or_none


@dataclass(frozen=True)
class Line:
    """Where an item stands in the request, and its product."""

    item_id: UUID
    product_code: str | None


@dataclass(frozen=True)
class Reader:
    """Renders findings for one prescription, in one language."""

    lines: Sequence[Line]
    language: str

    @classmethod
    def of(cls, items: Iterable[Item], language: str) -> Reader:
        return cls(
            [Line(one.item_id, one.product.product_code if one.product else None) for one in items], language
        )

    def findings(self, found: Iterable[KeyedFinding]) -> list[dict[str, Any]]:
        return [self._finding(one) for one in found]

    def with_acknowledgements(self, found: Iterable[KeyedFinding]) -> list[dict[str, Any]]:
        """As reads show them: with who took which upon themselves, when and why."""
        return [self._finding(one) | _acknowledgement(one) for one in found]

    def _finding(self, one: KeyedFinding) -> dict[str, Any]:
        text = one.said_in(self.language)
        places = [(place, line) for place, line in enumerate(self.lines) if line.item_id in one.item_ids]
        return {
            "finding_key": one.finding_key,
            "interaction_type": one.interaction_type,
            "severity": one.severity.value,
            "blocking": one.blocking,
            "acknowledged": one.acknowledged,
            "drug_a": one.drug_a,
            "drug_b": one.drug_b,
            "paths": [_path(place) for place, _ in places],
            "products": [line.product_code for _, line in places if line.product_code is not None],
            "description": text.description,
            "recommendation": text.recommendation,
            "source": one.source,
        }

    def not_evaluated(self, left: Iterable[NotEvaluated]) -> list[dict[str, Any]]:
        return [
            {
                "check": one.check,
                "paths": [
                    _path(place) for place, line in enumerate(self.lines) if line.item_id in one.item_ids
                ],
                "reason": one.reason,
                "suggestions": list(one.suggestions),
            }
            for one in left
        ]


def coverage(checks: Mapping[str, Coverage]) -> dict[str, dict[str, int]]:
    """How much each kind of check could evaluate; `recorded` only where it means something."""
    return {check: one.model_dump(exclude_none=True) for check, one in checks.items()}


def _path(place: int) -> str:
    return f"medications[{place}]"


def _acknowledgement(one: KeyedFinding) -> dict[str, Any]:
    by = one.acknowledged_by
    return {
        "acknowledged_by": None if by is None else ids.spell("doc", by),
        "acknowledged_at": moment_or_none(one.acknowledged_at),
        "reason": one.acknowledgement_reason,
    }

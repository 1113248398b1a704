"""What a check found, in the words of the prescription's own items (delphos-dialect 4.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from contracts.values import Item, KeyedFinding, Severity
from services.gateway.messages.delphos import items
from services.gateway.messages.delphos.reader import Reader, shown
from services.gateway.messages.delphos.words import Moment, Shown

ABOUT_ONE_DRUG: Final = frozenset(
    {"controlled_substance", "dose", "contraindication", "unverified_medication"}
)
ALLERGY: Final = "allergy"
UNVERIFIED: Final = "unverified_medication"
_WORST_FIRST: Final = [severity.value for severity in Severity]


class Interaction(Shown):
    """One finding, of whatever kind."""

    id: UUID
    drug_a: str
    drug_b: str | None
    severity: Severity
    interaction_type: str
    description: str
    source: str
    rule_id: str
    recommendation: str | None
    ingredient_a: str | None
    ingredient_b: str | None
    item_ids: list[UUID]
    other_prescription_id: UUID | None
    blocking: bool
    assumed: bool
    assumptions: list[str]
    suggestions: list[str]
    acknowledged: bool
    acknowledged_by: UUID | None
    acknowledged_at: Moment | None
    acknowledgement_reason: str | None
    acknowledged_severity: Severity | None
    detected_at: Moment


def render(found: Iterable[KeyedFinding], lines: Iterable[Item], reader: Reader) -> list[Interaction]:
    """Findings about these items: most severe first, then by drugs and id."""
    in_order = sorted(lines, key=lambda item: item.position)
    return sorted((_finding(one, in_order, reader) for one in found), key=_place)


def _place(one: Interaction) -> tuple[int, str, str, str]:
    return _WORST_FIRST.index(one.severity), one.drug_a, one.drug_b or "", str(one.id)


def _finding(one: KeyedFinding, in_order: list[Item], reader: Reader) -> Interaction:
    text = one.said_in(reader.language)
    drug_a, drug_b = _drugs(one, in_order, reader)
    ingredient_a, ingredient_b = _ingredients(one, reader)
    return Interaction(
        id=one.finding_id,
        drug_a=drug_a,
        drug_b=drug_b,
        severity=one.severity,
        interaction_type=one.interaction_type,
        description=text.description,
        source=one.source,
        rule_id=one.rule_id,
        recommendation=text.recommendation,
        ingredient_a=ingredient_a,
        ingredient_b=ingredient_b,
        item_ids=list(one.item_ids),
        other_prescription_id=one.other_prescription_id,
        blocking=one.blocking,
        assumed=one.assumed,
        assumptions=list(one.assumptions),
        suggestions=[reader.name(ingredient) for ingredient in one.suggestions],
        acknowledged=one.acknowledged,
        acknowledged_by=one.acknowledged_by,
        acknowledged_at=one.acknowledged_at,
        acknowledgement_reason=one.acknowledgement_reason,
        acknowledged_severity=one.acknowledged_severity,
        detected_at=one.detected_at,
    )


def _drugs(one: KeyedFinding, in_order: list[Item], reader: Reader) -> tuple[str, str | None]:
    """The item of lower position first (ruling 3.17), each in its own words."""
    involved = [item for item in in_order if item.item_id in one.item_ids]
    first = _drug(involved[0], one.drug_a, reader) if involved else shown(one.drug_a)
    if one.interaction_type == UNVERIFIED and involved:
        return items.wording(involved[0], reader), None
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

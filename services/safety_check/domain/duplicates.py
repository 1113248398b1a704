"""The same ingredient in two items, also inside a combination (drug-safety.md 7.1, D1)."""

from collections.abc import Iterator, Sequence

from services.safety_check.domain.knowledge import Knowledge
from services.safety_check.domain.resolved import Pair
from services.safety_check.domain.values import Finding, Severity

SEVERITY = Severity.major


def findings(pair: Pair, interactions: Sequence[Finding], knowledge: Knowledge) -> Iterator[Finding]:
    """None where one acts locally and the other does not, or an interaction says at least as much."""
    if interactions and any(finding.severity >= SEVERITY for finding in interactions):
        return
    for one in pair.first.ingredients:
        for other in pair.second.ingredients:
            if one.ingredients == other.ingredients and one.local == other.local:
                yield _finding(one.ingredients[0], one.assumed or other.assumed, pair, knowledge)


def _finding(ingredient: str, assumed: bool, pair: Pair, knowledge: Knowledge) -> Finding:
    shown = knowledge.shown(ingredient)
    return Finding(
        interaction_type="duplicate_therapy",
        severity=SEVERITY,
        rule_id=f"d1:{ingredient}",
        source="duplicate_rule",
        ingredients=(ingredient,),
        drugs=(shown, shown),
        item_ids=pair.item_ids,
        text=knowledge.text("duplicate.same_ingredient"),
        reference="Recepta drug-safety 7.1 D1",
        other_prescription_id=pair.other_prescription_id,
        assumed=assumed,
        assumptions=("dose_unknown", "name_assumed") if assumed else ("dose_unknown",),
    )

"""The same treatment twice: one ingredient in two items, or two that do the same (drug-safety.md 7.1)."""

from collections.abc import Iterator, Sequence
from typing import Final

from services.safety_check.domain.knowledge import Knowledge, Subject
from services.safety_check.domain.resolved import Pair
from services.safety_check.domain.therapies import Therapy
from services.safety_check.domain.values import Finding, Item, Severity

_SAME: Final = Severity.major


def findings(pair: Pair, interactions: Sequence[Finding], knowledge: Knowledge) -> Iterator[Finding]:
    """None where an interaction of the two items is at least as grave."""
    for one in pair.first.ingredients:
        for other in pair.second.ingredients:
            if one.kinds.facing.isdisjoint(other.kinds.held):
                continue
            therapy = _therapy(one, pair.first.item, other, pair.second.item, knowledge)
            told = max((finding.severity for finding in interactions), default=Severity.none)
            if therapy is not None and therapy.severity > told:
                yield _finding(therapy, one, other, pair, knowledge)


def _therapy(
    one: Subject, item: Item, other: Subject, other_item: Item, knowledge: Knowledge
) -> Therapy | None:
    (a,), (b,) = one.ingredients, other.ingredients
    if a == b:
        # One may act locally and the other not: then nothing is given twice.
        same = Therapy(f"d1:{a}", "duplicate.same_ingredient", _SAME, "Recepta drug-safety 7.1 D1")
        return same if one.local == other.local else None
    return knowledge.therapies.same(one.kinds, other.kinds, as_needed=item.as_needed or other_item.as_needed)


def _finding(therapy: Therapy, one: Subject, other: Subject, pair: Pair, knowledge: Knowledge) -> Finding:
    names = (*one.ingredients, *other.ingredients)
    same = len(set(names)) == 1
    assumed = one.assumed or other.assumed
    assumptions = (("dose_unknown",) if same else ()) + (("name_assumed",) if assumed else ())
    return Finding(
        interaction_type="duplicate_therapy",
        severity=therapy.severity,
        rule_id=therapy.rule_id,
        source="duplicate_rule",
        ingredients=tuple(sorted(set(names))),
        drugs=tuple(map(knowledge.shown, names)),
        item_ids=pair.item_ids,
        text=knowledge.text(therapy.text),
        reference=therapy.source,
        other_prescription_id=pair.other_prescription_id,
        assumed=assumed,
        assumptions=assumptions,
    )

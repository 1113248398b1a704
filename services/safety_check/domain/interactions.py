"""Interactions of two ingredients in two items: the decision procedure of drug-safety.md 6.2."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.safety_check.domain.knowledge import Knowledge, Rule, Subject
from services.safety_check.domain.resolved import Pair
from services.safety_check.domain.values import Finding, Severity


@dataclass(frozen=True, slots=True)
class _Hit:
    one: Subject
    other: Subject
    rule: Rule

    @property
    def combined(self) -> bool:
        return self.one.combined or self.other.combined

    def repeats(self, hit: "_Hit") -> bool:
        """Whether a member of the combination says the same already, as gravely."""
        return (
            not hit.combined
            and hit.rule.mechanism == self.rule.mechanism
            and hit.rule.severity >= self.rule.severity
            and set(hit.one.ingredients) <= set(self.one.ingredients)
            and set(hit.other.ingredients) <= set(self.other.ingredients)
        )


def findings(pair: Pair, knowledge: Knowledge) -> Iterator[Finding]:
    """One finding for each pair of ingredients and mechanism; a rule that says `none` makes none."""
    hits = [
        _Hit(one, other, rule)
        for one in pair.first.subjects
        for other in pair.second.subjects
        for rule in knowledge.winners(one, other)
        if rule.severity > Severity.none and set(one.ingredients).isdisjoint(other.ingredients)
    ]
    for hit in hits:
        if not (hit.combined and any(map(hit.repeats, hits))):
            yield _finding(hit, pair, knowledge)


def _finding(hit: _Hit, pair: Pair, knowledge: Knowledge) -> Finding:
    assumed = hit.one.assumed or hit.other.assumed
    return Finding(
        interaction_type=hit.rule.mechanism,
        severity=hit.rule.severity,
        rule_id=hit.rule.id,
        source=hit.rule.tier,
        ingredients=tuple(sorted({*hit.one.ingredients, *hit.other.ingredients})),
        drugs=tuple(_shown(subject, knowledge) for subject in (hit.one, hit.other)),
        item_ids=pair.item_ids,
        text=hit.rule.text,
        reference=hit.rule.reference,
        evidence=hit.rule.evidence,
        other_prescription_id=pair.other_prescription_id,
        assumed=assumed,
        assumptions=("name_assumed",) if assumed else (),
    )


def _shown(subject: Subject, knowledge: Knowledge) -> str:
    return " + ".join(map(knowledge.shown, subject.ingredients))

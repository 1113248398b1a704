"""One check of one order: every family of rules, then what is known, and what is not (drug-safety.md 8)."""

from collections.abc import Iterator, Sequence

from services.safety_check.domain import allergies, duplicates, interactions, unanswered, unverified
from services.safety_check.domain.knowledge import Knowledge
from services.safety_check.domain.resolved import Pair, ResolvedItem, pairs, resolved
from services.safety_check.domain.values import Finding, NotEvaluated, Order, Verdict


def check(order: Order, knowledge: Knowledge) -> Verdict:
    """Compare all that the order holds; no I/O, the same answer for the same order and release."""
    own, others = resolved(order, knowledge)
    compared = tuple(pairs(own, others))
    on_file = allergies.recorded(order, knowledge)
    found = sorted(_findings(own, compared, on_file, knowledge), key=_place)
    gaps = tuple(unanswered.not_evaluated(own, compared, on_file))
    return Verdict(
        knowledge_base_version=knowledge.version,
        state=_state(found, gaps),
        findings=tuple(found),
        coverage=unanswered.coverage(own, compared, on_file),
        not_evaluated=gaps,
    )


def _findings(
    own: Sequence[ResolvedItem],
    compared: Sequence[Pair],
    on_file: Sequence[allergies.Recorded],
    knowledge: Knowledge,
) -> Iterator[Finding]:
    for one in own:
        yield from unverified.findings(one, knowledge)
        yield from allergies.findings(one, on_file, knowledge)
    for pair in compared:
        found = tuple(interactions.findings(pair, knowledge))
        yield from found
        yield from duplicates.findings(pair, found, knowledge)


def _place(finding: Finding) -> tuple[int, str, tuple[str, ...], str, tuple[str, ...], str]:
    """By severity, type, ingredients; the rest only keeps equal ones in one order."""
    return (
        -finding.severity,
        finding.interaction_type,
        finding.ingredients,
        finding.rule_id,
        finding.item_ids,
        finding.other_prescription_id or "",
    )


def _state(findings: Sequence[Finding], gaps: Sequence[NotEvaluated]) -> str:
    if findings:
        return "finding"
    return "not_evaluated" if gaps else "none_known"

"""Items whose name nobody understood, or not whole: `unverified_medication` (drug-safety.md 2.1, 2.2)."""

from collections.abc import Iterator

from services.safety_check.domain.knowledge import Knowledge
from services.safety_check.domain.resolved import ResolvedItem
from services.safety_check.domain.values import Finding, Severity


def findings(one: ResolvedItem, knowledge: Knowledge) -> Iterator[Finding]:
    """A guess is `moderate`, since it is checked as well; what nobody understood is `major`."""
    resolution = one.resolution
    if resolution.names_disagree:
        yield _finding(one, "names_disagree", Severity.moderate, knowledge)
    if resolution.assumed:
        yield _finding(one, "name_assumed", Severity.moderate, knowledge)
    elif resolution.unresolved and resolution.ingredients:
        yield _finding(one, "partly_resolved", Severity.major, knowledge)
    elif not resolution.ingredients:
        yield _finding(one, "unresolved", Severity.major, knowledge)


def _finding(one: ResolvedItem, what: str, severity: Severity, knowledge: Knowledge) -> Finding:
    resolution = one.resolution
    assumed = resolution.assumed
    return Finding(
        interaction_type="unverified_medication",
        severity=severity,
        rule_id=f"res:{what}",
        source="catalog",
        ingredients=(assumed,) if assumed else tuple(sorted(resolution.ingredients)),
        drugs=(one.item.medication_name or one.item.active_ingredient or "",),
        item_ids=(one.item.id,),
        text=knowledge.text(f"unverified.{what}"),
        reference="Recepta drug-safety 2.2",
        assumed=bool(assumed),
        suggestions=tuple(suggestion.ingredient for suggestion in resolution.suggestions),
    )

"""Which findings of a new check are those of the last one again, so that nobody confirms a thing twice."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

from services.prescription.domain import safety
from services.prescription.domain.items import Item
from services.prescription.domain.safety import Finding, Verdict

ALLERGY: Final = "allergy"
CONTRAINDICATION: Final = "contraindication"


def continued(before: Verdict | None, items: Sequence[Item], after: Sequence[Finding]) -> tuple[Finding, ...]:
    """The new findings; one that is no graver than an earlier one is that one still (delphos-dialect 7.5).

    It keeps its id, its time, and who answered for it, unless something that the check looks at has changed
    in one of its items since. Of several that speak of the same, each goes on by its own rule; only one
    whose rule says nothing any more goes on by another: a pair and a mechanism have one rule at a time
    (drug-safety 6.2), so the other says of the same danger, no graver, what that one has said.
    """
    asked_in = before.asked_with.content_version if before else 0
    changed = {item.id for item in items if item.changed_in > asked_in}
    known = [one for one in before.findings if not changed.intersection(one.item_ids)] if before else []
    by_own_rule = _going_on(known, after, _by_rule)
    still_said = {_by_rule(one) for one in after}
    silent = [one for one in known if _by_rule(one) not in still_said]
    new = [one for one in after if one.id not in by_own_rule]
    goes_on = {**by_own_rule, **_going_on(silent, new, _about)}
    return tuple(goes_on[one.id].seen_again_as(one) if one.id in goes_on else one for one in after)


def _going_on(
    known: Sequence[Finding], after: Iterable[Finding], alike: Callable[[Finding], object]
) -> dict[UUID, Finding]:
    """The earlier findings that go on as new ones, by the ids of these; each goes on once."""
    left, found = list(known), {}
    for finding in after:
        covering = safety.at_or_above(finding.severity)
        same = (one for one in left if alike(one) == alike(finding) and one.known_severity in covering)
        if (earlier := next(same, None)) is not None:
            left.remove(earlier)
            found[finding.id] = earlier
    return found


def _by_rule(finding: Finding) -> tuple[object, ...]:
    return (*_about(finding), finding.rule_id)


def _about(finding: Finding) -> tuple[object, ...]:
    return (
        finding.interaction_type,
        (frozenset(finding.ingredients), _other_half(finding)),
        frozenset(finding.item_ids),
        finding.other_prescription_id,
    )


def _other_half(finding: Finding) -> str | None:
    """What an ingredient is paired with that need not be one: an allergen, or a fact about the patient."""
    if finding.interaction_type == ALLERGY:
        return finding.drug_b
    # Only its rule says which fact that is.
    return finding.rule_id if finding.interaction_type == CONTRAINDICATION else None

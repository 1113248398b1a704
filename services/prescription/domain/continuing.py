"""Which findings of a new check are those of the last one again, so that nobody confirms a thing twice."""

from collections.abc import Sequence

from services.prescription.domain import safety
from services.prescription.domain.items import Item
from services.prescription.domain.safety import Finding, Verdict


def continued(before: Verdict | None, items: Sequence[Item], after: Sequence[Finding]) -> tuple[Finding, ...]:
    """The new findings; one that is no graver than an earlier one is that one still (delphos-dialect 7.5).

    It keeps its id, its time, and who answered for it, unless something that the check looks at has changed
    in one of its items since. Of several that speak of the same, the one by the same rule goes on first.
    """
    known = list(before.findings) if before else []
    asked_in = before.asked_with.content_version if before else 0
    changed = {item.id for item in items if item.changed_in > asked_in}
    known = [one for one in known if not changed.intersection(one.item_ids)]
    found = []
    for finding in after:
        earlier = _earlier(known, finding)
        if earlier is not None:
            known.remove(earlier)
            finding = earlier.seen_again_as(finding)
        found.append(finding)
    return tuple(found)


def _earlier(known: Sequence[Finding], finding: Finding) -> Finding | None:
    covering = safety.at_or_above(finding.severity)
    same = [one for one in known if _about(one) == _about(finding) and one.known_severity in covering]
    return min(same, key=lambda one: one.rule_id != finding.rule_id, default=None)


def _about(finding: Finding) -> tuple[object, ...]:
    return (
        finding.interaction_type,
        frozenset(finding.ingredients),
        frozenset(finding.item_ids),
        finding.other_prescription_id,
    )

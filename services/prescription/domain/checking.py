"""The safety check of a prescription: asked for, answered, and answered for by a doctor."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from services.prescription.domain import safety
from services.prescription.domain.history import Action, Note, Occasion
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Failing, Refused, refuse_if
from services.prescription.domain.safety import Acknowledgement, AskedWith, Finding, Severity, Verdict
from services.prescription.domain.state_table import Move


def ask(prescription: Prescription, asked_with: AskedWith, occasion: Occasion) -> Prescription:
    """A check of the content as it stands is under way; it replaces the one that was before."""
    prescription.admit(Move.ASK_CHECK)
    changed = replace(prescription, check_asked=asked_with)
    return prescription.becomes(changed, occasion, Note(action=Action.CHECK_REQUESTED))


def store_verdict(
    prescription: Prescription, verdict: Verdict, keys: safety.KeyMaker, occasion: Occasion
) -> Prescription:
    """Replace what the last check found. A verdict on other content, or come too late, changes nothing."""
    if prescription.cell(Move.CHECKED).ignored:
        return prescription
    if verdict.asked_with.content_version != prescription.content_version:
        return prescription
    findings = _continued(prescription.findings, keys.keyed(safety.worst_first(verdict.findings)))
    findings, unmatched = safety.answered_for(findings, prescription.acknowledgements, keys)
    changed = replace(
        prescription,
        check=replace(verdict, findings=findings),
        check_asked=None,
        unmatched_keys=unmatched,
    )
    note = Note(action=Action.CHECKED, findings=findings)
    return prescription.becomes(changed, occasion, note)


def acknowledge(
    prescription: Prescription,
    finding_ids: Iterable[UUID] | None,
    *,
    doctor_id: UUID,
    reason: str | None,
    occasion: Occasion,
) -> Prescription:
    """A doctor answers for these findings, or for all. What is answered for keeps its first doctor."""
    prescription.admit(Move.ACKNOWLEDGE)
    chosen = _chosen(prescription, finding_ids)
    new = [one for one in chosen if one.acknowledgement is None]
    if any(one.severity is Severity.CONTRAINDICATED for one in new) and not reason:
        refuse_if([Failing("reason", "reason_required", "A contraindication needs a reason.")])
    if not new or prescription.check is None:
        return prescription
    ids = {one.id for one in new}
    findings = tuple(
        replace(one, acknowledgement=Acknowledgement(one.key, doctor_id, occasion.at, reason))
        if one.id in ids
        else one
        for one in prescription.findings
    )
    changed = replace(prescription, check=replace(prescription.check, findings=findings))
    note = Note(action=Action.ACKNOWLEDGED, findings=tuple(new))
    return prescription.becomes(changed, occasion, note)


def _chosen(prescription: Prescription, finding_ids: Iterable[UUID] | None) -> list[Finding]:
    if finding_ids is None:
        return list(prescription.findings)
    by_id = {one.id: one for one in prescription.findings}
    wanted = list(finding_ids)
    if any(id not in by_id for id in wanted):
        raise Refused("resource_not_found", "No such finding.")
    return [by_id[id] for id in wanted]


def _continued(before: tuple[Finding, ...], after: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """A finding that says no more than an earlier one keeps its id, its time, and who answered for it."""
    known = {_about(one): one for one in before}
    continued = []
    for finding in after:
        earlier = known.get(_about(finding))
        if earlier is not None and earlier.severity in safety.at_or_above(finding.severity):
            finding = replace(
                finding,
                id=earlier.id,
                detected_at=earlier.detected_at,
                acknowledgement=earlier.acknowledgement,
            )
        continued.append(finding)
    return tuple(continued)


def _about(finding: Finding) -> tuple[object, ...]:
    return (
        finding.interaction_type,
        frozenset(finding.ingredients),
        frozenset(finding.item_ids),
        finding.other_prescription_id,
        finding.rule_id,
    )

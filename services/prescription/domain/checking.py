"""The safety check of a prescription: asked for, answered, and answered for by a doctor."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.prescription.domain import continuing, safety, waiting
from services.prescription.domain.history import Action, Note, Occasion, changes
from services.prescription.domain.prescription import CheckStatus, Prescription
from services.prescription.domain.refusal import Failing, Refused, refuse_if
from services.prescription.domain.requests import Waiting
from services.prescription.domain.safety import Acknowledgement, AskedWith, Finding, Severity, Verdict
from services.prescription.domain.state_table import Move


def ask(
    prescription: Prescription,
    asked_with: AskedWith,
    occasion: Occasion,
    *,
    since: Prescription | None = None,
    knowledge_base: str | None = None,
) -> Prescription:
    """A check of the content as it stands is under way; it replaces the one that was before.

    `since` is what this commit began with, so that clients count it once; `knowledge_base` is the one in use.
    """
    prescription.admit(Move.ASK_CHECK)
    outdated = prescription.outdated or _outdated(prescription.check, asked_with, knowledge_base)
    changed = replace(prescription, check_asked=asked_with, outdated=outdated)
    return _after(prescription, changed, occasion, Note(action=Action.CHECK_REQUESTED), since)


def after_edit(
    prescription: Prescription, asked_with: AskedWith, occasion: Occasion, *, since: Prescription
) -> Prescription:
    """Have what was edited checked again where the check looks at what has changed."""
    if prescription.content_version == since.content_version:
        return prescription
    never_asked = prescription.check is None and not prescription.waiting
    if never_asked and not prescription.items:
        return prescription
    return _check(prescription, asked_with, occasion, since)


def request(
    prescription: Prescription,
    asked_with: AskedWith,
    occasion: Occasion,
    *,
    deadline: datetime,
    knowledge_base: str | None = None,
) -> Prescription:
    """Somebody wants it checked now, and waits for what comes of it."""
    prescription.admit(Move.ASK_CHECK)
    one = Waiting(occasion=occasion, deadline=deadline)
    joined = waiting.joined(prescription, one)
    return _check(joined, asked_with, occasion, prescription, knowledge_base=knowledge_base)


def again(
    prescription: Prescription, asked_with: AskedWith, occasion: Occasion, *, knowledge_base: str | None
) -> Prescription:
    """Ask once more, because what the question was asked with, or the stored check, is no longer so."""
    return ask(prescription, asked_with, occasion, since=prescription, knowledge_base=knowledge_base)


def expects(prescription: Prescription, verdict: Verdict) -> bool:
    """Whether this is the answer that it waits for, or one that comes late and is still wanted."""
    if prescription.cell(Move.CHECKED).ignored:
        return False
    if prescription.check_asked is not None:
        return prescription.check_asked == verdict.asked_with
    wanted = prescription.check_status in (CheckStatus.NEVER_RUN, CheckStatus.STALE)
    return wanted and verdict.asked_with.content_version == prescription.content_version


def store_verdict(
    prescription: Prescription,
    verdict: Verdict,
    keys: safety.KeyMaker,
    occasion: Occasion,
    *,
    since: Prescription | None = None,
    knowledge_base: str | None = None,
) -> Prescription:
    """Replace what the last check found. A verdict on other content, or come too late, changes nothing.

    One by another knowledge base than the one in use is stored, and outdated as soon as it is there.
    """
    if prescription.cell(Move.CHECKED).ignored:
        return prescription
    if verdict.asked_with.content_version != prescription.content_version:
        return prescription
    findings = continuing.continued(prescription.check, prescription.items, keys.keyed(verdict.findings))
    findings, unmatched = safety.answered_for(
        safety.worst_first(findings), prescription.acknowledgements, keys
    )
    outdated = knowledge_base not in (None, verdict.knowledge_base_version)
    changed = replace(prescription, unmatched_keys=unmatched, outdated=outdated)
    return _stored(prescription, changed, replace(verdict, findings=findings), occasion, since)


def findings_named(prescription: Prescription, finding_ids: Iterable[UUID] | None) -> tuple[Finding, ...]:
    """The findings that a request is made on; None: all. Raises Refused where there is no such one."""
    if finding_ids is None:
        return prescription.findings
    by_id = {one.id: one for one in prescription.findings}
    wanted = list(finding_ids)
    if any(id not in by_id for id in wanted):
        raise Refused("resource_not_found", "No such finding.")
    return tuple(by_id[id] for id in wanted)


def acknowledge(
    prescription: Prescription,
    finding_ids: Iterable[UUID] | None,
    *,
    doctor_id: UUID,
    reason: str | None,
    occasion: Occasion,
    failing: Sequence[Failing] = (),
) -> Prescription:
    """A doctor answers for these findings, or for all. What is answered for keeps its first doctor."""
    chosen = findings_named(prescription, finding_ids)
    prescription.admit(Move.ACKNOWLEDGE)
    new = [one for one in chosen if one.acknowledgement is None]
    refuse_if([*failing, *_unreasoned(new, reason)])
    if not new or prescription.check is None:
        return prescription
    answered = {
        one.id: replace(
            one, acknowledgement=Acknowledgement(one.key, doctor_id, occasion.at, reason, one.severity)
        )
        for one in new
    }
    findings = tuple(answered.get(one.id, one) for one in prescription.findings)
    changed = replace(prescription, check=replace(prescription.check, findings=findings))
    note = Note(action=Action.ACKNOWLEDGED, findings=tuple(answered.values()))
    return prescription.becomes(changed, occasion, note)


def _unreasoned(findings: Iterable[Finding], reason: str | None) -> Sequence[Failing]:
    if reason or not any(one.severity is Severity.CONTRAINDICATED for one in findings):
        return ()
    return [Failing("reason", "reason_required", "A contraindication needs a reason.")]


def _outdated(check: Verdict | None, asked_with: AskedWith, knowledge_base: str | None) -> bool:
    """Whether a stored check was made with something else than the one that is asked for."""
    if check is None:
        return False
    return check.asked_with != asked_with or knowledge_base not in (None, check.knowledge_base_version)


def _check(
    prescription: Prescription,
    asked_with: AskedWith,
    occasion: Occasion,
    since: Prescription,
    *,
    knowledge_base: str | None = None,
) -> Prescription:
    """Ask; but nothing needs asking of what has no items, which has passed at once."""
    if prescription.items:
        return ask(prescription, asked_with, occasion, since=since, knowledge_base=knowledge_base)
    passed = Verdict(asked_with=asked_with, findings=(), knowledge_base_version=None, checked_at=occasion.at)
    return _stored(prescription, replace(prescription, outdated=False), passed, occasion, since)


def _stored(
    prescription: Prescription,
    changed: Prescription,
    verdict: Verdict,
    occasion: Occasion,
    since: Prescription | None,
) -> Prescription:
    changed = waiting.answered(replace(changed, check=verdict, check_asked=None))
    note = Note(
        action=Action.CHECKED,
        changes=changes(
            prescription.check, verdict, "checked_at", "knowledge_base_version", of="safety_check"
        ),
        findings=verdict.findings,
        coverage=verdict.coverage,
        not_evaluated=verdict.not_evaluated,
    )
    return _after(prescription, changed, occasion, note, since)


def _after(
    prescription: Prescription,
    changed: Prescription,
    occasion: Occasion,
    note: Note,
    since: Prescription | None,
) -> Prescription:
    """Clients count a commit once, and not at all where neither findings nor status of the check moved."""
    counted = since is not None and prescription.version > since.version
    same = (prescription.check_status, prescription.findings) == (changed.check_status, changed.findings)
    if counted or (same and not prescription.issuing):
        return prescription.besides(changed, occasion, note)
    return prescription.becomes(changed, occasion, note)

"""The safety check of what clients see: asked for, stored, answered for, and asked for again."""

from datetime import timedelta
from typing import Final

from contracts.drafting_commands import AcknowledgeFindings, CheckSafety
from contracts.safety_check_events import KnowledgeBaseUpdated, SafetyCheckCompleted
from services.prescription import store
from services.prescription.commands import carry_out, keep_hidden, question, refuse_issue, take_up
from services.prescription.domain import assembling, checking, signing, steps
from services.prescription.domain import clock as clockwork
from services.prescription.domain import patient as patients
from services.prescription.domain.history import Occasion
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.requests import until
from services.prescription.domain.safety import KeyMaker, Verdict, still_blocking
from services.prescription.handlers import consultations, issuing, signatures
from services.prescription.handlers.registry import handlers
from services.prescription.messages import reading, telling
from shared import clock, ids
from shared.database import Connection
from shared.outbox import Outbox

# A process with the last knowledge base may still answer: by then it has been replaced.
OTHER_KNOWLEDGE_AFTER: Final = timedelta(minutes=1)
# The same where somebody waits for a signature.
SIGNER_WAITS_AFTER: Final = timedelta(seconds=5)


@handlers.on(CheckSafety)
async def check_safety(command: CheckSafety, conn: Connection, outbox: Outbox) -> None:
    """Have it checked now; whoever asks is answered when the result is stored."""
    asked = take_up(conn, command)
    patient = store.patient(conn, command.tenant_id, asked.prescription.patient_id)
    after = checking.request(
        asked.prescription,
        patient.asked_with(asked.prescription),
        asked.now,
        deadline=until(command.deadline, asked.now.at),
        knowledge_base=store.knowledge_base(conn),
    )
    to_ask = await question(conn, asked.prescription, after, patient, asked.now)

    carry_out(conn, outbox, asked.before, after)
    outbox.announce(*to_ask)


@handlers.on(AcknowledgeFindings)
async def acknowledge_findings(command: AcknowledgeFindings, conn: Connection, outbox: Outbox) -> None:
    """A doctor answers for findings: they forbid nothing any more."""
    asked = take_up(conn, command, named=lambda one: checking.findings_named(one, command.finding_ids))
    suspended = await store.suspended(conn, command.tenant_id, [command.acknowledged_by])
    people = {"acknowledged_by": command.acknowledged_by}
    after = checking.acknowledge(
        asked.prescription,
        command.finding_ids,
        doctor_id=command.acknowledged_by,
        reason=command.reason,
        failing=steps.unnamable(reading.references(command.unresolved), people, suspended),
        occasion=asked.now,
    )

    whole = carry_out(conn, outbox, asked.before, after)
    outbox.announce(telling.succeeded(whole, command.request_id))


@handlers.on(SafetyCheckCompleted)
async def on_safety_check_completed(event: SafetyCheckCompleted, conn: Connection, outbox: Outbox) -> None:
    """Store what was found, unless it speaks of what is no longer so: then it is asked again."""
    prescription = store.find(conn, event.tenant_id, event.prescription_id)
    verdict = reading.verdict(event, ids.new)
    if prescription is None or not checking.expects(prescription, verdict):
        return  # It has come to its end, or a later question is under way.
    if not await _counts(conn, prescription, verdict):
        await _ask_again(conn, outbox, prescription)
    elif prescription.issuing:
        keys = await _keys(conn, prescription, verdict)
        await issuing.after_check(conn, outbox, prescription, verdict, keys)
    elif prescription.assembling:
        await _show(conn, outbox, prescription, verdict)
    else:
        await _store(conn, outbox, prescription, verdict)


@handlers.on(KnowledgeBaseUpdated)
async def on_knowledge_base_updated(event: KnowledgeBaseUpdated, conn: Connection, outbox: Outbox) -> None:
    """From now on checks use another knowledge base: what is unsigned is checked again, piece by piece."""
    version = event.knowledge_base_version
    if await store.save_knowledge_base(conn, version, updated_at=event.updated_at):
        await store.check_all_again(conn, version, at=clock.now())


async def _store(conn: Connection, outbox: Outbox, before: Prescription, verdict: Verdict) -> None:
    """Whoever waits for it is answered; a signature that waits goes on."""
    now = reading.going_on(before, clock.now())
    known = store.knowledge_base(conn)
    present = clockwork.as_of(before, now.at)
    checked = checking.store_verdict(
        present,
        verdict,
        await _keys(conn, before, verdict),
        now,
        since=present,
        knowledge_base=known,
    )
    if signing.awaits_check(checked):
        await signatures.go_on(conn, outbox, before, checked, now)
    else:
        carry_out(conn, outbox, before, checked)
    await _check_again_if_outdated(conn, checked, now)


async def _show(conn: Connection, outbox: Outbox, before: Prescription, verdict: Verdict) -> None:
    """A draft that made itself is there for all to see, with whatever was found."""
    now = reading.going_on(before, clock.now())
    if assembling.too_late(before, now):
        refuse_issue(conn, outbox, before, assembling.unchecked())
        return
    keys = await _keys(conn, before, verdict)
    checked = assembling.checked(before, verdict, keys, now, knowledge_base=store.knowledge_base(conn))
    consultations.show(conn, outbox, before, checked)
    await _check_again_if_outdated(conn, checked, now)


async def _check_again_if_outdated(conn: Connection, checked: Prescription, now: Occasion) -> None:
    if checked.outdated:
        patient = [(checked.tenant_id, checked.patient_id)]
        after = SIGNER_WAITS_AFTER if signing.awaits_check(checked) else OTHER_KNOWLEDGE_AFTER
        await store.check_again(conn, patient, at=now.at + after, once_more=True)


async def _ask_again(conn: Connection, outbox: Outbox, before: Prescription) -> None:
    now = reading.going_on(before, clock.now())
    patient = store.patient(conn, before.tenant_id, before.patient_id)
    known = store.knowledge_base(conn)
    asking = checking.again(before, patient.asked_with(before), now, knowledge_base=known)
    to_ask = await question(conn, before, asking, patient, now)
    if before.hidden:
        keep_hidden(conn, before, asking)
    else:
        carry_out(conn, outbox, before, asking)
    outbox.announce(*to_ask)


async def _keys(conn: Connection, prescription: Prescription, verdict: Verdict) -> KeyMaker:
    """The secret is read only where there is a finding to make a key for."""
    secret = await store.finding_secret(conn) if verdict.findings else b""
    return KeyMaker(secret, prescription.tenant_id, prescription.patient_id)


async def _counts(conn: Connection, prescription: Prescription, verdict: Verdict) -> bool:
    patient = store.patient(conn, prescription.tenant_id, prescription.patient_id)
    blocking = still_blocking(verdict.findings)
    named = [one.other_prescription_id for one in blocking if one.other_prescription_id]
    in_force = (
        await store.still_in_force(conn, prescription.tenant_id, named, clock.now()) if named else frozenset()
    )
    return patients.counts(verdict, prescription, patient, in_force)

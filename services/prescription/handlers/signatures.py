"""A signature on its way from its request to its seal, which a fresh check may stop."""

import secrets

from contracts import prescription_codes, values
from services.prescription import store
from services.prescription.commands import carry_out
from services.prescription.domain import checking, signing
from services.prescription.domain import patient as patients
from services.prescription.domain.history import Occasion
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.signature import Seal
from services.prescription.messages import reading, telling
from shared import ids
from shared.database import Connection
from shared.outbox import Outbox


async def begin(
    conn: Connection,
    outbox: Outbox,
    before: Prescription,
    begun: Prescription,
    *,
    patient: values.Patient | None,
    now: Occasion,
) -> None:
    """Have it sealed at once where its check is of today, else check it first. Raises Refused."""
    known = store.patient(conn, begun.tenant_id, begun.patient_id)
    patient_now = known.told(reading.facts(patient)) if patient else known
    in_use = store.knowledge_base(conn)
    if patients.is_current(begun, patient_now, in_use):
        signing.allow(begun)
        await _seal(conn, outbox, before, begun)
        return
    entered = patient_now.entered_or_left()
    asking = checking.ask(begun, entered.asked_with(begun), now, since=before, knowledge_base=in_use)
    others = await store.in_force(conn, asking, now.at)

    store.save_patient(conn, patient_now)
    carry_out(conn, outbox, before, asking)
    outbox.announce(telling.check_requested(asking, entered, others))


async def go_on(
    conn: Connection, outbox: Outbox, before: Prescription, checked: Prescription, now: Occasion
) -> None:
    """Have sealed what has been checked in the meantime, unless something found forbids it.

    What another knowledge base than the one in use found nothing in waits for the next check.
    """
    assert checked.signature is not None
    suspended = await store.suspended(conn, checked.tenant_id, {checked.signature.signed_by})
    refusal = signing.objection(checked, now, signer_active=not suspended)
    if refusal is not None:
        withdrawn = signing.withdraw(checked, refusal, now, since=before)
        carry_out(conn, outbox, before, withdrawn, refusal=refusal)
    elif checked.outdated:
        carry_out(conn, outbox, before, checked)
    else:
        await _seal(conn, outbox, before, checked)


async def after_seal(
    conn: Connection, present: Prescription, seal: Seal, *, number: int, now: Occasion
) -> Prescription:
    """The prescription with its seal, if it still wants it and its signer may sign."""
    if signing.awaited(present) == number and present.signature is not None:
        signer = present.signature.signed_by
        if await store.suspended(conn, present.tenant_id, {signer}):
            return signing.after_failure(present, signing.SIGNER_INACTIVE, number=number, occasion=now)
    return signing.after_seal(present, seal, number=number, document_id=ids.new(), occasion=now)


async def _seal(conn: Connection, outbox: Outbox, before: Prescription, allowed: Prescription) -> None:
    code = prescription_codes.allocate(allowed.updated_at.year, secrets.randbelow)
    sealing = signing.sealing(allowed, code)
    shown = await store.display_names(conn, {row for item in sealing.items for row in item.ingredients})

    carry_out(conn, outbox, before, sealing)
    outbox.announce(telling.seal_requested(sealing, shown))

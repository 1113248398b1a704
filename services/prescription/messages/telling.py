"""Domain to contract: requests to other services, what became true, and the one answer to each command."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any, Final
from uuid import UUID

from contracts import dispense_events as dispense
from contracts import values
from contracts.command_outcomes import CommandRefused, CommandSucceeded, RecordCommandRefused, Refusal
from contracts.prescription_commands import PrescriptionCommand
from contracts.prescription_events import (
    DeliveryRequested,
    ItemToCheck,
    OtherPrescription,
    PrescriptionChanged,
    SafetyCheckRequested,
    SealRequested,
)
from contracts.record_commands import RecordCommand
from services.prescription.domain.history import Entry
from services.prescription.domain.items import Item
from services.prescription.domain.patient import Patient
from services.prescription.domain.prescription import Notice, Prescription, Said
from services.prescription.domain.refusal import Detail, Refused
from services.prescription.domain.requests import Answer
from services.prescription.messages import entries, particulars, state

_EVENTS: Final[Mapping[Said, type[dispense.DispenseEvent]]] = {
    Said.RELEASED: dispense.DispenseReleased,
    Said.STARTED: dispense.DispenseStarted,
    Said.CHANGED: dispense.DispenseChanged,
    Said.COMPLETED: dispense.DispenseCompleted,
    Said.STOPPED: dispense.DispenseStopped,
    Said.ENDED: dispense.DispenseEnded,
}
ALLERGIES_MAX: Final = 400
_NOTHING: Final[Mapping[str, str]] = {}


def check_requested(
    prescription: Prescription, patient: Patient, others: Mapping[UUID, Sequence[Item]]
) -> SafetyCheckRequested:
    """Ask what every rule says of these items, for this patient, beside what else is in force."""
    carried = particulars.of(prescription)
    asked = patient.asked_with(prescription)
    return SafetyCheckRequested(
        tenant_id=prescription.tenant_id,
        prescription_id=prescription.id,
        content_version=asked.content_version,
        facts_version=asked.facts_version,
        in_force_version=asked.in_force_version,
        country=carried.provider.country,
        prescription_type=prescription.prescription_type,
        facts=_facts(patient, carried.allergies),
        diagnoses=tuple(one.diagnosis_code for one in carried.diagnoses),
        items=tuple(_to_check(one) for one in prescription.items),
        others=tuple(
            OtherPrescription(prescription_id=id, items=tuple(_to_check(one) for one in items))
            for id, items in others.items()
        ),
    )


def seal_requested(prescription: Prescription, shown: Mapping[str, str] = _NOTHING) -> SealRequested:
    """Ask for the provider's seal over what is never to change; `shown`: how ingredients are called."""
    carried = particulars.of(prescription)
    signature = prescription.signature
    assert signature is not None
    assert prescription.code is not None
    assert prescription.valid_until is not None
    return SealRequested(
        tenant_id=prescription.tenant_id,
        prescription_id=prescription.id,
        signature_version=signature.number,
        prescription_code=prescription.code,
        provider=carried.provider,
        patient=carried.patient,
        doctor=carried.signer or carried.doctor,
        items=tuple(state.to_be_sealed(one, shown) for one in prescription.items),
        diagnoses=carried.diagnoses,
        patient_data_consent=carried.patient_data_consent,
        issued_at=signature.asked_at,
        valid_until=prescription.valid_until,
    )


def changed(whole: values.Prescription, happened: Sequence[Entry]) -> PrescriptionChanged:
    """What views are fed from: the state, and what the history says of how it came about."""
    return PrescriptionChanged(
        tenant_id=whole.tenant_id,
        prescription_id=whole.prescription_id,
        change=happened[-1].note.action.value,
        prescription=whole,
        history=tuple(entries.entry(one) for one in happened),
    )


def public(prescription: Prescription, notices: Iterable[Notice]) -> list[dispense.DispenseEvent]:
    """What every pharmacy may know."""
    return [_notice(prescription.id, one) for one in notices]


def delivery_requested(
    whole: values.Prescription, *, delivery_id: UUID, channel: str, address: str
) -> DeliveryRequested:
    return DeliveryRequested(
        tenant_id=whole.tenant_id,
        prescription_id=whole.prescription_id,
        delivery_id=delivery_id,
        channel=channel,
        email_address=address,
        language=whole.provider.language,
        prescription=whole,
    )


def succeeded(
    whole: values.Prescription,
    request_id: UUID,
    *,
    dispensation_id: UUID | None = None,
    delivery_id: UUID | None = None,
    template: values.Template | None = None,
    item_id: UUID | None = None,
    repeated: bool = False,
) -> CommandSucceeded:
    return CommandSucceeded(
        tenant_id=whole.tenant_id,
        prescription_id=whole.prescription_id,
        request_id=request_id,
        prescription=whole,
        dispensation_id=dispensation_id,
        delivery_id=delivery_id,
        template=template,
        item_id=item_id,
        repeated=repeated,
    )


def refused(
    command: PrescriptionCommand, refusal: Refused, prescription: Prescription | None, now: datetime
) -> CommandRefused:
    """The refusal, with the state that it was decided on."""
    return CommandRefused(
        tenant_id=command.tenant_id,
        prescription_id=command.prescription_id,
        request_id=command.request_id,
        code=refusal.code,
        message=refusal.message,
        refusals=_entries(refusal),
        data=_data(refusal, now),
        prescription=state.whole(prescription) if prescription else None,
    )


def refused_later(
    whole: values.Prescription, request_id: UUID, refusal: Refused, *, now: datetime
) -> CommandRefused:
    """The refusal of a request that was under way when something ended it."""
    return CommandRefused(
        tenant_id=whole.tenant_id,
        prescription_id=whole.prescription_id,
        request_id=request_id,
        code=refusal.code,
        message=refusal.message,
        refusals=_entries(refusal),
        data=_data(refusal, now),
        prescription=whole,
    )


def answer(whole: values.Prescription, answered: Answer, now: datetime) -> CommandSucceeded | CommandRefused:
    """What a request is told that has waited for a check."""
    request_id = answered.waiting.occasion.request_id
    assert request_id is not None
    if answered.refused is None:
        return succeeded(whole, request_id)
    return refused_later(whole, request_id, Refused(*answered.refused), now=now)


def record_refused(command: RecordCommand, refusal: Refused, now: datetime) -> RecordCommandRefused:
    """The refusal of what was asked of a consultation or a template."""
    return RecordCommandRefused(
        tenant_id=command.tenant_id,
        record_id=command.record_id,
        request_id=command.request_id,
        code=refusal.code,
        message=refusal.message,
        refusals=_entries(refusal),
        data=_data(refusal, now),
    )


def issue_refused(prescription: Prescription, refusal: Refused, now: datetime) -> CommandRefused:
    """The refusal of an issue: of what was hidden nothing is shown but the findings that forbid it."""
    assert prescription.issue is not None
    assert prescription.issue.occasion.request_id is not None
    data = _data(refusal, now)
    if refusal.code == "safety_blocked" and (check := prescription.check) is not None:
        data |= {
            "findings": [state.keyed(one).model_dump(mode="json") for one in prescription.findings],
            "coverage": {
                name: one.model_dump(mode="json") for name, one in state.coverage(check.coverage).items()
            },
            "not_evaluated": [
                one.model_dump(mode="json") for one in state.not_evaluated(check.not_evaluated)
            ],
        }
    return CommandRefused(
        tenant_id=prescription.tenant_id,
        prescription_id=prescription.id,
        request_id=prescription.issue.occasion.request_id,
        code=refusal.code,
        message=refusal.message,
        refusals=_entries(refusal),
        data=data,
    )


def rivals_refused(prescription: Prescription, refusal: Refused, now: datetime) -> list[CommandRefused]:
    """The same answer to all who came too late for what was under way."""
    rivals = prescription.issue.rivals if prescription.issue else ()
    return [
        CommandRefused(
            tenant_id=prescription.tenant_id,
            prescription_id=one.prescription_id,
            request_id=one.request_id,
            code=refusal.code,
            message=refusal.message,
            data=_data(refusal, now),
        )
        for one in rivals
    ]


def _entries(refusal: Refused) -> tuple[Refusal, ...]:
    return tuple(
        Refusal(path=one.path, code=one.code, message=one.message, data=dict(one.details))
        for one in refusal.errors
    )


def _data(refusal: Refused, now: datetime) -> dict[str, Any]:
    """What the refusal tells besides; a time to wait until is told as seconds too."""
    data = {name: _spelled(value) for name, value in refusal.details.items()}
    until = refusal.details.get("claim_expires_at")
    if isinstance(until, datetime):
        data["retry_after_seconds"] = max(1, ceil((until - now).total_seconds()))
    return data


def _spelled(value: Detail) -> Any:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value


def _facts(patient: Patient, besides: Sequence[values.Allergy]) -> values.PatientFacts:
    """The facts on file, and the allergies that the order names beside them."""
    on_file = tuple(
        values.Allergy(ingredient=one.ingredient, severity=one.severity, reaction=one.reaction)
        for one in patient.facts.allergies
    )
    allergies = tuple(dict.fromkeys((*on_file, *besides)))[:ALLERGIES_MAX]
    return values.PatientFacts(
        patient_id=patient.id,
        version=patient.facts.version,
        date_of_birth=patient.facts.date_of_birth,
        sex=patient.facts.sex,
        allergies=allergies,
    )


def _to_check(item: Item) -> ItemToCheck:
    product = item.product
    return ItemToCheck(
        item_id=item.id,
        number=item.position,
        medication_name=item.medication_name,
        active_ingredient=item.active_ingredient,
        linked_ingredients=product.linked_ingredients if product else None,
        atc_codes=tuple(one.atc_code for one in product.active_ingredients if one.atc_code)
        if product
        else (),
        dosage=item.dosage or (product.strength if product else None),
        route=item.route or (product.route if product else None),
        frequency=item.frequency,
        posology=item.posology,
        quantity=item.quantity,
        duration_days=item.duration_days,
    )


def _notice(prescription_id: UUID, notice: Notice) -> dispense.DispenseEvent:
    told: dict[str, object] = {
        "prescription_id": prescription_id,
        "version": notice.version,
        "status": notice.status,
        "in_dispensing": notice.in_dispensing,
        "valid_until": notice.valid_until,
        "dispensation_id": notice.dispensation_id,
        "expires_at": notice.expires_at,
        "stopped_by": notice.stopped_by.value.lower() if notice.stopped_by else None,
    }
    return _EVENTS[notice.said].model_validate(told)

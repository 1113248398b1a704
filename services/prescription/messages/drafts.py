"""Contract to domain: what is written of a prescription step by step."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from pydantic import AwareDatetime, TypeAdapter

from contracts import values
from contracts.drafting_commands import (
    AddItem,
    ChangeItem,
    ChangeMetadata,
    CreateFromConsultation,
    CreateFromTemplate,
    CreatePrescription,
    DraftCommand,
)
from services.prescription.domain.items import Item, days_of
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Failing, unresolved
from services.prescription.domain.requests import Issue, Shown, until
from services.prescription.domain.safety import SafetyPolicy
from services.prescription.domain.template import Template
from services.prescription.messages import particulars, reading, state

_moment: Final = TypeAdapter(AwareDatetime | None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a change of metadata makes of it: what is not named stays."""

    notes: str | None
    valid_until: datetime | None
    prescription_type: str


def people_missing(command: DraftCommand) -> list[Failing]:
    """Those of a draft's people whom the directory does not know, or who are not active."""
    told = reading.references(command.unresolved)
    for path, person in (("patient_id", command.patient), ("doctor_id", command.doctor)):
        if person is None:
            told.setdefault(path, "unknown_reference")
    return unresolved(told)


def draft(command: CreatePrescription, now: datetime) -> Prescription:
    """An empty draft. Call it where its people are known."""
    return replace(
        _begun(command, now),
        origin=command.origin,
        consultation_id=command.consultation_id,
        prescription_type=command.prescription_type,
        notes=command.notes,
    )


def draft_from_template(command: CreateFromTemplate, template: Template, now: datetime) -> Prescription:
    """A draft of the template's type. Call it where its people are known."""
    return replace(
        _begun(command, now),
        consultation_id=command.consultation_id,
        template_id=template.id,
        prescription_type=template.prescription_type,
    )


def draft_from_consultation(command: CreateFromConsultation, now: datetime) -> Prescription:
    """A draft that is hidden until it is checked. Call it where its people are known."""
    return replace(
        _begun(command, now),
        origin="consultation",
        consultation_id=command.consultation_id,
        issue=Issue(
            occasion=reading.occasion(command, now),
            deadline=until(command.deadline, now),
            policy=SafetyPolicy.ADVISE,
            shown=Shown.CHECKED,
        ),
    )


def _begun(command: DraftCommand, now: datetime) -> Prescription:
    carried = particulars.drafted_with(command)
    return Prescription(
        tenant_id=command.tenant_id,
        id=command.prescription_id,
        patient_id=carried.patient.patient_id,
        doctor_id=carried.doctor.doctor_id,
        dialect=command.caller.channel,
        created_at=now,
        updated_at=now,
        particulars=carried,
    )


def metadata(command: ChangeMetadata, prescription: Prescription) -> Metadata:
    changes = command.changes
    notes = changes.get("notes", prescription.notes)
    until = prescription.valid_until
    if "valid_until" in changes:
        moment = _moment.validate_python(changes["valid_until"])
        until = moment.astimezone(UTC) if moment else None
    return Metadata(
        notes=None if notes is None else str(notes),
        valid_until=until,
        prescription_type=str(changes.get("prescription_type", prescription.prescription_type)),
    )


def added_item(command: AddItem) -> Item:
    """The line as it is asked for; the catalogue has not been asked, and it has no place yet."""
    item = reading.item(command.item, 1)
    return replace(item, duration_days=item.duration_days or days_of(item.duration))


def changed_item(command: ChangeItem, item: Item) -> Item:
    """The line as it is to be; what its names mean is for the catalogue to say."""
    changes = command.changes
    order = values.ItemOrder.model_validate({**state.order(item).model_dump(), **changes})
    days = order.duration_days
    return replace(
        item,
        medication_name=order.medication_name,
        active_ingredient=order.active_ingredient,
        cmed_medication_id=order.cmed_medication_id,
        dosage=order.dosage,
        route=order.route,
        frequency=order.frequency,
        duration=order.duration,
        duration_days=days_of(order.duration) if "duration" in changes else days,
        quantity=order.quantity,
        unit=order.unit,
        instructions=order.instructions,
        clinical_notes=order.clinical_notes,
    )


def names_another(before: Item, after: Item) -> bool:
    """Whether the catalogue is to be asked what it means now."""
    names = ("medication_name", "active_ingredient", "cmed_medication_id")
    return any(getattr(before, name) != getattr(after, name) for name in names)

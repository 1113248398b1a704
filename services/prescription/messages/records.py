"""Consultations and templates, contract to domain and back."""

from dataclasses import asdict
from datetime import datetime

from contracts import values
from contracts.command_outcomes import RecordCommandSucceeded
from contracts.prescription_events import ConsultationChanged, TemplateChanged
from contracts.record_commands import PutConsultation, RecordCommand
from services.prescription.domain.consultation import Consultation, ConsultationStatus, Entity
from services.prescription.domain.template import Template


def consultation(command: PutConsultation, now: datetime) -> Consultation:
    """The consultation as an upstream system hands it in."""
    return Consultation(
        tenant_id=command.tenant_id,
        id=command.record_id,
        patient_id=command.patient_id,
        doctor_id=command.doctor_id,
        status=ConsultationStatus(command.status),
        language=command.language,
        entities=tuple(Entity(**one.model_dump()) for one in command.medication_entities),
        created_at=now,
        updated_at=now,
    )


def consultation_changed(one: Consultation) -> ConsultationChanged:
    """What views are fed from."""
    return ConsultationChanged(consultation=whole_consultation(one))


def template_changed(one: Template) -> TemplateChanged:
    """What views are fed from."""
    return TemplateChanged(template=whole_template(one))


def succeeded(
    command: RecordCommand,
    *,
    consultation: Consultation | None = None,
    template: Template | None = None,
    created: bool = False,
) -> RecordCommandSucceeded:
    """The answer to what was asked of a consultation or a template."""
    return RecordCommandSucceeded(
        tenant_id=command.tenant_id,
        record_id=command.record_id,
        request_id=command.request_id,
        consultation=whole_consultation(consultation) if consultation else None,
        template=whole_template(template) if template else None,
        created=created,
    )


def whole_template(one: Template) -> values.Template:
    """The template whole."""
    return values.Template(
        tenant_id=one.tenant_id,
        template_id=one.id,
        version=one.version,
        name=one.name,
        description=one.description,
        prescription_type=one.prescription_type,
        source_prescription_id=one.source_prescription_id,
        items=tuple(values.TemplateItem(**asdict(line)) for line in one.items),
        created_at=one.created_at,
        deleted=one.deleted,
    )


def whole_consultation(one: Consultation) -> values.Consultation:
    return values.Consultation(
        tenant_id=one.tenant_id,
        consultation_id=one.id,
        version=one.version,
        patient_id=one.patient_id,
        doctor_id=one.doctor_id,
        status=one.status.value,
        language=one.language,
        medication_entities=tuple(values.MedicationEntity(**asdict(entity)) for entity in one.entities),
        prescription_ids=one.prescription_ids,
        created_at=one.created_at,
        updated_at=one.updated_at,
    )

"""What is asked of consultations and templates: fixed, valid, invented."""

from typing import Any
from uuid import UUID

from contracts import values
from contracts.drafting_commands import CreateFromConsultation, CreateFromTemplate, SaveAsTemplate
from contracts.record_commands import DeleteTemplate, PutConsultation
from tests.service.prescriptions import ABOUT, ANA, CLINIC, DOCTOR, MARTA, PATIENT, PROVIDER, asked_by

CONSULTATION = UUID(int=61)
TEMPLATE = UUID(int=71)
BRAZILIAN = PROVIDER.model_copy(update={"country": "BR", "language": "pt"})
AMOXICILLIN = values.MedicationEntity(
    text="vou passar amoxicilina de quinhentos, de oito em oito horas, por sete dias",
    medication_name="amoxicilina",
    dosage="500mg",
    route="oral",
    frequency="8/8h",
    duration="7 dias",
)


def put(*entities: values.MedicationEntity, **other: Any) -> PutConsultation:
    return PutConsultation(
        **{
            "tenant_id": CLINIC,
            **asked_by(),
            "record_id": CONSULTATION,
            "patient_id": PATIENT,
            "doctor_id": DOCTOR,
            "status": "completed",
            "medication_entities": entities or (AMOXICILLIN,),
            **other,
        }
    )


def save(**other: Any) -> SaveAsTemplate:
    return SaveAsTemplate(**{**ABOUT, **asked_by(), "template_id": TEMPLATE, "name": "Amigdalite", **other})


def delete(**other: Any) -> DeleteTemplate:
    return DeleteTemplate(**{"tenant_id": CLINIC, **asked_by(), "record_id": TEMPLATE, **other})


def from_template(**other: Any) -> CreateFromTemplate:
    return CreateFromTemplate(**{**_draft(), "template_id": TEMPLATE, **other})


def from_consultation(**other: Any) -> CreateFromConsultation:
    return CreateFromConsultation(**{**_draft(), "consultation_id": CONSULTATION, **other})


def _draft() -> dict[str, Any]:
    return {
        **ABOUT,
        **asked_by(channel="delphos"),
        "provider": BRAZILIAN,
        "policy": values.Policy(),
        "patient": ANA,
        "doctor": MARTA,
    }

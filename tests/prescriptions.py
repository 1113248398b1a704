"""Prescriptions of invented people, valid in every detail; a test says only what it is about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.command_outcomes import CommandRefused, CommandSucceeded
from contracts.prescription_events import PrescriptionChanged
from contracts.values import (
    ActiveIngredient,
    Diagnosis,
    Dispensation,
    DispensationLine,
    DispensationStatus,
    Doctor,
    FieldChange,
    FindingText,
    HistoryEntry,
    Item,
    KeyedFinding,
    Patient,
    Pharmacy,
    Policy,
    Prescription,
    Product,
    Provider,
    Seal,
    Severity,
    Status,
    Void,
)

TENANT = UUID("019eff80-0000-7000-8000-000000000001")
OTHER_TENANT = UUID("019eff80-0000-7000-8000-000000000002")
PHARMACY = UUID("019eff80-0000-7000-8000-000000000003")
PRESCRIPTION = UUID("019eff82-7400-74a6-b57f-7c843a69c3b1")
PATIENT = UUID("019eff80-0000-7000-8000-000000000010")
DOCTOR = UUID("019eff80-0000-7000-8000-000000000020")
ITEM = UUID("019eff80-0000-7000-8000-000000000030")
SECOND_ITEM = UUID("019eff80-0000-7000-8000-000000000031")
DISPENSATION = UUID("019eff80-0000-7000-8000-000000000040")
REQUEST = UUID("019eff80-0000-7000-8000-000000000050")
FINDING = UUID("019eff80-0000-7000-8000-000000000060")
CODE = "RX-2026-9182407133560285"
AT = datetime(2026, 6, 25, 16, 0, tzinfo=UTC)

PARACETAMOL = Product(
    product_code="MED-042",
    product_name="Paracetamol 500 mg tablets",
    active_ingredients=(ActiveIngredient(ingredient="paracetamol", name="paracetamol", atc_code="N02BE01"),),
    dosage_unit="tablet",
    route="oral",
)
GENERIC = PARACETAMOL.model_copy(
    update={"product_code": "MED-043", "product_name": "Paracetamol Sol 500 mg tablets"}
)


def patient(**changes: Any) -> Patient:
    known = Patient(
        patient_id=PATIENT,
        first_name="Ana",
        last_name="López",
        document_type="CC",
        document_number="1000000001",
        date_of_birth=date(1990, 4, 11),
        email_address="ana@example.org",
    )
    return known.model_copy(update=changes)


def doctor(**changes: Any) -> Doctor:
    known = Doctor(
        doctor_id=DOCTOR,
        given_names="Marta",
        first_surname="Ruiz",
        second_surname="Soler",
        medical_license_number="12345",
        medical_license_verification_institution_slug="gt-colmedegua",
        medical_board_registration="MP-12345",
        main_specialty_name="Medicina general",
    )
    return known.model_copy(update=changes)


def item(**changes: Any) -> Item:
    ordered = Item(
        item_id=ITEM,
        product=PARACETAMOL,
        medication_name=PARACETAMOL.product_name,
        quantity=30,
        posology="1 tablet every 8h",
        duration_days=10,
        position=1,
        remaining_quantity=30,
    )
    return ordered.model_copy(update=changes)


def seal(**changes: Any) -> Seal:
    sealed = Seal(
        profile="rx-sign/1",
        algorithm="ES256",
        key_id="seal-1",
        protected="eyJhbGciOiJFUzI1NiJ9",
        payload="e30",
        signature="c2ln",
        document_sha256="00" * 32,
        certificate_sha256="00" * 32,
        sealed_at=AT,
    )
    return sealed.model_copy(update=changes)


def prescription(**changes: Any) -> Prescription:
    issued = Prescription(
        tenant_id=TENANT,
        prescription_id=PRESCRIPTION,
        prescription_code=CODE,
        status=Status.SUBMITTED,
        version=5,
        revision=7,
        content_version=1,
        provider=Provider(
            provider_id=TENANT,
            provider_slug="clinica-norte",
            name="Clínica Norte",
            country="GT",
            language="es",
            time_zone="America/Guatemala",
            currency="GTQ",
        ),
        policy=Policy(),
        patient=patient(),
        doctor=doctor(),
        diagnoses=(Diagnosis(diagnosis_code="R51", description="Cefalea"),),
        items=(item(),),
        valid_until=datetime(2026, 7, 26, 5, 59, 59, tzinfo=UTC),
        seal=seal(),
        signed_document_id=UUID("019eff82-759c-7d8c-908a-666eb419d581"),
        created_at=AT,
        updated_at=AT,
        issued_at=AT,
    )
    return issued.model_copy(update=changes)


def dispensation(**changes: Any) -> Dispensation:
    started = datetime(2026, 6, 26, 10, 15, tzinfo=UTC)
    held = Dispensation(
        dispensation_id=DISPENSATION,
        status=DispensationStatus.STARTED,
        pharmacy=Pharmacy(tenant_id=PHARMACY, provider_slug="farmacia-sol"),
        lines=(DispensationLine(item_id=ITEM, quantity=20),),
        currency_code="GTQ",
        started_at=started,
        expires_at=started + timedelta(minutes=30),
    )
    return held.model_copy(update=changes)


def finding(**changes: Any) -> KeyedFinding:
    found = KeyedFinding(
        interaction_type="pharmacodynamic",
        severity=Severity.CRITICAL,
        rule_id="f:acetylsalicylic-acid:warfarin",
        source="tier1_matrix",
        ingredients=("acetylsalicylic-acid", "warfarin"),
        drug_a="VARFARINA SODICA",
        drug_b="ASPIRINA",
        item_ids=(ITEM, SECOND_ITEM),
        text={
            "es": FindingText(description="Riesgo de sangrado.", recommendation="Evitar."),
            "en": FindingText(description="Bleeding risk.", recommendation="Avoid."),
        },
        finding_id=FINDING,
        finding_key="k1:critical:8d2f60c1",
        blocking=True,
        detected_at=AT,
    )
    return found.model_copy(update=changes)


def voided(**changes: Any) -> Prescription:
    void = Void(
        reason="Patient reports rash.",
        reason_code="PRESCRIBER_DECISION",
        voided_at=datetime(2026, 6, 27, 8, 0, tzinfo=UTC),
        doctor_id=DOCTOR,
    )
    return prescription(status=Status.CANCELLED, void=void, version=6, revision=8, **changes)


def succeeded(state: Prescription | None = None, **changes: Any) -> CommandSucceeded:
    outcome = CommandSucceeded(
        tenant_id=TENANT,
        prescription_id=PRESCRIPTION,
        request_id=REQUEST,
        prescription=state or prescription(),
    )
    return outcome.model_copy(update=changes)


def refused(code: str, **changes: Any) -> CommandRefused:
    outcome = CommandRefused(
        tenant_id=TENANT,
        prescription_id=PRESCRIPTION,
        request_id=REQUEST,
        code=code,
        message="Not as things stand.",
    )
    return outcome.model_copy(update=changes)


def changed(state: Prescription) -> PrescriptionChanged:
    """As it is told, with a line of history that says what the notes were before."""
    entry = HistoryEntry(
        revision=state.revision,
        at=AT,
        what="metadata_changed",
        actor="clinic-ehr",
        data={"version": state.version, "actor_type": "api_key", "dialect": "osigu"},
        changes=(FieldChange(field="notes", old=state.notes, new=state.patient.first_name),),
    )
    return PrescriptionChanged(
        tenant_id=state.tenant_id,
        prescription_id=state.prescription_id,
        change="issued",
        prescription=state,
        history=(entry,),
    )

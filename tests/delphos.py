"""The prescription of the dialect's own example (delphos-dialect 4.8), as the state it is shown from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from contracts.values import (
    Dispensation,
    DispensationLine,
    DispensationStatus,
    FindingText,
    Item,
    KeyedFinding,
    Pharmacy,
    Policy,
    Prescription,
    Provider,
    Seal,
    Severity,
    Signature,
    Status,
)
from tests import prescriptions as known

TENANT: Final = known.TENANT
PRESCRIPTION: Final = UUID("7b1f0c9e-2d34-4a6b-8c1d-5e6f7a8b9c0d")
PATIENT: Final = UUID("d4e5f6a7-b8c9-0123-defa-234567890123")
DOCTOR: Final = UUID("e5f6a7b8-c9d0-1234-efab-345678901234")
WARFARIN: Final = UUID("11a7c6d2-9f0b-4c55-8f3e-6a1b2c3d4e01")
ASPIRIN: Final = UUID("11a7c6d2-9f0b-4c55-8f3e-6a1b2c3d4e02")
FINDING: Final = UUID("c2a4b9d8-1e5f-4d27-8b63-91f0d3a6e702")
NAMES: Final = {"warfarin": "VARFARINA SODICA", "acetylsalicylic-acid": "ACIDO ACETILSALICILICO"}
AT: Final = datetime(2026, 4, 14, 14, 49, tzinfo=UTC)


def at(clock: str, day: int = 14) -> datetime:
    return datetime.fromisoformat(f"2026-04-{day}T{clock}Z")


def warfarin(**changes: Any) -> Item:
    item = Item(
        item_id=WARFARIN,
        position=1,
        medication_name="Marevan",
        active_ingredient="VARFARINA SODICA",
        dosage="5mg",
        route="oral",
        frequency="24/24h",
        duration="30 dias",
        quantity=30,
        unit="comprimidos",
        instructions="Tomar 1 comprimido a noite.",
        clinical_notes="INR em 7 dias.",
        cmed_medication_id=UUID("0d5b2f6e-77a1-4d0c-9d55-3f1e2a4b5c66"),
        match_status="linked",
        ingredients=("warfarin",),
        dispensed_quantity=30,
        created_at=at("14:50:02"),
        updated_at=at("14:50:02"),
    )
    return item.model_copy(update=changes)


def aspirin(**changes: Any) -> Item:
    item = Item(
        item_id=ASPIRIN,
        position=2,
        medication_name="Aspirina",
        dosage="100mg",
        route="oral",
        frequency="24/24h",
        duration="30 dias",
        quantity=30,
        unit="comprimidos",
        match_status="synonym",
        ingredients=("acetylsalicylic-acid",),
        created_at=at("14:50:40"),
        updated_at=at("14:50:40"),
    )
    return item.model_copy(update=changes)


def finding(**changes: Any) -> KeyedFinding:
    found = known.finding(
        finding_id=FINDING,
        finding_key="f0",
        drug_b="ACIDO ACETILSALICILICO",
        item_ids=(WARFARIN, ASPIRIN),
        text={
            "pt": FindingText(
                description="Risco de sangramento aumentado.",
                recommendation="Evitar a associacao ou monitorar o INR.",
            ),
            "en": FindingText(
                description="More risk of bleeding.", recommendation="Avoid, or watch the INR."
            ),
        },
        detected_at=at("14:50:41"),
    )
    return found.model_copy(update=changes)


def acknowledged(**changes: Any) -> KeyedFinding:
    return finding(
        acknowledged=True,
        acknowledged_by=DOCTOR,
        acknowledged_at=at("14:58:30"),
        acknowledgement_reason="Stent recente; INR semanal.",
        acknowledged_severity=Severity.CRITICAL,
        **changes,
    )


def seal() -> Seal:
    return known.seal(
        document_sha256="9f2c6f1f0b8c4f0e5d7a1b3c2d4e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70",
        certificate_sha256="4be1c0d9a8f7e6d5c4b3a29180706f5e4d3c2b1a0f9e8d7c6b5a493827160504",
        sealed_at=at("15:02:26"),
    )


def draft(**changes: Any) -> Prescription:
    """As it is when it has just been created."""
    made = Prescription(
        tenant_id=TENANT,
        prescription_id=PRESCRIPTION,
        status=Status.DRAFT,
        version=1,
        revision=1,
        content_version=1,
        dialect="delphos",
        provider=Provider(
            provider_id=TENANT,
            provider_slug="clinica-norte",
            name="Clinica Norte",
            country="BR",
            language="pt",
        ),
        policy=Policy(),
        patient=known.patient(patient_id=PATIENT),
        doctor=known.doctor(doctor_id=DOCTOR),
        safety_check_status="never_run",
        created_at=AT,
        updated_at=AT,
    )
    return made.model_copy(update=changes)


def submitted(**changes: Any) -> Prescription:
    """The example itself: released, and dispensed in part."""
    whole = draft(
        status=Status.SUBMITTED,
        version=11,
        revision=14,
        prescription_code="RX-2026-9182407133560285",
        notes="Patient reports difficulty swallowing tablets.",
        valid_until=datetime(2026, 5, 14, 23, 59, tzinfo=UTC),
        items=(warfarin(), aspirin()),
        findings=(acknowledged(),),
        safety_check_status="current",
        checked_at=at("14:50:41"),
        knowledge_base_version="2026.03.1",
        signed_by=DOCTOR,
        signed_at=at("15:02:26"),
        signature=Signature(status="completed", signed_by=DOCTOR, asked_at=at("15:02:25")),
        seal=seal(),
        issued_at=at("15:03:10"),
        dispensations=(dispensation(),),
        updated_at=at("09:14:31", 15),
    )
    return whole.model_copy(update=changes)


def dispensation(**changes: Any) -> Dispensation:
    completed = Dispensation(
        dispensation_id=UUID("019d8f0a-5b80-7c3e-9a55-2b6c8d4e0f11"),
        status=DispensationStatus.COMPLETED,
        pharmacy=Pharmacy(tenant_id=known.PHARMACY, provider_slug="central", name="Farmacia Central"),
        lines=(DispensationLine(item_id=WARFARIN, quantity=30),),
        currency_code="BRL",
        started_at=at("09:12:00", 15),
        expires_at=at("09:12:00", 15) + timedelta(minutes=30),
        completed_at=at("09:14:31", 15),
    )
    return completed.model_copy(update=changes)

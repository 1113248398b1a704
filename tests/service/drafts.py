"""What the step-by-step dialect asks of a draft: fixed, valid, invented."""

from typing import Any
from uuid import UUID

from contracts import values
from contracts.drafting_commands import (
    AcknowledgeFindings,
    AddItem,
    ChangeItem,
    ChangeMetadata,
    CheckSafety,
    CreatePrescription,
    RemoveItem,
)
from tests.service.prescriptions import ABOUT, ANA, DOCTOR, ITEM, MARTA, PROVIDER, asked_by

SECOND_ITEM = UUID(int=12)


def _asked() -> dict[str, Any]:
    return {**ABOUT, **asked_by(channel="delphos")}


def create(**other: Any) -> CreatePrescription:
    return CreatePrescription(
        **{
            **_asked(),
            "provider": PROVIDER,
            "policy": values.Policy(),
            "patient": ANA,
            "doctor": MARTA,
            **other,
        }
    )


def change(**changes: Any) -> ChangeMetadata:
    return ChangeMetadata(**_asked(), changes=changes)


def order(item_id: UUID = ITEM, **other: Any) -> values.ItemOrder:
    return values.ItemOrder(
        **{
            "item_id": item_id,
            "medication_name": "Amoxicilina",
            "active_ingredient": "AMOXICILINA TRIIDRATADA",
            "dosage": "500mg",
            "route": "oral",
            "frequency": "8/8h",
            "duration": "7 dias",
            "quantity": 21,
            "unit": "capsulas",
            **other,
        }
    )


def add(item: values.ItemOrder | None = None, **other: Any) -> AddItem:
    return AddItem(**{**_asked(), "policy": values.Policy(), "item": item or order(), **other})


def change_item(item_id: UUID = ITEM, /, **changes: Any) -> ChangeItem:
    return ChangeItem(**_asked(), item_id=item_id, changes=changes)


def remove(item_id: UUID = ITEM, **other: Any) -> RemoveItem:
    return RemoveItem(**{**_asked(), "item_id": item_id, **other})


def check(**other: Any) -> CheckSafety:
    return CheckSafety(**{**_asked(), **other})


def acknowledge(*finding_ids: UUID, **other: Any) -> AcknowledgeFindings:
    """None named: all."""
    return AcknowledgeFindings(
        **{
            **_asked(),
            "finding_ids": finding_ids or None,
            "acknowledged_by": DOCTOR,
            "reason": "Stent; INR weekly.",
            **other,
        }
    )

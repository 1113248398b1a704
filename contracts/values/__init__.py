"""The words that messages share: people, products, items, findings, seals, and a prescription whole."""

from contracts.values.dispensations import (
    Dispensation,
    DispensationLine,
    DispensationStatus,
    Receipt,
    Verification,
)
from contracts.values.findings import (
    Acknowledgement,
    Coverage,
    Finding,
    FindingText,
    KeyedFinding,
    NotEvaluated,
    Verdict,
)
from contracts.values.items import ActiveIngredient, Diagnosis, Item, ItemOrder, Product
from contracts.values.people import (
    Allergy,
    Doctor,
    Guardian,
    Patient,
    PatientFacts,
    Pharmacy,
    Policy,
    Provider,
)
from contracts.values.prescription import FieldChange, HistoryEntry, Prescription, Seal, Signature, Void
from contracts.values.records import Consultation, MedicationEntity, Template, TemplateItem
from contracts.values.words import Amount, Json, Severity, Status, Text

__all__ = [
    "Acknowledgement",
    "ActiveIngredient",
    "Allergy",
    "Amount",
    "Consultation",
    "Coverage",
    "Diagnosis",
    "Dispensation",
    "DispensationLine",
    "DispensationStatus",
    "Doctor",
    "FieldChange",
    "Finding",
    "FindingText",
    "Guardian",
    "HistoryEntry",
    "Item",
    "ItemOrder",
    "Json",
    "KeyedFinding",
    "MedicationEntity",
    "NotEvaluated",
    "Patient",
    "PatientFacts",
    "Pharmacy",
    "Policy",
    "Prescription",
    "Product",
    "Provider",
    "Receipt",
    "Seal",
    "Severity",
    "Signature",
    "Status",
    "Template",
    "TemplateItem",
    "Text",
    "Verdict",
    "Verification",
    "Void",
]

"""What Recepta knows about medicines, and what it says of those of one patient."""

from services.safety_check.domain.knowledge import Knowledge
from services.safety_check.domain.tables import DATA, KnowledgeRefused, Tables
from services.safety_check.domain.values import (
    Allergy,
    Coverage,
    Finding,
    Item,
    NotEvaluated,
    Order,
    OtherPrescription,
    Severity,
    Text,
    Verdict,
)
from services.safety_check.domain.verdict import check

__all__ = [
    "DATA",
    "Allergy",
    "Coverage",
    "Finding",
    "Item",
    "Knowledge",
    "KnowledgeRefused",
    "NotEvaluated",
    "Order",
    "OtherPrescription",
    "Severity",
    "Tables",
    "Text",
    "Verdict",
    "check",
]

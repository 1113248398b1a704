"""What the prescription service does when asked, or told."""

from services.prescription.handlers import (
    announcing,
    asked_by_pharmacies,
    asked_by_prescribers,
    catalogue,
    checking,
    consultations,
    drafting,
    issuing,
    refusing,
    status_changes,
    templates,
    told,
)
from services.prescription.handlers.registry import handlers

__all__ = [
    "announcing",
    "asked_by_pharmacies",
    "asked_by_prescribers",
    "catalogue",
    "checking",
    "consultations",
    "drafting",
    "handlers",
    "issuing",
    "refusing",
    "status_changes",
    "templates",
    "told",
]

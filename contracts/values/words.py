"""What a few words and numbers may be, wherever they stand in a message."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue

Text = Annotated[str, Field(max_length=10_000)]
Amount = Annotated[Decimal, Field(ge=0)]
Json = JsonValue


class Status(StrEnum):
    """The life of a prescription (delphos-dialect 3.1)."""

    DRAFT = "draft"
    PENDING_REVIEW = "pending_review"
    VALIDATED = "validated"
    SIGNED = "signed"
    SUBMITTED = "submitted"
    DISPENSED = "dispensed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Severity(StrEnum):
    """How grave a finding is, worst first; the first two block."""

    CONTRAINDICATED = "contraindicated"
    CRITICAL = "critical"
    MAJOR = "major"
    MODERATE = "moderate"
    MINOR = "minor"

"""The one answer to each report, on the public topic `dispense-report-outcomes-v1`."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.message import Message, Value


class ReportError(Value):
    """One failing check of a report: its field and its code."""

    path: str
    code: str


class DispenseReportOutcome(Message):
    """What became of the report whose `ce_id` was `report_id`; nothing in it helps a stranger."""

    topic: ClassVar[str] = "dispense-report-outcomes-v1"
    source: ClassVar[str] = "/gateway"
    ce_type: ClassVar[str] = "recepta.dispense-report.outcome.v1"

    report_id: str
    outcome: Literal["applied", "refused"]
    http_status: int = Field(ge=100, le=599)
    prescription_id: UUID | None = None
    dispensation_id: UUID | None = None
    code: str | None = None
    retryable: bool = False
    errors: tuple[ReportError, ...] = ()

    @property
    def key(self) -> str:
        return self.report_id

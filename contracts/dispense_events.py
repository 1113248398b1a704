"""What every pharmacy may know, on the public topic `dispense-events-v1`: an opaque id and its story."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Message

PublicStatus = Literal["issued", "partially_dispensed", "dispensed", "cancelled", "expired"]


class DispenseEvent(Message):
    """One change of a prescription that pharmacies follow; readers keep the highest `version`."""

    topic: ClassVar[str] = "dispense-events-v1"
    source: ClassVar[str] = "/prescription"

    prescription_id: UUID
    version: int = Field(ge=1)
    status: PublicStatus
    in_dispensing: bool
    valid_until: AwareDatetime

    @property
    def key(self) -> str:
        return str(self.prescription_id)


class DispenseReleased(DispenseEvent):
    """Redeemable from now on."""

    ce_type: ClassVar[str] = "recepta.dispense.released.v1"


class DispenseStarted(DispenseEvent):
    """A pharmacy holds it until `expires_at`."""

    ce_type: ClassVar[str] = "recepta.dispense.started.v1"

    dispensation_id: UUID
    expires_at: AwareDatetime


class DispenseChanged(DispenseEvent):
    """The lines of a live dispensation were replaced."""

    ce_type: ClassVar[str] = "recepta.dispense.changed.v1"

    dispensation_id: UUID


class DispenseCompleted(DispenseEvent):
    """Handed over, whole or in part."""

    ce_type: ClassVar[str] = "recepta.dispense.completed.v1"

    dispensation_id: UUID


class DispenseStopped(DispenseEvent):
    """A live or completed dispensation ended without effect."""

    ce_type: ClassVar[str] = "recepta.dispense.stopped.v1"

    dispensation_id: UUID
    stopped_by: Literal["pharmacy", "prescriber", "timeout"]


class DispenseEnded(DispenseEvent):
    """Cancelled or expired: no longer redeemable."""

    ce_type: ClassVar[str] = "recepta.dispense.ended.v1"

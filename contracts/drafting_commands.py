"""Walking a prescription step by step, on `prescription-commands-v1` (delphos-dialect 3 and 5 to 9)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.prescription_commands import PrescriptionCommand, Unresolved
from contracts.values import Doctor, ItemOrder, Json, Patient, Policy, Provider, Status, Text


class DraftCommand(PrescriptionCommand):
    """Make a draft for a patient; people are null where `unresolved` says why."""

    provider: Provider
    policy: Policy
    patient: Patient | None
    doctor: Doctor | None
    consultation_id: UUID | None = None
    unresolved: tuple[Unresolved, ...] = ()


class CreatePrescription(DraftCommand):
    """Make an empty draft."""

    ce_type: ClassVar[str] = "recepta.prescription.create.v1"

    origin: str = "manual"
    prescription_type: str = "standard"
    notes: Text | None = None


class CreateFromTemplate(DraftCommand):
    """Make a draft with the items of a template."""

    ce_type: ClassVar[str] = "recepta.prescription.create-from-template.v1"

    template_id: UUID


class CreateFromConsultation(DraftCommand):
    """Make the one draft that follows from a completed consultation; answered when it has been checked."""

    ce_type: ClassVar[str] = "recepta.prescription.create-from-consultation.v1"

    consultation_id: UUID


class ChangeMetadata(PrescriptionCommand):
    """Change `notes`, `valid_until` or `prescription_type`: what is named becomes what it says."""

    ce_type: ClassVar[str] = "recepta.prescription.change-metadata.v1"

    changes: dict[str, Json]


class AddItem(PrescriptionCommand):
    """One more line; what it means is resolved by the catalogue."""

    ce_type: ClassVar[str] = "recepta.prescription.add-item.v1"

    policy: Policy
    item: ItemOrder


class ChangeItem(PrescriptionCommand):
    """Change a line: what is named becomes what it says, null clears it."""

    ce_type: ClassVar[str] = "recepta.prescription.change-item.v1"

    item_id: UUID
    changes: dict[str, Json]


class RemoveItem(PrescriptionCommand):
    """Take a line away; the history keeps it."""

    ce_type: ClassVar[str] = "recepta.prescription.remove-item.v1"

    item_id: UUID


class ChangeStatus(PrescriptionCommand):
    """Take the next step of the life of a prescription, or call it off.

    `patient` and `doctor` are the prescription's own as the directory has them now: it is signed with these.
    `signer` is the doctor that `signed_by` names. `unresolved` speaks of all three.
    """

    ce_type: ClassVar[str] = "recepta.prescription.change-status.v1"

    status: Status
    policy: Policy
    provider: Provider
    patient: Patient | None = None
    doctor: Doctor | None = None
    signed_by: UUID | None = None
    signer: Doctor | None = None
    unresolved: tuple[Unresolved, ...] = ()
    valid_until: AwareDatetime | None = None
    reason: Text | None = None


class CheckSafety(PrescriptionCommand):
    """Check it now; answered when the result is stored."""

    ce_type: ClassVar[str] = "recepta.prescription.check-safety.v1"


class AcknowledgeFindings(PrescriptionCommand):
    """A doctor answers for these findings; None: for all that nobody has answered for."""

    ce_type: ClassVar[str] = "recepta.prescription.acknowledge-findings.v1"

    finding_ids: tuple[UUID, ...] | None = None
    acknowledged_by: UUID
    unresolved: tuple[Unresolved, ...] = ()
    reason: Text | None = None


class SaveAsTemplate(PrescriptionCommand):
    """Keep its items under a name, to prescribe them again."""

    ce_type: ClassVar[str] = "recepta.prescription.save-as-template.v1"

    template_id: UUID
    name: Text = Field(min_length=1)
    description: Text | None = None

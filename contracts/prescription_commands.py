"""What clients ask of a prescription, on `prescription-commands-v1`; each command has exactly one outcome."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Command, Event, Value
from contracts.values import (
    Acknowledgement,
    Allergy,
    Diagnosis,
    DispensationLine,
    Doctor,
    ItemOrder,
    Patient,
    Pharmacy,
    Policy,
    Provider,
    Receipt,
    Text,
    Verification,
)

# The fields of a request that one may stand in: the token's own, and ten of `external_verifications`.
VERIFICATIONS_MAX: Final = 11


class Unresolved(Value):
    """A reference of the request that the directory cannot honour: `unknown_reference`, `inactive_reference`.

    The gateway finds it, but it is refused where it stands in the order of checks, beside what else is wrong.
    """

    path: str
    code: Annotated[str, Field(pattern="^(unknown|inactive)_reference$")]


class PrescriptionCommand(Command, Event):
    """A command about one prescription, which the prescription service executes."""

    topic: ClassVar[str] = "prescription-commands-v1"
    source: ClassVar[str] = "/gateway"

    expected_version: int | None = None
    """The version that the client has read (`If-Match`); another one is refused as `version_mismatch`."""


class IssuePrescription(PrescriptionCommand):
    """Create, check, seal and release a prescription in one request; hidden until the last step."""

    ce_type: ClassVar[str] = "recepta.prescription.issue.v1"

    api_version: str
    provider: Provider
    policy: Policy
    patient: Patient
    doctor: Doctor
    diagnoses: tuple[Diagnosis, ...] = ()
    items: tuple[ItemOrder, ...] = Field(min_length=1, max_length=30)
    allergies: tuple[Allergy, ...] = ()
    patient_data_consent: bool | None = None
    confidential: bool = False
    notes: Text | None = None
    laboratory_notes: Text | None = None
    diagnostic_test_notes: Text | None = None
    valid_until: AwareDatetime
    acknowledged: tuple[Acknowledgement, ...] = ()


class VoidPrescription(PrescriptionCommand):
    """Cancel a prescription; a live dispensation of it ends in the same commit."""

    ce_type: ClassVar[str] = "recepta.prescription.void.v1"

    reason: Text
    reason_code: str = "PRESCRIBER_DECISION"
    doctor_id: UUID | None = None


class ResendPrescription(PrescriptionCommand):
    """Deliver a prescription again; `email_address` is used for this delivery and not stored elsewhere."""

    ce_type: ClassVar[str] = "recepta.prescription.resend.v1"

    delivery_id: UUID
    channel: str = "EMAIL"
    email_address: str | None = None


class NoteAccess(PrescriptionCommand):
    """Write down that somebody looked: a pharmacy at a code, a reader at the document."""

    ce_type: ClassVar[str] = "recepta.prescription.note-access.v1"

    what: str


class StartDispensation(PrescriptionCommand):
    """Give the prescription to one pharmacy; no lines: everything that can still be dispensed."""

    ce_type: ClassVar[str] = "recepta.prescription.start-dispensation.v1"

    dispensation_id: UUID
    policy: Policy
    pharmacy: Pharmacy
    beneficiary_id: UUID | None = None
    currency_code: str | None = None
    lines: tuple[DispensationLine, ...] | None = None
    verifications: tuple[Verification, ...] = Field(default=(), max_length=VERIFICATIONS_MAX)


class UpdateDispensation(PrescriptionCommand):
    """Replace the lines of a live dispensation."""

    ce_type: ClassVar[str] = "recepta.prescription.update-dispensation.v1"

    dispensation_id: UUID
    pharmacy: Pharmacy
    currency_code: str | None = None
    lines: tuple[DispensationLine, ...]


class CompleteDispensation(PrescriptionCommand):
    """Hand over: what the lines say is dispensed, with the receipt."""

    ce_type: ClassVar[str] = "recepta.prescription.complete-dispensation.v1"

    dispensation_id: UUID
    pharmacy: Pharmacy
    receipt: Receipt
    verifications: tuple[Verification, ...] = Field(default=(), max_length=VERIFICATIONS_MAX)


class CancelDispensation(PrescriptionCommand):
    """End a live dispensation, or take a completed one back within its window."""

    ce_type: ClassVar[str] = "recepta.prescription.cancel-dispensation.v1"

    dispensation_id: UUID
    pharmacy: Pharmacy
    void_reason: str | None = None
    void_description: Text | None = None

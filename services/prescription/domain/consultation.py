"""A consultation as an upstream system handed it in, and what was prescribed from it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self
from uuid import UUID

from services.prescription.domain.items import Item, Wording, worded
from services.prescription.domain.refusal import Failing, Refused, read_as, refuse_if, unresolved


class ConsultationStatus(StrEnum):
    OPEN = "open"
    IN_CARE = "in_care"
    RECORDING = "recording"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


# Of what was prescribed from one consultation as many are named; nobody writes as many by hand.
PRESCRIPTIONS_MAX: Final = 1_000

OVER: Final = frozenset({ConsultationStatus.COMPLETED, ConsultationStatus.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity(Wording):
    """A medication that the consultation speaks of, as it was understood; `text` are the words themselves."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consultation:
    """`version` rises with every change; `prescription_ids` are the newest made from it, in their order."""

    tenant_id: UUID
    id: UUID
    version: int = 1
    patient_id: UUID
    doctor_id: UUID
    status: ConsultationStatus
    language: str = "pt"
    entities: tuple[Entity, ...] = ()
    prescription_ids: tuple[UUID, ...] = ()
    created_at: datetime
    updated_at: datetime

    @property
    def medications(self) -> tuple[Entity, ...]:
        """What is to be prescribed: of entities that differ in their words alone the first."""
        first: dict[Entity, Entity] = {}
        for one in self.entities:
            first.setdefault(replace(one, text=""), one)
        return tuple(first.values())

    def lines(self, prescription_id: UUID) -> tuple[Item, ...]:
        """What is to be prescribed as items; a repeated request makes the same ones."""
        return tuple(
            replace(worded(one, prescription_id, place), source_text=one.text)
            for place, one in enumerate(self.medications, start=1)
        )

    def prescribed(self, prescription_id: UUID, at: datetime) -> Self:
        """The consultation with one prescription more that was made from it."""
        ids = (*self.prescription_ids, prescription_id)[-PRESCRIPTIONS_MAX:]
        return replace(self, prescription_ids=ids, version=self.version + 1, updated_at=at)


def put(
    before: Consultation | None,
    wanted: Consultation,
    *,
    expected_version: int | None,
    failing: Sequence[Failing] = (),
) -> Consultation:
    """The consultation as it shall be from now on; what was prescribed from it stays."""
    read_as(before.version if before else None, expected_version)
    if before is None:
        refuse_if(failing)
        return wanted
    if before.status in OVER and wanted.status is not before.status:
        raise Refused(
            "invalid_transition",
            "A consultation that is over stays what it is.",
            details={"from": before.status.value, "to": wanted.status.value, "allowed": []},
        )
    refuse_if([*failing, *mismatch(before, wanted.patient_id)])
    kept = replace(
        wanted,
        version=before.version,
        prescription_ids=before.prescription_ids,
        created_at=before.created_at,
        updated_at=before.updated_at,
    )
    if kept == before:
        return before
    return replace(kept, version=before.version + 1, updated_at=wanted.updated_at)


def completed(consultation: Consultation | None) -> Consultation:
    """The consultation, if there is one and it is complete: before that nothing follows from it by itself."""
    if consultation is None:
        raise Refused("resource_not_found", "No such consultation.")
    if consultation.status is not ConsultationStatus.COMPLETED:
        raise Refused(
            "consultation_not_completed",
            "The consultation is not completed.",
            details={"status": consultation.status.value},
        )
    return consultation


def unfit(consultation: Consultation | None, patient_id: UUID | None) -> list[Failing]:
    """What is wrong with a consultation that a request names; None: it is not there, its patient neither."""
    if consultation is None:
        return unresolved({"consultation_id": "unknown_reference"})
    return mismatch(consultation, patient_id) if patient_id else []


def nothing_to_prescribe(consultation: Consultation) -> list[Failing]:
    """What is wrong where a consultation speaks of no medication."""
    if consultation.entities:
        return []
    return [Failing("consultation_id", "no_medication_entities", "It speaks of no medication.")]


def mismatch(consultation: Consultation, patient_id: UUID) -> list[Failing]:
    """What is wrong where a request names another patient than the consultation's."""
    if consultation.patient_id == patient_id:
        return []
    return [Failing("patient_id", "consultation_mismatch", "The consultation is another patient's.")]

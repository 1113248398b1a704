"""What checks must know of a patient: the facts on file, and which prescriptions are in force."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, Self
from uuid import UUID

from services.prescription.domain import signing
from services.prescription.domain.items import Item
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.safety import AskedWith, Verdict, still_blocking
from services.prescription.domain.state_table import Status

# How long a treatment lasts of which nobody said how long (rulings 1.7).
UNKNOWN_DURATION_DAYS: Final = 30
FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Allergy:
    """One recorded allergy, as the patient's record names it."""

    ingredient: str
    severity: str = "UNKNOWN"
    reaction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the directory says of a patient; `version` rises with each change there."""

    version: int
    date_of_birth: date | None = None
    sex: str | None = None
    allergies: tuple[Allergy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The facts, and a number that moves whenever a prescription comes into force or leaves it."""

    tenant_id: UUID
    id: UUID
    facts: Facts
    in_force_version: int = 0

    def told(self, facts: Facts) -> Self:
        """The facts of the higher version, whichever came by."""
        return replace(self, facts=facts) if facts.version > self.facts.version else self

    def entered_or_left(self) -> Self:
        return replace(self, in_force_version=self.in_force_version + 1)

    def asked_with(self, prescription: Prescription) -> AskedWith:
        """What a check of this prescription would be asked about now."""
        return AskedWith(
            content_version=prescription.content_version,
            facts_version=self.facts.version,
            in_force_version=self.in_force_version,
        )


def current_after_all(prescription: Prescription, patient: Patient) -> Prescription:
    """The same when it comes into force or leaves it: its own check never looks at itself."""
    check = prescription.check
    if check is None or not is_current(prescription, patient, None):
        return prescription
    asked_with = patient.entered_or_left().asked_with(prescription)
    return replace(prescription, check=replace(check, asked_with=asked_with))


def counts(verdict: Verdict, prescription: Prescription, patient: Patient, in_force: frozenset[UUID]) -> bool:
    """Whether a verdict speaks of what is so now; if not, the check is asked for again.

    What came into force after the question is checked against this one in its turn; but a finding that
    forbids something because of a prescription that has left no longer holds. Of what nobody signs yet all
    must still be as it was.
    """
    asked = verdict.asked_with
    if prescription.assembling or (prescription.unsigned and not prescription.signing):
        return asked == patient.asked_with(prescription)
    if (asked.content_version, asked.facts_version) != (prescription.content_version, patient.facts.version):
        return False
    blocking = still_blocking(verdict.findings)
    return all(one.other_prescription_id in (None, *in_force) for one in blocking)


def is_current(prescription: Prescription, patient: Patient, knowledge_base: str | None) -> bool:
    """Whether the stored check speaks of what is so now; `knowledge_base` is the one in use, if known."""
    check = prescription.check
    if check is None or prescription.check_asked is not None or prescription.outdated:
        return False
    known = knowledge_base in (None, check.knowledge_base_version)
    return known and check.asked_with == patient.asked_with(prescription)


def needs_asking(prescription: Prescription, patient: Patient, knowledge_base: str | None) -> bool:
    """Whether its check is to be asked for again, because something besides its content has changed.

    Of what is being signed only one that waits for a check and has none under way.
    """
    if not prescription.unsigned or not prescription.items:
        return False
    if prescription.signing:
        return signing.awaits_check(prescription) and prescription.check_asked is None
    if prescription.check_asked is not None:
        return prescription.check_asked != patient.asked_with(prescription)
    return not is_current(prescription, patient, knowledge_base)


def in_force_until(prescription: Prescription) -> datetime | None:
    """Until when others are checked against this one; FOR_EVER for no end, None for not at all.

    In force are what is being issued or signed, what is signed or submitted, and what was handed over until
    the treatment ends (rulings 1.7).
    """
    under_way = prescription.issuing or prescription.signing
    if under_way or prescription.status in (Status.SIGNED, Status.SUBMITTED):
        return FOR_EVER
    completed = [one.completed_at for one in prescription.dispensations if one.counts and one.completed_at]
    return max(completed) + timedelta(days=treatment_days(prescription.items)) if completed else None


def treatment_days(items: tuple[Item, ...]) -> int:
    """The longest treatment of the items."""
    return max((item.duration_days or UNKNOWN_DURATION_DAYS for item in items), default=0)

"""The steps of a prescription's life that are asked for one at a time, and what else may forbid each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.prescription.domain import editing, signing
from services.prescription.domain.history import Occasion
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Failing, Refused, missing, refuse_if, unresolved
from services.prescription.domain.requests import SignRequest
from services.prescription.domain.state_table import Move, Status


class SignerPolicy(StrEnum):
    """Who may sign."""

    PRESCRIBER = "prescriber"
    ANY_ACTIVE_DOCTOR = "any_active_doctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the provider lets nobody ask for, who may sign, and which people cannot be named at present."""

    refused_statuses: frozenset[Status] = frozenset()
    signer_policy: SignerPolicy = SignerPolicy.PRESCRIBER
    references: tuple[Failing, ...] = ()

    def admit(self, target: Status) -> None:
        """Raise Refused where the provider forbids the step."""
        if target in self.refused_statuses:
            raise Refused(
                "policy_refused",
                f"The provider lets nobody set {target.value}.",
                details={"policy": "refused_statuses"},
            )


def unnamable(
    told: Mapping[str, str], people: Mapping[str, UUID | None], suspended: Collection[UUID]
) -> tuple[Failing, ...]:
    """Who of some people cannot be named: whom the directory tells of, and doctors who are suspended.

    One person is told of once, at the first of their places.
    """
    failing = dict(told)
    met: set[UUID | None] = set()
    for path, id in people.items():
        if id in suspended and id not in met:
            failing.setdefault(path, "inactive_reference")
        met.add(id)
    return tuple(unresolved(failing))


def validate(
    prescription: Prescription, *, valid_until: datetime | None, conditions: Conditions, occasion: Occasion
) -> Prescription:
    """Approve it for patient and doctor who are both still active."""
    prescription.admit(Move.TO_VALIDATED, asked_for=Status.VALIDATED)
    refuse_if(conditions.references)
    validated = editing.validate(prescription, valid_until=valid_until, occasion=occasion)
    conditions.admit(Status.VALIDATED)
    return validated


def sign(
    prescription: Prescription,
    *,
    signed_by: UUID | None,
    request: SignRequest,
    conditions: Conditions,
    occasion: Occasion,
) -> Prescription:
    """Begin the signature of one who may sign; what the safety check may forbid is looked at later."""
    prescription.admit(Move.TO_SIGNED, asked_for=Status.SIGNED)
    if signed_by is None:
        raise missing("signed_by")
    refuse_if([*conditions.references, *_signer(prescription, signed_by, conditions)])
    begun = signing.begin(prescription, signed_by=signed_by, occasion=occasion, request=request)
    conditions.admit(Status.SIGNED)
    return begun


def submit(
    prescription: Prescription, *, document_id: UUID, conditions: Conditions, occasion: Occasion
) -> Prescription:
    """Release it, over no finding that blocks and that nobody answers for, whenever found (rulings 3.1)."""
    released = signing.release(prescription, document_id=document_id, occasion=occasion)
    conditions.admit(Status.SUBMITTED)
    signing.allow(prescription)
    return released


def _signer(prescription: Prescription, signed_by: UUID, conditions: Conditions) -> Sequence[Failing]:
    # Of a doctor whom nobody knows, nothing more is to be said.
    unknown = any((one.path, one.code) == ("signed_by", "unknown_reference") for one in conditions.references)
    anybody = conditions.signer_policy is SignerPolicy.ANY_ACTIVE_DOCTOR
    if unknown or anybody or signed_by == prescription.doctor_id:
        return ()
    return [Failing("signed_by", "signer_not_allowed", "Only the prescribing doctor may sign.")]

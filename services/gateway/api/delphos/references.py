"""What a body names, as the directory has it now: snapshots for the command, or why there is none.

A reference that the directory cannot honour is refused where it stands in the order of checks (ruling 3.8):
by prescription, which knows what else is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from contracts.prescription_commands import Unresolved
from contracts.values import Doctor, Patient, Policy, Prescription, Provider, Status
from services.gateway.api.delphos.endpoint import Call
from services.gateway.store.issue import Found, Wanted

FOR_THE_SIGNATURE: Final = frozenset({Status.VALIDATED, Status.SIGNED})
"""Steps that an inactive patient or doctor forbids (ruling 3.1)."""
NEED_PEOPLE: Final = FOR_THE_SIGNATURE | {Status.SUBMITTED}
"""The last of them tells the patient, at the address that they have now."""


@dataclass(frozen=True)
class People:
    """A patient and a doctor of the tenant, and who signs; None where `unresolved` says why."""

    provider: Provider
    policy: Policy
    patient: Patient | None = None
    doctor: Doctor | None = None
    signer: Doctor | None = None
    unresolved: tuple[Unresolved, ...] = ()

    def of_draft(self) -> Mapping[str, Any]:
        """As the commands that make a draft carry them."""
        return {
            "provider": self.provider,
            "policy": self.policy,
            "patient": self.patient,
            "doctor": self.doctor,
            "unresolved": self.unresolved,
        }

    def of_step(self) -> Mapping[str, Any]:
        """As the command for a step of a prescription's life carries them."""
        return {**self.of_draft(), "signer": self.signer}


async def people(call: Call[Any, Any], *, patient_id: UUID, doctor_id: UUID) -> People:
    """Of `patient_id` and `doctor_id` of a body."""
    found = await call.gateway.look_ups.find(
        call.tenant_id, Wanted(patient_id=patient_id, doctor_id=doctor_id)
    )
    doctor, why = _active_doctor(call, found, "doctor_id")
    patient, gone = _patient(found)
    known = None if gone else patient
    return People(found.provider, found.settings.policy, known, doctor, unresolved=(*gone, *why))


def _active_doctor(
    call: Call[Any, Any], found: Found, path: str
) -> tuple[Doctor | None, tuple[Unresolved, ...]]:
    """The doctor that was looked up, if their registration is in force today."""
    if not found.doctors:
        return None, (_unresolved(path),)
    one = found.doctors[0]
    if not one.active(found.settings.today(call.now)):
        return None, (_unresolved(path, inactive=True),)
    return one.record, ()


def _unresolved(path: str, *, inactive: bool = False) -> Unresolved:
    return Unresolved(path=path, code="inactive_reference" if inactive else "unknown_reference")


async def doctor_unresolved(call: Call[Any, Any], doctor_id: UUID, path: str) -> tuple[Unresolved, ...]:
    """Why the doctor that a field names may not be named; nothing when they may."""
    found = await call.gateway.look_ups.find(call.tenant_id, Wanted(doctor_id=doctor_id))
    return _active_doctor(call, found, path)[1]


async def of_step(
    call: Call[Any, Any], stored: Prescription | None, target: Status, signed_by: UUID | None
) -> People:
    """The people of a stored prescription, where the step needs them; of none there is nobody to look up."""
    if stored is None or target not in NEED_PEOPLE:
        found = await call.gateway.look_ups.find(call.tenant_id, Wanted())
        return People(found.provider, found.settings.policy)
    doctor_id = stored.doctor.doctor_id
    found = await call.gateway.look_ups.find(
        call.tenant_id,
        Wanted(patient_id=stored.patient.patient_id, doctor_id=doctor_id),
    )
    doctor, why = _active_doctor(call, found, "signed_by" if signed_by == doctor_id else "doctor_id")
    signer = doctor
    if signed_by not in (None, doctor_id):
        other = await call.gateway.look_ups.find(call.tenant_id, Wanted(doctor_id=signed_by))
        signer, why_not = _active_doctor(call, other, "signed_by")
        why = (*why, *why_not)
    patient, gone = _patient(found)
    return People(
        provider=found.provider,
        policy=found.settings.policy,
        patient=patient,
        doctor=doctor,
        signer=signer if target is Status.SIGNED else None,
        unresolved=(*gone, *why) if target in FOR_THE_SIGNATURE else (),
    )


def _patient(found: Found) -> tuple[Patient | None, tuple[Unresolved, ...]]:
    """The patient that was looked up, and why they may not be prescribed for."""
    if found.patient is None:
        return None, (_unresolved("patient_id"),)
    return found.patient, () if found.patient.active else (_unresolved("patient_id", inactive=True),)

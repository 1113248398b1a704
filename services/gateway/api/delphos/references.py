"""What a body names, as the directory has it now: snapshots for the command, or why there is none.

A reference that the directory cannot honour is refused where it stands in the order of checks (ruling 3.8):
by prescription, which knows what else is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.prescription_commands import Unresolved
from contracts.values import Doctor, Patient, Policy, Provider
from services.gateway.api.delphos.endpoint import Call
from services.gateway.store import issue
from services.gateway.store.issue import Found, Wanted


@dataclass(frozen=True)
class People:
    """A patient and a doctor of the tenant; None where `unresolved` says why."""

    provider: Provider
    policy: Policy
    patient: Patient | None
    doctor: Doctor | None
    unresolved: tuple[Unresolved, ...]

    def of_draft(self) -> Mapping[str, Any]:
        """As the commands that make a draft carry them."""
        return {
            "provider": self.provider,
            "policy": self.policy,
            "patient": self.patient,
            "doctor": self.doctor,
            "unresolved": self.unresolved,
        }


async def people(call: Call[Any, Any], *, patient_id: UUID, doctor_id: UUID) -> People:
    """Of `patient_id` and `doctor_id` of a body."""
    found = await issue.look_up(
        call.gateway.pool, call.tenant_id, Wanted(patient_id=patient_id, doctor_id=doctor_id)
    )
    doctor, why = active_doctor(call, found, "doctor_id")
    unknown = () if found.patient is not None else (unresolved("patient_id"),)
    return People(found.provider, found.settings.policy, found.patient, doctor, (*unknown, *why))


def active_doctor(
    call: Call[Any, Any], found: Found, path: str
) -> tuple[Doctor | None, tuple[Unresolved, ...]]:
    """The doctor that was looked up, if their registration is in force today."""
    if not found.doctors:
        return None, (unresolved(path),)
    one = found.doctors[0]
    if not one.active(found.settings.today(call.now)):
        return None, (unresolved(path, inactive=True),)
    return one.record, ()


def unresolved(path: str, *, inactive: bool = False) -> Unresolved:
    return Unresolved(path=path, code="inactive_reference" if inactive else "unknown_reference")

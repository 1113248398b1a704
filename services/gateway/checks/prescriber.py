"""Who prescribes: the doctor that the client is bound to, or that the body names (osigu-dialect 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from contracts.values import Doctor
from services.gateway.checks.fields import Form, plain
from services.gateway.messages import ids
from services.gateway.store.issue import FoundDoctor


@dataclass(frozen=True)
class Named:
    """How a body names a doctor: by id, or by licence number, perhaps of one institution."""

    doctor_id: UUID | None = None
    medical_license_number: str | None = None
    institution_slug: str | None = None


def named(body: Mapping[str, Any], bound: UUID | None) -> Named:
    """The doctor to look up; whatever is malformed is left out here."""
    inner = body.get("doctor")
    doctor = inner if isinstance(inner, dict) else {}
    license_number = plain(doctor.get("medical_license_number"))
    if license_number is not None and body.get("doctor_id") is None:
        return Named(
            medical_license_number=license_number,
            institution_slug=plain(doctor.get("medical_license_verification_institution_slug")),
        )
    sent = plain(body.get("doctor_id") or doctor.get("doctor_id"))
    if sent is None:
        return Named(doctor_id=bound)
    return Named(doctor_id=ids.find("doc", sent))


def read(form: Form, bound: UUID | None, found: Sequence[FoundDoctor], today: date) -> Doctor | None:
    """The prescriber, if the body names one who may prescribe now; else what is wrong is noted."""
    unknown = _unknown(bound)
    form.id("doctor_id", "doc", unknown=unknown)
    inner = form.form("doctor")
    place = "doctor_id"
    if form.has("doctor_id") and form.has("doctor"):
        form.fail("doctor", "conflicting_fields", "Send doctor_id or doctor, not both.")
        return None
    if inner is not None:
        place = _inner(inner, unknown)
        inner.done()
    elif form.has("doctor"):
        return None
    elif not form.has("doctor_id") and bound is None:
        form.fail("doctor_id", "doctor_required", "This client must name the doctor.")
        return None
    if form.checks.failed(form.at(place)):
        return None
    return _standing(form, place, bound, found, today)


def by_id(form: Form, bound: UUID | None, found: Sequence[FoundDoctor], today: date) -> Doctor | None:
    """The doctor of an operation that takes `doctor_id` alone."""
    form.id("doctor_id", "doc", unknown=_unknown(bound))
    if not form.has("doctor_id") and bound is None:
        form.fail("doctor_id", "doctor_required", "This client must name the doctor.")
    if form.checks.failed(form.at("doctor_id")):
        return None
    return _standing(form, "doctor_id", bound, found, today)


def _unknown(bound: UUID | None) -> str:
    return "doctor_not_registered" if bound is None else "doctor_mismatch"


def _inner(inner: Form, unknown: str) -> str:
    """Reads `doctor`; the path of what names the doctor in it."""
    inner.id("doctor_id", "doc", unknown=unknown)
    inner.text("medical_license_number", limit=64)
    inner.text("medical_license_verification_institution_slug", limit=64)
    if inner.has("doctor_id") and inner.has("medical_license_number"):
        inner.fail("medical_license_number", "conflicting_fields", "Send doctor_id or the number, not both.")
    elif not inner.has("doctor_id") and not inner.has("medical_license_number"):
        inner.fail("doctor_id", "required", "Must be present, unless medical_license_number is.")
    return "doctor.medical_license_number" if inner.has("medical_license_number") else "doctor.doctor_id"


def _standing(
    form: Form, place: str, bound: UUID | None, found: Sequence[FoundDoctor], today: date
) -> Doctor | None:
    # A licence number that fits several doctors names none of them (ruling 2.13).
    one = found[0] if len(found) == 1 else None
    named = place != "doctor_id" or form.has("doctor_id")
    if named and bound is not None and (one is None or one.record.doctor_id != bound):
        form.fail(place, "doctor_mismatch", "This client acts as another doctor.")
        return None
    if one is None:
        form.fail(place, "doctor_not_registered", "No such doctor on file.")
        return None
    if not one.active(today):
        form.fail(place, "doctor_registration_inactive", "The registration is not active now.")
        return None
    return one.record

"""Reading a doctor's whole record (osigu-dialect 2)."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

from services.gateway.checks.fields import Form
from services.gateway.checks.patient import DOCUMENT_TYPES, EMAIL, PHONE, document, fits
from services.gateway.messages import provider_settings
from services.gateway.messages.doctors import ListedDoctor
from services.gateway.store.doctors import KnownDoctor

STATUSES: Final = ("PENDING_VERIFICATION", "ACTIVE", "SUSPENDED", "EXPIRED")
PROFESSIONS: Final = ("PHYSICIAN", "DENTIST", "PODIATRIST")
LOCALE: Final = r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}"
SPAIN: Final = "ES"
# Known names of the older registration request that can have one value here.
ONE_VALUE: Final = {"provider_type": "DOCTOR", "entity_type": "NATURAL"}
NEVER: Final = ("external_registry", "electronic_invoice_enabled")


def read_doctor(
    form: Form, doctor_id: UUID, *, change: bool = False
) -> tuple[ListedDoctor | None, str | None]:
    """The doctor of a body, read to its end, and with `change` the status it asks for; None when wrong."""
    given_names = form.text("given_names", limit=128, required=True)
    first_surname = form.text("first_surname", limit=64, required=True)
    second_surname = form.text("second_surname", limit=63)
    kind = form.word("identity_document_type", DOCUMENT_TYPES, required=True)
    number = form.text("identity_document_value", limit=64, required=True)
    expires = form.day("identity_document_expiration_date")
    email = form.text("email_address", limit=256, required=True, pattern=EMAIL)
    country = form.country("country_code", required=True)
    number = _document(form, kind, number, country)
    doctor = ListedDoctor.model_construct(
        doctor_id=doctor_id,
        given_names=given_names or "",
        first_surname=first_surname,
        second_surname=second_surname,
        identity_document_type=kind,
        identity_document_value=number,
        identity_document_expiration_date=expires,
        email_address=email.lower() if email else None,
        country_code=country,
        physical_address=form.text("physical_address", limit=256),
        city_name=form.text("city_name", limit=128),
        state_name=form.text("state_name", limit=128),
        city_subdivision_name=form.text("city_subdivision_name", limit=128),
        postal_code=form.text("postal_code", limit=16),
        phone_area_code=form.integer("phone_area_code", 1, 999),
        phone_number=form.text("phone_number", limit=32, pattern=PHONE),
        salutation=form.text("salutation", limit=32),
        main_specialty_name=form.text("main_specialty_name", limit=128),
        profession=form.word("profession", PROFESSIONS),
        qualification=form.text("qualification", limit=128),
        **_licence(form),
        registration_valid_until=form.day("registration_valid_until"),
        **_settled(form),
    )
    status = form.word("registration_status", STATUSES) if change else None
    form.done()
    return (None if form.checks.entries else doctor), status


def _document(form: Form, kind: str | None, number: str | None, country: str | None) -> str | None:
    """In Spain a national card is a DNI; the check letter of one and of a NIE is verified."""
    if kind == "NATIONAL_IDENTITY_CARD" and country == SPAIN:
        kind = "DNI"
    if number is None or kind not in ("DNI", "NIE"):
        return number
    plain = document(number)
    if not fits(kind, plain):
        form.fail("identity_document_value", "invalid_value", "Must have the check letter of its kind.")
    return plain


def _licence(form: Form) -> dict[str, Any]:
    number = form.text("medical_license_number", limit=64, required=True)
    return {
        "medical_license_number": number,
        "medical_license_verification_institution_slug": form.text(
            "medical_license_verification_institution_slug", limit=64, required=True
        ),
        "medical_issuing_institution": form.text("medical_issuing_institution", limit=128),
        "medical_board_registration": form.text("medical_board_registration", limit=64) or number,
    }


def _settled(form: Form) -> dict[str, Any]:
    """Fields of the older registration request: two have a meaning, the others one value."""
    for name, only in ONE_VALUE.items():
        form.word(name, (only,))
    for name in NEVER:
        if form.boolean(name):
            form.fail(name, "invalid_value", "Must be false.")
    zone = form.text("time_zone", limit=64)
    if zone is not None and zone not in provider_settings.time_zones():
        form.fail("time_zone", "invalid_value", "Must be a time zone of the IANA database.")
    return {"time_zone": zone, "locale": form.text("locale", limit=35, pattern=LOCALE)}


def first_status(check: str) -> str:
    """Under `declared` the provider vouches for a new doctor; under `registry` it is confirmed first."""
    return "ACTIVE" if check == "declared" else "PENDING_VERIFICATION"


def next_status(
    check: str, held: KnownDoctor, sent: ListedDoctor, asked: str | None, today: date
) -> str | None:
    """The status after a change; None for one that is not the provider's to give.

    Under `registry` what was confirmed holds for that licence alone.
    """
    status = held.registration_status
    if asked in ("SUSPENDED", status) or (asked == "ACTIVE" and check == "declared"):
        status = asked
    elif asked is not None and asked != held.standing(today):
        return None
    if check == "registry" and status == "ACTIVE" and _registration(sent) != _registration(held.record):
        return "PENDING_VERIFICATION"
    return status


def put_status(check: str, held: KnownDoctor, sent: ListedDoctor, *, active: bool) -> str:
    """The status after a change that says no more than whether the doctor is active (delphos-dialect 12.2).

    Under `registry` nobody but the register makes a doctor active again (ruling 3.16).
    """
    if not active:
        return "SUSPENDED"
    if check == "declared":
        return "ACTIVE"
    confirmed = held.registration_status == "ACTIVE" and _registration(sent) == _registration(held.record)
    return "ACTIVE" if confirmed else "PENDING_VERIFICATION"


def _registration(doctor: ListedDoctor) -> tuple[object, ...]:
    """What a register confirms."""
    return (
        doctor.medical_license_number,
        doctor.medical_license_verification_institution_slug,
        doctor.registration_valid_until,
    )

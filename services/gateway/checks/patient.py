"""Reading a patient (osigu-dialect 3), on its own or inside a prescription."""

from __future__ import annotations

from datetime import date
from typing import Final
from uuid import UUID

from stdnum.es import dni, nie

from contracts.values import Allergy, Guardian, Patient
from services.gateway.checks.fields import Form

DOCUMENT_TYPES: Final = (
    *("CC", "CE", "TI", "DPI", "CED", "CPF", "DNI", "NIE"),
    *("PASSPORT", "NATIONAL_IDENTITY_CARD", "OTHER"),
)
FIELDS: Final = (
    *("first_name", "last_name", "second_last_name", "document_type", "document_number", "date_of_birth"),
    *("guardian", "sex", "nationality_country_code", "passport_issuing_country"),
    *("area_code", "phone_number", "email_address", "allergies"),
)
"""What this dialect knows of a patient: a change replaces these, and keeps whatever else is on file."""

DOCUMENT_FIELDS: Final = (
    *("document_type", "document_number"),
    *("identity_document_type", "identity_document_code"),
)
SEXES: Final = ("FEMALE", "MALE", "OTHER", "UNKNOWN")
SEVERITIES: Final = ("MILD", "MODERATE", "SEVERE", "UNKNOWN")
ALLERGIES_MAX: Final = 200
DOCUMENT_LETTERS_MAX: Final = 64
COUNTRY: Final = r"[A-Z]{2}"
EMAIL: Final = r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]+"
PHONE: Final = r"[-\s0-9]*"


def read_patient(form: Form, patient_id: UUID, *, today: date) -> Patient | None:
    """The patient of a body, read to its end; None when something is wrong, which is noted."""
    before = len(form.checks.entries)
    first_name = form.text("first_name", limit=128, required=True, alias="given_names")
    last_name = form.text("last_name", limit=128, required=True, alias="surnames")
    second_last_name = form.text("second_last_name", limit=64)
    # A minor may have no document of their own; half of one is a mistake.
    documented = not form.has("guardian") or any(form.has(name) for name in DOCUMENT_FIELDS)
    kind = form.word("document_type", DOCUMENT_TYPES, required=documented, alias="identity_document_type")
    number = _document_number(form, kind, required=documented, alias="identity_document_code")
    born = form.day("date_of_birth", required=True)
    if born is not None and born > today:
        form.fail("date_of_birth", "out_of_range", "Must not be in the future.")
    guardian = _guardian(form)
    sex = form.word("sex", SEXES)
    nationality = form.country("nationality_country_code")
    issuing_country = form.country("passport_issuing_country")
    area_code = form.integer("area_code", 1, 999)
    phone_number = form.text("phone_number", limit=32, pattern=PHONE)
    email = form.text("email_address", limit=256, pattern=EMAIL)
    allergies = read_allergies(form)
    form.done()
    if len(form.checks.entries) > before or first_name is None:
        return None
    return Patient(
        patient_id=patient_id,
        first_name=first_name,
        last_name=last_name,
        second_last_name=second_last_name,
        document_type=kind,
        document_number=number,
        guardian=guardian,
        date_of_birth=born,
        sex=sex,
        nationality_country_code=nationality,
        passport_issuing_country=issuing_country,
        area_code=area_code,
        phone_number=phone_number,
        email_address=email.lower() if email else None,
        allergies=allergies,
    )


def read_allergies(form: Form) -> tuple[Allergy, ...]:
    """`allergies` of a patient or of a prescription."""
    found = []
    for one in form.forms("allergies", 0, ALLERGIES_MAX):
        ingredient = one.text("ingredient", limit=128, required=True)
        severity = one.word("severity", SEVERITIES)
        reaction = one.text("reaction", limit=256)
        one.done()
        if ingredient is not None:
            found.append(Allergy(ingredient=ingredient, severity=severity or "UNKNOWN", reaction=reaction))
    return tuple(found)


def document(text: str) -> str:
    """A document number as it is stored and searched: without spaces and separators, in capitals."""
    return "".join(letter for letter in text.upper() if letter.isalnum())


def fits(kind: str | None, number: str) -> bool:
    """Whether a number has the check letter that its kind demands, if it demands one."""
    return not ((kind == "DNI" and not dni.is_valid(number)) or (kind == "NIE" and not nie.is_valid(number)))


def _guardian(form: Form) -> Guardian | None:
    one = form.form("guardian")
    if one is None:
        return None
    first_name = one.text("first_name", limit=128, required=True)
    last_name = one.text("last_name", limit=128, required=True)
    second_last_name = one.text("second_last_name", limit=64)
    kind = one.word("document_type", DOCUMENT_TYPES, required=True)
    number = _document_number(one, kind, required=True)
    one.done()
    if first_name is None or kind is None or number is None:
        return None
    return Guardian(
        first_name=first_name,
        last_name=last_name,
        second_last_name=second_last_name,
        document_type=kind,
        document_number=number,
    )


def _document_number(form: Form, kind: str | None, *, required: bool, alias: str | None = None) -> str | None:
    sent = form.text("document_number", limit=DOCUMENT_LETTERS_MAX, required=required, alias=alias)
    if sent is None:
        return None
    number = document(sent)
    if not number:
        form.fail("document_number", "invalid_format", "Must hold letters or digits.")
        return None
    if not fits(kind, number):
        form.fail("document_number", "invalid_value", "Must have the check letter of its kind.")
        return None
    return number

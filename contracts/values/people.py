"""Patients, doctors and providers, as they were when a command was asked."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import Field

from contracts.message import Value
from contracts.values.words import Status, Text


def _joined(*names: str | None) -> str | None:
    return " ".join(name for name in names if name) or None


class Allergy(Value):
    """One recorded allergy, as the patient's record names it."""

    ingredient: Text
    severity: str = "UNKNOWN"
    reaction: Text | None = None


class Guardian(Value):
    """The parent or guardian of a minor who has no document."""

    first_name: Text
    last_name: Text | None = None
    second_last_name: Text | None = None
    document_type: str
    document_number: str


class PatientFacts(Value):
    """What a safety check knows of a patient; `version` rises with every change in the directory."""

    patient_id: UUID
    version: int = Field(ge=1)
    date_of_birth: date | None = None
    sex: str | None = None
    allergies: tuple[Allergy, ...] = ()


class Patient(Value):
    """A patient as the directory had them when the command was asked; issued prescriptions keep this."""

    patient_id: UUID
    facts_version: int = Field(ge=1, default=1)
    first_name: Text
    """Blank without a name; the whole name where its parts are not known (delphos-dialect 12.1)."""
    last_name: Text | None = None
    second_last_name: Text | None = None
    document_type: str | None = None
    document_number: str | None = None
    guardian: Guardian | None = None
    date_of_birth: date | None = None
    sex: str | None = None
    nationality_country_code: str | None = None
    passport_issuing_country: str | None = None
    area_code: int | None = None
    phone_number: str | None = None
    email_address: str | None = None
    preferred_language: str | None = None
    """What documents for them are written in; the provider's language where it is not known."""
    allergies: tuple[Allergy, ...] = ()

    @property
    def full_name(self) -> str | None:
        """All parts of the name that are known."""
        return _joined(self.first_name, self.last_name, self.second_last_name)

    @property
    def facts(self) -> PatientFacts:
        return PatientFacts(
            patient_id=self.patient_id,
            version=self.facts_version,
            date_of_birth=self.date_of_birth,
            sex=self.sex,
            allergies=self.allergies,
        )


class Doctor(Value):
    """A doctor as the directory had them when the command was asked."""

    doctor_id: UUID
    given_names: Text
    first_surname: Text | None = None
    second_surname: Text | None = None
    salutation: Text | None = None
    identity_document_type: str | None = None
    identity_document_value: str | None = None
    email_address: str | None = None
    country_code: str | None = None
    physical_address: Text | None = None
    city_name: Text | None = None
    postal_code: str | None = None
    phone_area_code: int | None = None
    phone_number: str | None = None
    main_specialty_name: Text | None = None
    profession: str | None = None
    qualification: Text | None = None
    medical_license_number: str | None = None
    medical_license_verification_institution_slug: str | None = None
    medical_issuing_institution: Text | None = None
    medical_board_registration: str | None = None

    @property
    def full_name(self) -> str:
        """All parts of the name that are known."""
        return _joined(self.given_names, self.first_surname, self.second_surname) or ""


class Provider(Value):
    """A clinic or pharmacy company: the tenant, with what is printed of it."""

    provider_id: UUID
    provider_slug: str
    name: Text
    country: str
    language: str = "es"
    time_zone: str = "UTC"
    currency: str = "USD"


class Policy(Value):
    """The issuing provider's settings (osigu-dialect 1.9) that decide about one command."""

    safety_policy: str = "block"
    otp_policy: str = "never"
    substitution_policy: str = "same_ingredient"
    dispensation_timeout_min: int = 30
    dispensation_void_window_h: int = 24
    deliver_on_issue: str = "NONE"
    max_medications: int = 30
    signer_policy: str = "prescriber"
    """Who may sign in the step-by-step dialect: `prescriber`, or `any_active_doctor`."""
    refused_statuses: tuple[Status, ...] = ()
    """What this provider lets nobody ask for: some of `validated`, `signed`, `submitted`."""


class Pharmacy(Value):
    """Who dispenses: a provider and, where it has several, its branch."""

    tenant_id: UUID
    provider_slug: str
    name: Text | None = None
    branch_id: UUID | None = None

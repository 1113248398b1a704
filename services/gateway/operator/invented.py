"""The providers and people of the development seed, all invented."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from contracts.values import Allergy, Doctor, Patient
from shared.ids import new


@dataclass(frozen=True)
class Clinic:
    """A clinic of the seed, with its settings and doctors."""

    slug: str
    name: str
    settings: dict[str, str]
    doctors: tuple[Doctor, ...]


def _doctor(
    license: str, given_names: str, surnames: tuple[str, str], document: str, email: str, **more: str
) -> Doctor:
    return Doctor(
        doctor_id=new(),
        given_names=given_names,
        first_surname=surnames[0],
        second_surname=surnames[1],
        identity_document_type=more.pop("document_type", "DPI"),
        identity_document_value=document,
        email_address=email,
        country_code=more.pop("country", "GT"),
        medical_license_number=license,
        medical_license_verification_institution_slug=more.pop("institution", "gt-colmedegua"),
        medical_board_registration=f"MP-{license}",
        **more,
    )


GUATEMALA: Final = {
    "country": "GT",
    "language": "es",
    "time_zone": "America/Guatemala",
    "currency": "GTQ",
}
PORTUGAL: Final = {"country": "PT", "language": "pt", "time_zone": "Europe/Lisbon", "currency": "EUR"}
ADVISE: Final = "consultorio-prudente"
OTP: Final = "consultorio-seguro"
SHORT_TIMEOUT: Final = "consultorio-breve"
SHORT: Final = {"dispensation_timeout_min": "1"}


def clinics() -> tuple[Clinic, ...]:
    """Three clinics as most are, and one for each setting that wants to be seen."""
    return (*_ordinary(), *_with_settings())


def _with_settings() -> tuple[Clinic, ...]:
    return (
        Clinic(
            ADVISE,
            "Consultorio Prudente",
            GUATEMALA | {"safety_policy": "advise"},
            (_general_practitioner(ADVISE, "12401", "Elena", ("Solís", "Vega"), "1000200060101"),),
        ),
        Clinic(
            OTP,
            "Consultorio Seguro",
            GUATEMALA | {"otp_policy": "always"},
            (_general_practitioner(OTP, "12402", "Rosa", ("Ibarra", "Luna"), "1000200070101"),),
        ),
        Clinic(
            SHORT_TIMEOUT,
            "Consultorio Breve",
            GUATEMALA | SHORT,
            (_general_practitioner(SHORT_TIMEOUT, "12403", "Irene", ("Paz", "Cruz"), "1000200080101"),),
        ),
    )


def _general_practitioner(
    slug: str, license: str, given_names: str, surnames: tuple[str, str], document: str
) -> Doctor:
    email = f"{given_names.lower()}@{slug}.example"
    return _doctor(license, given_names, surnames, document, email, main_specialty_name="Medicina general")


def _ordinary() -> tuple[Clinic, Clinic, Clinic]:
    return (
        Clinic(
            "clinica-norte",
            "Clínica Norte",
            GUATEMALA,
            (
                _doctor(
                    "12345",
                    "Marta",
                    ("Ruiz", "Soler"),
                    "1000200030101",
                    "marta.ruiz@clinica-norte.example",
                    main_specialty_name="Medicina general",
                    salutation="Dra.",
                ),
                _doctor(
                    "12346",
                    "Julio Andrés",
                    ("Pérez", "Godoy"),
                    "1000200040101",
                    "julio.perez@clinica-norte.example",
                    main_specialty_name="Medicina interna",
                    salutation="Dr.",
                ),
            ),
        ),
        Clinic(
            "clinica-lusa",
            "Clínica Lusa",
            PORTUGAL,
            (
                _doctor(
                    "54321",
                    "Inês",
                    ("Carvalho", "Duarte"),
                    "12345678",
                    "ines.carvalho@clinica-lusa.example",
                    document_type="NATIONAL_IDENTITY_CARD",
                    country="PT",
                    institution="pt-om",
                    main_specialty_name="Medicina geral e familiar",
                    salutation="Dra.",
                ),
            ),
        ),
        Clinic(
            "consultorio-limitado",
            "Consultorio Limitado",
            GUATEMALA,
            (
                _doctor(
                    "12399",
                    "Laura",
                    ("Méndez", "Ortiz"),
                    "1000200050101",
                    "laura.mendez@consultorio-limitado.example",
                    main_specialty_name="Medicina general",
                ),
            ),
        ),
    )


def patients() -> tuple[Patient, ...]:
    """Invented people; the document of the public guide's patient is free, because the guide creates her."""
    return (
        Patient(
            patient_id=new(),
            first_name="María Fernanda",
            last_name="Castillo",
            second_last_name="Barrios",
            document_type="DPI",
            document_number="2000100010101",
            date_of_birth=date(1984, 3, 9),
            sex="FEMALE",
            email_address="maria.castillo@pacientes.example",
        ),
        Patient(
            patient_id=new(),
            first_name="José Luis",
            last_name="Morales",
            document_type="DPI",
            document_number="2000100020101",
            date_of_birth=date(1957, 11, 28),
            sex="MALE",
            email_address="jose.morales@pacientes.example",
            allergies=(Allergy(ingredient="penicillin", severity="SEVERE", reaction="anaphylaxis"),),
        ),
        Patient(
            patient_id=new(),
            first_name="João",
            last_name="Nogueira",
            document_type="PASSPORT",
            document_number="CA123456",
            date_of_birth=date(1990, 7, 1),
            sex="MALE",
            email_address="joao.nogueira@pacientes.example",
        ),
    )


@dataclass(frozen=True)
class PharmacyCompany:
    """A pharmacy of the seed, with its one branch and its settings."""

    slug: str
    name: str
    branch: str
    branch_name: str
    settings: dict[str, str] = field(default_factory=lambda: dict(GUATEMALA))


PHARMACIES: Final = (
    PharmacyCompany("farmacia-sol", "Farmacia Sol", "centro", "Farmacia Sol, Zona 1"),
    PharmacyCompany("farmacia-luna", "Farmacia Luna", "mercado", "Farmacia Luna, Mercado"),
    PharmacyCompany("farmacia-breve", "Farmacia Breve", "plaza", "Farmacia Breve, Plaza", GUATEMALA | SHORT),
    PharmacyCompany("farmacia-norte", "Farmacia Norte", "estacion", "Farmacia Norte, Estación"),
)

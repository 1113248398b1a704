"""What stands on a printed prescription, as values."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID


class Refused(Exception):
    """There can be no such document; `code` is what the client gets, and the text is about no patient."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Language(StrEnum):
    """The languages that a document and its mail are written in."""

    SPANISH = "es"
    PORTUGUESE = "pt"
    ENGLISH = "en"

    @classmethod
    def nearest(cls, tag: str | None) -> "Language":
        """The language of a BCP 47 tag such as `pt-BR`; English for one that is not spoken here."""
        primary = (tag or "").replace("_", "-").split("-")[0].lower()
        return cls(primary) if primary in set(cls) else cls.ENGLISH


class Status(StrEnum):
    """What a pharmacist must know before reading on."""

    DRAFT = "draft"
    ISSUED = "issued"
    PARTIALLY_DISPENSED = "partially_dispensed"
    DISPENSED = "dispensed"
    VOIDED = "voided"
    EXPIRED = "expired"


# These are told by a page in front; the pages behind it stay as they were issued.
ENDED = frozenset({Status.DISPENSED, Status.VOIDED, Status.EXPIRED})


@dataclass(frozen=True)
class Prescriber:
    """Who takes responsibility for it."""

    name: str
    specialty: str | None = None
    address: str | None = None
    licence: str | None = None
    registration: str | None = None


@dataclass(frozen=True)
class Patient:
    """Who is to take it; a minor without a document is known by the guardian's."""

    name: str
    document: str | None = None
    born: date | None = None
    guardian: str | None = None


@dataclass(frozen=True)
class Item:
    """One medicine, as prescribed, with its name in the patient's language where that is another.

    `duration` counts where the days are not known; `unit` is the catalogue's slug, or as it was written.
    """

    number: int
    product_name: str
    posology: str
    translated_name: str | None = None
    ingredients: tuple[str, ...] = ()
    quantity: int | None = None
    unit: str | None = None
    duration_days: int | None = None
    duration: str | None = None
    substitution_allowed: bool = True


@dataclass(frozen=True)
class PrintedPrescription:
    """All that the document says; whatever is not in here cannot come to be printed."""

    language: Language
    time_zone: str
    status: Status
    patient: Patient
    prescriber: Prescriber
    provider_name: str
    items: tuple[Item, ...]
    drawn_up_at: datetime
    code: str | None = None
    issued_at: datetime | None = None
    valid_until: datetime | None = None
    seal_digest: str | None = None
    diagnoses: tuple[str, ...] = ()
    confidential: bool = False
    ended_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.items:
            raise Refused("items_required", "a prescription without items cannot be printed")

    @property
    def sealed(self) -> bool:
        """Only what bears a seal may be taken for a prescription."""
        return self.seal_digest is not None

    @property
    def ended(self) -> bool:
        """Nothing more can be dispensed on it."""
        return self.status in ENDED


@dataclass(frozen=True)
class WantedDocument:
    """A document that somebody waits for; `language` is as they wrote it."""

    tenant_id: UUID
    prescription_id: UUID
    request_id: UUID
    document_id: UUID
    revision: int
    language: str
    printed: PrintedPrescription
    correlation: str | None = None


def grouped(code: str) -> str:
    """A prescription code as people read it aloud: its digits in groups of four."""
    head, _, digits = code.rpartition("-")
    if not digits.isdigit():
        return code
    groups = " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
    return f"{head}-{groups}" if head else groups

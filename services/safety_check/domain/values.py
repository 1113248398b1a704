"""The words of a safety check: what is asked, and what is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

LANGUAGES = ("en", "es", "pt")


class Severity(IntEnum):
    """How grave a finding is; `none` is what a rule says to lower another, and never makes a finding."""

    none = 0
    minor = 1
    moderate = 2
    major = 3
    critical = 4
    contraindicated = 5


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a prescription as it is to be checked; `linked` are its catalogue product's ingredients."""

    id: str
    number: int
    medication_name: str | None = None
    active_ingredient: str | None = None
    linked: tuple[str, ...] = ()
    atc_codes: tuple[str, ...] = ()
    route: str | None = None
    as_needed: bool = False


@dataclass(frozen=True, slots=True)
class Allergy:
    """One recorded allergy in the record's words; `severity` as it was recorded, "" when nobody knows it."""

    text: str
    severity: str = ""
    reaction: str = ""


@dataclass(frozen=True, slots=True)
class OtherPrescription:
    """Another prescription that the patient has in force."""

    id: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """All that one check looks at."""

    country: str
    items: tuple[Item, ...]
    others: tuple[OtherPrescription, ...] = ()
    allergies: tuple[Allergy, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """What a finding says: the effect, and what to do."""

    description: str
    recommendation: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to object to. `drugs` are names to show, that of the item of lower number first."""

    interaction_type: str
    severity: Severity
    rule_id: str
    source: str
    ingredients: tuple[str, ...]
    drugs: tuple[str, ...]
    item_ids: tuple[str, ...]
    text: Mapping[str, Text] = field(hash=False)
    reference: str = ""
    evidence: str | None = None
    other_prescription_id: str | None = None
    assumed: bool = False
    assumptions: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of one kind of check was evaluated: pairs of items, or items."""

    evaluated: int = 0
    not_evaluated: int = 0
    recorded: int | None = None


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """What a check could not answer, and why (drug-safety.md 8.1)."""

    check: str
    reason: str
    item_ids: tuple[str, ...]
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one order; `none_known` only if everything was evaluated."""

    knowledge_base_version: str
    state: str
    findings: tuple[Finding, ...]
    coverage: Mapping[str, Coverage] = field(hash=False)
    not_evaluated: tuple[NotEvaluated, ...] = ()

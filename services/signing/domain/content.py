"""The groups of a prescription as typed records; what is not known is None and is sealed as null."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.signing.domain.canonical import Json


@dataclass(frozen=True, kw_only=True)
class Document:
    prescription_id: str
    prescription_code: str
    version: int
    supersedes: str | None = None
    regime: str = "private"
    prescribing_system_id: str | None = None
    national_repository_id: str | None = None
    issued_at: str
    prescription_date: str
    valid_until: str | None
    item_count: int
    patient_data_consent: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Guardian:
    given_names: str | None = None
    first_surname: str | None = None
    second_surname: str | None = None
    id_type: str | None = None
    id_number: str | None = None


@dataclass(frozen=True, kw_only=True)
class Patient:
    given_names: str | None = None
    first_surname: str | None = None
    second_surname: str | None = None
    birth_date: str | None = None
    id_type: str | None = None
    id_number: str | None = None
    guardian: Guardian | None = None


@dataclass(frozen=True, kw_only=True)
class Prescriber:
    given_names: str | None = None
    first_surname: str | None = None
    second_surname: str | None = None
    id_type: str | None = None
    id_number: str | None = None
    profession: str | None = None
    qualification: str | None = None
    license_number: str | None = None
    licensing_body: str | None = None
    specialty: str | None = None
    email: str | None = None
    phone: str | None = None
    fax: str | None = None
    facility_name: str | None = None
    address_line: str | None = None
    postal_code: str | None = None
    town: str | None = None
    country: str | None = None


@dataclass(frozen=True, kw_only=True)
class FormulaIngredient:
    name: str
    amount: str | None = None
    unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Formula:
    ingredients: tuple[FormulaIngredient, ...]
    vehicle: str | None = None
    total_amount: str | None = None
    total_unit: str | None = None
    preparation: str | None = None


@dataclass(frozen=True, kw_only=True)
class Item:
    item_id: str
    item_no: int
    kind: str = "product"
    description: str | None = None
    active_ingredients: tuple[str, ...] | None = None
    national_code: str | None = None
    brand_name: str | None = None
    brand_reason: str | None = None
    brand_justification: str | None = None
    strength: str | None = None
    form: str | None = None
    audience: str | None = None
    route: str | None = None
    pack_format: str | None = None
    packs: int | None = None
    units: str | None = None
    unit: str | None = None
    posology: str | None = None
    dose_amount: str | None = None
    dose_unit: str | None = None
    frequency: str | None = None
    treatment_days: int | None = None
    as_needed: bool = False
    substitution_allowed: bool = True
    instructions: str | None = None
    formula: Formula | None = None
    controlled_list: str | None = None
    dispensing_order: int | None = None
    planned_dispensing_date: str | None = None
    first_dispense_until: str | None = None


@dataclass(frozen=True, kw_only=True)
class DiagnosisEntry:
    system: str
    code: str
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    entries: tuple[DiagnosisEntry, ...]


@dataclass(frozen=True, kw_only=True)
class Content:
    """All that one seal covers; items in the prescriber's order, no diagnosis group without a diagnosis."""

    document: Document
    patient: Patient
    prescriber: Prescriber
    items: tuple[Item, ...]
    diagnosis: Diagnosis | None = None

    @property
    def group_count(self) -> int:
        return 3 + len(self.items) + (self.diagnosis is not None)

    def groups(self) -> Mapping[str, Mapping[str, Json]]:
        """The data of each group by its name, in the order of the payload."""
        named = {"document": self.document, "patient": self.patient, "prescriber": self.prescriber}
        found = {name: _json(group) for name, group in named.items()}
        found |= {f"item/{number}": _json(item) for number, item in enumerate(self.items, start=1)}
        if self.diagnosis is not None:
            found["diagnosis"] = _json(self.diagnosis)
        return found


_PLAIN: Final = frozenset({str, int, bool})


def _json(record: object) -> dict[str, Json]:
    # Most fields are plain, and hundreds of them are looked at for each seal.
    return {
        name: value if value is None or type(value) in _PLAIN else _value(value)
        for name, value in vars(record).items()
    }


def _value(value: object) -> Json:
    if isinstance(value, str | int):
        return value
    return [_value(one) for one in value] if isinstance(value, tuple) else _json(value)

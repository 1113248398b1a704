"""Rows of a product catalogue: what makes a good one, and what its substances are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid5

from contracts.drug_names import MatchStatus, resolve
from services.safety_check.domain import routes
from services.safety_check.domain.knowledge import Knowledge

COLUMNS: Final = frozenset({"product_code", "product_type", "name_en", "name_es", "name_pt"})
TYPES: Final = frozenset({"MEDICATION", "LAB", "IMAGING", "PROCEDURE"})
_FIELDS: Final = (
    "strength",
    "presentation",
    "dosage_unit",
    "route",
    "pack_format",
    "national_code",
    "controlled_schedule",
    "manufacturer",
    "tipo_produto",
    "classe_terapeutica",
    "codigo_ggrem",
)
_PRICES: Final = ("pf_17", "pmc_17")
_PRICE: Final = re.compile(r"([0-9]{1,9})(?:[.,]([0-9]{1,4}))?")
FIELD_CHARACTERS_MAX: Final = 2_000
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAMESPACE: Final = UUID("3f6e0a52-6d0c-5d0e-9a7b-0f1a3c5e7b92")


class BadRow(Exception):
    """A row that no catalogue can hold; `column` and `rule` go into the report, the value does not."""

    def __init__(self, column: str, rule: str) -> None:
        super().__init__(f"{column}: {rule}")
        self.column = column
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Substance:
    """One active ingredient of a product, with the code that fits its route."""

    ingredient: str
    name: str
    atc_code: str | None


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    """One product; `unresolved` is the text of a substance that is in no table."""

    medication_id: UUID
    code: str
    type: str
    names: Mapping[str, str]
    substances: tuple[Substance, ...]
    fields: Mapping[str, str | None]
    electronic_allowed: bool
    marketed: bool
    synonyms: tuple[str, ...]
    substance: str | None = None
    prices: Mapping[str, Decimal | None] = field(default_factory=dict)
    unresolved: str | None = None


def catalogue_item(
    row: Mapping[str, str], *, source: str, country: str, knowledge: Knowledge
) -> CatalogueItem:
    """A product from a row of text. Raises BadRow."""
    text = {column: (value or "").strip() for column, value in row.items() if column}
    _check(text)
    substances, unresolved = _substances(text, country, knowledge)
    return CatalogueItem(
        medication_id=uuid5(_NAMESPACE, f"{source}:{text['product_code']}"),
        code=text["product_code"],
        type=text["product_type"],
        names={language: text[f"name_{language}"] for language in ("en", "es", "pt")},
        substances=substances,
        fields={column: text.get(column) or None for column in _FIELDS},
        electronic_allowed=_yes(text, "electronic_allowed"),
        marketed=_yes(text, "marketed"),
        synonyms=_split(text.get("synonyms", "")),
        substance=text.get("substance") or None,
        prices={column: _price(text, column) for column in _PRICES},
        unresolved=unresolved,
    )


def _check(text: Mapping[str, str]) -> None:
    for column in sorted(COLUMNS):
        if not text.get(column):
            raise BadRow(column, "required")
    for column, value in text.items():
        if len(value) > FIELD_CHARACTERS_MAX:
            raise BadRow(column, "too_long")
    if not _CODE.fullmatch(text["product_code"]):
        raise BadRow("product_code", "invalid_format")
    if text["product_type"] not in TYPES:
        raise BadRow("product_type", "invalid_value")


def _substances(
    text: Mapping[str, str], country: str, knowledge: Knowledge
) -> tuple[tuple[Substance, ...], str | None]:
    """By ids, which must be known, else by the text of the substance, which need not be."""
    if text["product_type"] != "MEDICATION":
        return (), None
    ids = _split(text.get("ingredients", ""))
    if any(one not in knowledge.ingredients for one in ids):
        raise BadRow("ingredients", "unknown_ingredient")
    written = text.get("substance") or text["name_en"]
    if not ids:
        found = resolve(written, country, knowledge.names)
        if found.status not in (MatchStatus.EXACT, MatchStatus.SYNONYM):
            return (), written
        ids = found.ingredients
    route = routes.route_of(text.get("route"))
    code = text.get("atc")
    return tuple(_substance(one, route, code if len(ids) == 1 else None, knowledge) for one in ids), None


def _substance(ingredient: str, route: str, code: str | None, knowledge: Knowledge) -> Substance:
    known = knowledge.ingredients[ingredient]
    if code and code not in known.atc:
        raise BadRow("atc", "code_of_another_ingredient")
    fitting = routes.fitting(known.atc, route)
    return Substance(ingredient, known.name_en, code or (fitting[0] if fitting else None))


def _yes(text: Mapping[str, str], column: str) -> bool:
    value = text.get(column) or "yes"
    if value not in ("yes", "no"):
        raise BadRow(column, "invalid_value")
    return value == "yes"


def _price(text: Mapping[str, str], column: str) -> Decimal | None:
    """Price lists write a comma as often as a point."""
    value = text.get(column)
    if not value:
        return None
    found = _PRICE.fullmatch(value)
    if found is None:
        raise BadRow(column, "invalid_format")
    return Decimal(f"{found[1]}.{found[2] or 0}")


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())

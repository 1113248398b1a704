"""How products and diagnoses are shown to clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from contracts.drug_catalog import CatalogueProduct

TYPES: Final = ("MEDICATION", "LAB", "IMAGING", "PROCEDURE")


@dataclass(frozen=True)
class Found:
    """A medicine that a search has found, and how well it fits."""

    record: CatalogueProduct
    substance: str
    atc_codes: tuple[str, ...]
    text_score: float
    trigram_score: float
    fused_score: float


def product(record: CatalogueProduct, language: str) -> dict[str, Any]:
    """One row of a product list; what has no meaning for a product is null."""
    found = record.product
    return {
        "product_code": found.product_code,
        "product_name": found.names.get(language, found.product_name),
        "product_type": found.product_type,
        "active_ingredients": [
            {"name": one.name, "atc_code": one.atc_code} for one in found.active_ingredients
        ],
        "strength": found.strength,
        "presentation": found.presentation,
        "dosage_unit": found.dosage_unit,
        "route": found.route,
        "pack_format": found.pack_format,
        "national_code": found.national_code,
        "controlled_schedule": found.controlled_schedule,
        "electronic_allowed": record.electronic_allowed,
    }


def trade_name(record: CatalogueProduct) -> str:
    """`produto` of the other dialect, whose list of products is in Portuguese."""
    return record.product.names.get("pt", record.product.product_name)


def diagnosis(code: str, description: str) -> dict[str, Any]:
    return {
        "diagnosis_code": code,
        "code": code,
        "description": description,
        "coding_system": "ICD-10",
    }

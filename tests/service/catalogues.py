"""The catalogue of development as records, and items that are resolved by it."""

import csv
from functools import cache
from typing import Any
from uuid import UUID

from contracts.drug_catalog import CatalogueName, CatalogueProduct, CatalogueRecord, CatalogueReleased
from contracts.prescription_events import ItemToCheck
from services.prescription.domain.items import Item
from services.safety_check import messages
from services.safety_check.domain import DATA, Knowledge, Tables
from services.safety_check.domain import Item as SafetyItem
from services.safety_check.domain.products import catalogue_item
from tests.service.prescriptions import NOON

RELEASE = "demo-1"


@cache
def knowledge() -> Knowledge:
    return Knowledge(Tables.read())


@cache
def products() -> tuple[CatalogueProduct, ...]:
    with (DATA / "demo_catalogue.csv").open(encoding="utf-8") as file:
        items = [
            catalogue_item(row, source="demo", country="ES", knowledge=knowledge())
            for row in csv.DictReader(file)
        ]
    return tuple(messages.product(one, release=RELEASE, source="demo") for one in items)


@cache
def names() -> tuple[CatalogueName, ...]:
    return tuple(messages.name(one, knowledge(), release=RELEASE) for one in messages.names(knowledge()))


def marker(*, release: str = RELEASE, sequence: int = 1, **counts: int) -> CatalogueReleased:
    return messages.released(
        release,
        sequence=sequence,
        products=counts.get("products", len(products())),
        names=counts.get("names", len(names())),
        version="2026.11.1",
        at=NOON,
    )


def whole_release() -> tuple[CatalogueRecord, ...]:
    return (*products(), *names(), marker())


def product(code: str) -> CatalogueProduct:
    return next(one for one in products() if one.product.product_code == code)


def item(name: str, **other: Any) -> Item:
    return Item(**{"id": UUID(int=11), "position": 1, "medication_name": name, **other})


def as_checked(asked: ItemToCheck) -> SafetyItem:
    """The item as safety-check reads it from a request."""
    return messages._item(asked)

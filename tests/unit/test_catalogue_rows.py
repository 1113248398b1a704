"""Rows of a price list, as an operator loads them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contracts.drug_catalog import CatalogueProduct
from services.safety_check import messages
from services.safety_check.domain import Knowledge, Tables
from services.safety_check.domain.products import BadRow, catalogue_item

KNOWLEDGE = Knowledge(Tables.read())
ROW = {
    "product_code": "7890001",
    "product_type": "MEDICATION",
    "name_en": "DIPIRONA",
    "name_es": "DIPIRONA",
    "name_pt": "DIPIRONA",
    "substance": "DIPIRONA SODICA",
}
PRICED = {
    "tipo_produto": "Similar",
    "classe_terapeutica": "N2B - ANALGESICOS NAO NARCOTICOS",
    "codigo_ggrem": "500000000000001",
    "pf_17": "8,50",
    "pmc_17": "10.2",
}


def product(**changes: str) -> CatalogueProduct:
    item = catalogue_item(ROW | changes, source="cmed", country="BR", knowledge=KNOWLEDGE)
    return messages.product(item, release="2026-03", source="cmed")


def test_what_a_price_list_says_of_a_product_is_told_whole() -> None:
    found = product(**PRICED)

    assert (found.pf_17, found.pmc_17) == (Decimal("8.50"), Decimal("10.2"))
    assert (found.tipo_produto, found.codigo_ggrem) == ("Similar", "500000000000001")
    assert (found.classe_terapeutica, found.substance) == (PRICED["classe_terapeutica"], "DIPIRONA SODICA")
    assert [one.ingredient for one in found.product.active_ingredients] == ["metamizole"]


def test_a_list_without_prices_leaves_them_open() -> None:
    found = product()

    assert (found.pf_17, found.pmc_17, found.codigo_ggrem, found.tipo_produto) == (None, None, None, None)


@pytest.mark.parametrize("price", ["free", "-1", "1.234,56", "1e3"])
def test_a_price_that_is_no_number_spoils_its_row(price: str) -> None:
    with pytest.raises(BadRow, match="pmc_17: invalid_format"):
        product(pmc_17=price)

"""What is searched and what items are resolved by, on the compacted topic `drug-catalog-v1`.

A release is a set of records and, last, `CatalogueReleased`, which counts them for its readers.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Message
from contracts.values import Amount, Product, Text


class CatalogueRecord(Message):
    """One record of one release; records of another release are upserted beside it."""

    topic: ClassVar[str] = "drug-catalog-v1"
    source: ClassVar[str] = "/safety-check"

    release: str


class CatalogueProduct(CatalogueRecord):
    """A product of the catalogue; `medication_id` is a UUIDv5 of source and product code.

    The last six are as a price list of the Brazilian regulator (CMED) has them; others lack some or all.
    """

    ce_type: ClassVar[str] = "recepta.drug-catalog.product.v1"

    medication_id: UUID
    catalogue: str
    product: Product
    electronic_allowed: bool = True
    manufacturer: Text | None = None
    marketed: bool = True
    synonyms: tuple[str, ...] = ()
    substance: Text | None = None
    """What it is made of, as the list words it."""
    tipo_produto: Text | None = None
    classe_terapeutica: Text | None = None
    codigo_ggrem: str | None = None
    pf_17: Amount | None = None
    """The factory's price at a tax of 17 %."""
    pmc_17: Amount | None = None
    """The highest price to a consumer at a tax of 17 %."""

    @property
    def key(self) -> str:
        return f"product:{self.medication_id}"


class CatalogueName(CatalogueRecord):
    """A name of an ingredient, with its folded form and its key (contracts.drug_names).

    A `combination` is a name of several: `ingredient` holds them all, joined by `+`.
    """

    ce_type: ClassVar[str] = "recepta.drug-catalog.name.v1"

    ingredient: str
    name: Text
    folded: str
    name_key: str | None = None
    language: str | None = None
    kind: str
    country: str | None = None
    atc_codes: tuple[str, ...] = ()
    display_name: Text
    lookalikes: tuple[str, ...] = ()
    """Ingredients that nobody shall guess where this one is as likely."""

    @property
    def ingredients(self) -> tuple[str, ...]:
        """All that it stands for."""
        return tuple(self.ingredient.split("+"))

    @property
    def key(self) -> str:
        return f"name:{self.ingredient}:{self.folded}:{self.country or ''}"


class CatalogueReleased(CatalogueRecord):
    """A release is complete with this many products and names; the highest `sequence` is the present one."""

    ce_type: ClassVar[str] = "recepta.drug-catalog.released.v1"

    sequence: int = Field(ge=1)
    products: int = Field(ge=0)
    names: int = Field(ge=0)
    knowledge_base_version: str
    released_at: AwareDatetime

    @property
    def key(self) -> str:
        return "release"

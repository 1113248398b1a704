"""Keeps the gateway's copy of the catalogue: by release, which readers switch to when it is complete."""

from __future__ import annotations

from contracts.drug_catalog import CatalogueName, CatalogueProduct, CatalogueReleased
from services.gateway.handlers import handlers
from services.gateway.store import catalogue
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(CatalogueProduct)
async def on_catalogue_product(product: CatalogueProduct, conn: Connection, _outbox: Outbox) -> None:
    """Keep a product of a release."""
    await catalogue.save_product(conn, product)
    await catalogue.switch_when_complete(conn, product.release)


@handlers.on(CatalogueName)
async def on_catalogue_name(name: CatalogueName, conn: Connection, _outbox: Outbox) -> None:
    """Keep a name by which products are found."""
    await catalogue.save_name(conn, name)
    await catalogue.switch_when_complete(conn, name.release)


@handlers.on(CatalogueReleased)
async def on_catalogue_released(marker: CatalogueReleased, conn: Connection, _outbox: Outbox) -> None:
    """Learn how many records a release has: the marker may come before the last of them."""
    await catalogue.save_marker(conn, marker)
    await catalogue.switch_when_complete(conn, marker.release)

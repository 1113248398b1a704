"""Keeps what the catalogue says, by release: items are resolved by the newest that is complete."""

from contracts.drug_catalog import CatalogueName, CatalogueProduct, CatalogueReleased
from services.prescription import store
from services.prescription.handlers.registry import handlers
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(CatalogueProduct)
async def on_catalogue_product(product: CatalogueProduct, conn: Connection, outbox: Outbox) -> None:
    """Keep a product that items can be linked to."""
    store.keep_of_catalogue(conn, product)


@handlers.on(CatalogueName)
async def on_catalogue_name(name: CatalogueName, conn: Connection, outbox: Outbox) -> None:
    """Keep a name that items can be resolved by."""
    store.keep_of_catalogue(conn, name)


@handlers.on(CatalogueReleased)
async def on_catalogue_released(marker: CatalogueReleased, conn: Connection, outbox: Outbox) -> None:
    """Learn how many records a release has: the marker may come before the last of them."""
    store.keep_of_catalogue(conn, marker)

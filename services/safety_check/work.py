"""Tells readers of the catalogue of a release, part by part, so that live checks never wait behind it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.drug_catalog import CatalogueProduct, CatalogueRecord
from services.safety_check import messages, store
from services.safety_check.domain import Knowledge
from shared import clock, work
from shared.database import Connection, Pool, transaction
from shared.errors import Unavailable
from shared.outbox import Outbox
from shared.work import Finish, Job, Works

RECORDS_MAX: Final = 500
"""In one transaction, and in the outbox at a time."""
CLEAR_SECONDS: Final = 0.02
CLEAR_SECONDS_MAX: Final = 20.0
ANNOUNCE: Final = "announce-release"
NOBODY: Final = UUID(int=0)
"""A catalogue belongs to no tenant."""

works = Works("safety-check")


@dataclass(frozen=True)
class Catalogue:
    """What is needed to tell of a release."""

    pool: Pool
    knowledge: Knowledge


async def announce_release(conn: Connection, release: str, *, at: datetime) -> None:
    """Put a release in use and have it told, in one transaction with what else its caller does."""
    sequence = await store.activate(conn, release, at=at)
    payload = {"release": release, "sequence": sequence, "after": "", "names_told": 0}
    await work.add(conn, kind=ANNOUNCE, key="catalogue", tenant_id=NOBODY, due_at=at, payload=payload)


@works.on(ANNOUNCE)
async def announce(job: Job, catalogue: Catalogue) -> Finish:
    """One part: products by code, then names, then the marker that counts them."""
    await _outbox_clear(catalogue.pool)
    release, after, names_told = job.payload["release"], job.payload["after"], job.payload["names_told"]
    wire = f"{release}+{catalogue.knowledge.version}"
    names = messages.names(catalogue.knowledge, release=wire)
    async with transaction(catalogue.pool) as conn:
        products = await store.products_after(conn, release, after, limit=RECORDS_MAX)
        known = await store.find_release(conn, release)

    async def told(conn: Connection, outbox: Outbox) -> None:
        if known is None:
            return  # Forgotten since: a later one is in use.
        outbox.announce(*_part(products, names[names_told:], wire))
        if products:
            await _next(conn, job, after=products[-1].product.product_code)
        elif names_told < len(names):
            await _next(conn, job, names_told=names_told + RECORDS_MAX)
        else:
            outbox.announce(
                messages.released(
                    wire,
                    sequence=job.payload["sequence"],
                    products=known.products,
                    names=len(names),
                    version=catalogue.knowledge.version,
                    at=clock.now(),
                )
            )

    return told


def _part(
    products: list[CatalogueProduct], names: tuple[messages.CatalogueName, ...], wire: str
) -> list[CatalogueRecord]:
    if products:
        return [one.model_copy(update={"release": wire}) for one in products]
    return list(names[:RECORDS_MAX])


async def _next(conn: Connection, job: Job, **reached: str | int) -> None:
    payload = {**job.payload, **reached}
    await work.add(
        conn, kind=job.kind, key=job.key, tenant_id=job.tenant_id, due_at=clock.now(), payload=payload
    )


async def _outbox_clear(pool: Pool) -> None:
    """Wait until readers have what was told before. Raises Unavailable."""
    for _ in range(int(CLEAR_SECONDS_MAX / CLEAR_SECONDS)):
        async with transaction(pool) as conn:
            if not await store.waiting_to_be_published(conn, CatalogueRecord.topic):
                return
        await asyncio.sleep(CLEAR_SECONDS)
    raise Unavailable("the relay has not published the last part yet")

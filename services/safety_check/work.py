"""Tells readers of the catalogue of a release, part by part, so that live checks never wait behind it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.drug_catalog import CatalogueRecord
from contracts.drug_names import Name
from services.safety_check import messages, store
from services.safety_check.domain import Knowledge
from shared import clock, work
from shared.database import Connection, Pool
from shared.errors import Unavailable
from shared.outbox import Outbox, until_published
from shared.work import Finish, Job, Works

RECORDS_MAX: Final = 500
"""In one transaction, and in the outbox at a time."""
PUBLISHED_SECONDS_MAX: Final = 20.0
ANNOUNCE: Final = "announce-release"
NOBODY: Final = UUID(int=0)
"""A catalogue belongs to no tenant."""

works = Works("safety-check")


@dataclass(frozen=True)
class Catalogue:
    """What is needed to tell of a release."""

    pool: Pool
    knowledge: Knowledge
    names: tuple[Name, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", messages.names(self.knowledge))


async def announce_release(conn: Connection, release: str, knowledge: Knowledge, *, at: datetime) -> None:
    """Put a release in use and have it told, in one transaction with what else its caller does.

    The caller holds the catalogue.
    """
    sequence = await store.activate(conn, release, at=at)
    payload = {"sequence": sequence, "version": knowledge.version, "after": "", "names_told": 0}
    await work.add(conn, kind=ANNOUNCE, key=release, tenant_id=NOBODY, due_at=at, payload=payload)


@works.on(ANNOUNCE)
async def announce(job: Job, catalogue: Catalogue) -> Finish:
    """One part: products by code, then names, then the marker that counts them."""
    if job.payload["version"] != catalogue.knowledge.version:
        raise Unavailable("a process with another knowledge base has to tell of this release")
    await until_published(catalogue.pool, seconds_max=PUBLISHED_SECONDS_MAX)

    async def told(conn: Connection, outbox: Outbox) -> None:
        await store.hold_catalogue(conn)
        active = await store.find_active(conn)
        if active is None or active.sequence != job.payload["sequence"]:
            return  # Another activation has taken its place, and is told of by itself.
        if not (await _products(conn, outbox, job) or await _names(conn, outbox, job, catalogue)):
            outbox.announce(_marker(active, job, catalogue))

    return told


async def _products(conn: Connection, outbox: Outbox, job: Job) -> bool:
    products = await store.products_after(conn, job.key, job.payload["after"], limit=RECORDS_MAX)
    if not products:
        return False
    outbox.announce(*(one.model_copy(update={"release": _wire(job)}) for one in products))
    await _go_on(conn, job, after=products[-1].product.product_code)
    return True


async def _names(conn: Connection, outbox: Outbox, job: Job, catalogue: Catalogue) -> bool:
    told: int = job.payload["names_told"]
    names = catalogue.names[told : told + RECORDS_MAX]
    if not names:
        return False
    outbox.announce(*(messages.name(one, catalogue.knowledge, release=_wire(job)) for one in names))
    await _go_on(conn, job, names_told=told + len(names))
    return True


def _marker(active: store.Release, job: Job, catalogue: Catalogue) -> CatalogueRecord:
    return messages.released(
        _wire(job),
        sequence=job.payload["sequence"],
        products=active.products,
        names=len(catalogue.names),
        version=catalogue.knowledge.version,
        at=clock.now(),
    )


def _wire(job: Job) -> str:
    """The release as readers know it: other names, of another knowledge base, make another release."""
    return f"{job.key}+{job.payload['version']}"


async def _go_on(conn: Connection, job: Job, **reached: str | int) -> None:
    payload = {**job.payload, **reached}
    await work.add(
        conn, kind=job.kind, key=job.key, tenant_id=job.tenant_id, due_at=clock.now(), payload=payload
    )

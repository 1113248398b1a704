"""Issues in progress as this process committed them last: their next step need not read them again.

Nobody trusts it: a row is locked first, and what is remembered stands for it only at the row's own revision,
which every change raises.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from services.prescription.domain.prescription import Prescription
from services.prescription.store.beside import Place
from shared import database
from shared.database import Pool

REMEMBERED_MAX: Final = 1_000


@dataclass
class _Memory:
    """Of one database: what another one has is forgotten with the first word to it."""

    pool: Pool | None = None
    prescriptions: OrderedDict[Place, Prescription] = field(default_factory=OrderedDict)


_memory: Final = _Memory()


def among(places: Iterable[Place]) -> dict[Place, Prescription]:
    """Those of some prescriptions that are remembered, of the database that is asked now."""
    if _memory.pool is not database.pool_in_use():
        return {}
    kept = _memory.prescriptions
    return {place: kept[place] for place in places if place in kept}


def once_committed(written: Sequence[tuple[Place, Prescription]]) -> None:
    """Remember the issues among these when, and only if, the transaction under way is committed.

    Each step of an issue raises its revision; others change without, when a request joins those who wait.
    """
    pool = database.pool_in_use()
    if pool is not None:
        lasting = [(place, one) for place, one in written if one.hidden and not one.assembling]
        database.after_commit(partial(_keep, pool, lasting))


def _keep(pool: Pool, written: Sequence[tuple[Place, Prescription]]) -> None:
    kept = _memory.prescriptions
    if _memory.pool is not pool:
        _memory.pool = pool
        kept.clear()
    for place, prescription in written:
        kept[place] = prescription
        kept.move_to_end(place)
    while len(kept) > REMEMBERED_MAX:
        kept.popitem(last=False)

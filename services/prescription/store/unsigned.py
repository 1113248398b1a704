"""What nobody has signed yet, by patient: whose checks are to be asked for again when something changes."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from services.prescription.store.beside import Place
from services.prescription.store.hand import of
from shared import work
from shared.database import Connection

# The kinds of work that ask again: for one patient, and for all of them.
RECHECK: Final = "recheck"
RECHECK_ALL: Final = "recheck-all"
# And the kind that resolves by another catalogue.
RESOLVE_ALL: Final = "resolve-all"
NOBODY: Final = UUID(int=0)
"""A knowledge base belongs to no tenant."""

UnsignedPlace: TypeAlias = tuple[UUID, UUID, UUID]
"""Tenant, patient, and prescription."""


async def write(conn: Connection, changes: Mapping[Place, tuple[UUID, bool]]) -> None:
    """Prescriptions of these patients that are unsigned from now on, or no longer."""
    now_unsigned = [
        (tenant_id, patient_id, id) for (tenant_id, id), (patient_id, unsigned) in changes.items() if unsigned
    ]
    no_longer = [
        (tenant_id, patient_id, id)
        for (tenant_id, id), (patient_id, unsigned) in changes.items()
        if not unsigned
    ]
    await conn.executemany(
        """
        INSERT INTO unsigned_prescription (tenant_id, patient_id, id)
        VALUES ($1, $2, $3)
            ON CONFLICT ON CONSTRAINT unsigned_prescription_pkey DO NOTHING
        """,
        sorted(now_unsigned),
    )
    await conn.executemany(
        "DELETE FROM unsigned_prescription WHERE (tenant_id, patient_id, id) = ($1, $2, $3)",
        sorted(no_longer),
    )


async def unsigned_of(conn: Connection, tenant_id: UUID, patient_id: UUID) -> list[UUID]:
    """A patient's prescriptions that nobody has signed."""
    found = await conn.fetch(
        "SELECT id FROM unsigned_prescription WHERE (tenant_id, patient_id) = ($1, $2) ORDER BY id",
        tenant_id,
        patient_id,
    )
    return [row["id"] for row in found]


async def patients_with_unsigned(conn: Connection, after: Place, *, limit: int) -> list[Place]:
    """The next patients, in one order for all, who have something that nobody has signed."""
    found = await conn.fetch(
        """
        SELECT DISTINCT tenant_id, patient_id
          FROM unsigned_prescription
         WHERE (tenant_id, patient_id) > ($1, $2)
         ORDER BY tenant_id, patient_id
         LIMIT $3
        """,
        *after,
        limit,
    )
    return [(row["tenant_id"], row["patient_id"]) for row in found]


async def check_again(
    conn: Connection, patients: Iterable[Place], *, at: datetime, once_more: bool = False
) -> None:
    """Have what these patients have unsigned checked again where its check is no longer current.

    `once_more`: besides what is due at once, which it does not put off.
    """
    besides = ":once more" if once_more else ""
    await work.add_many(
        conn,
        [
            work.NewWork(
                RECHECK, f"{tenant_id}:{id}{besides}", tenant_id, at, payload={"patient_id": str(id)}
            )
            for tenant_id, id in patients
        ],
    )


async def check_all_again(
    conn: Connection, version: str, *, after: Place = (NOBODY, NOBODY), at: datetime
) -> None:
    """Have it done for all patients after this one, because checks use this knowledge base from now on."""
    payload = {"tenant_id": str(after[0]), "patient_id": str(after[1])}
    await work.add(conn, kind=RECHECK_ALL, key=version, tenant_id=NOBODY, due_at=at, payload=payload)


async def unsigned_after(conn: Connection, after: UnsignedPlace, *, limit: int) -> list[UnsignedPlace]:
    """The next prescriptions that nobody has signed, by tenant, patient and id."""
    found = await conn.fetch(
        """
        SELECT tenant_id, patient_id, id
          FROM unsigned_prescription
         WHERE (tenant_id, patient_id, id) > ($1, $2, $3)
         ORDER BY tenant_id, patient_id, id
         LIMIT $4
        """,
        *after,
        limit,
    )
    return [(row["tenant_id"], row["patient_id"], row["id"]) for row in found]


async def resolve_all_again(
    conn: Connection, release: str, *, after: UnsignedPlace | None = None, at: datetime
) -> None:
    """Have all items that may still change resolved by this release, from the first or after this one."""
    payload = {"after": [str(id) for id in after or (NOBODY, NOBODY, NOBODY)]}
    await work.add(conn, kind=RESOLVE_ALL, key=release, tenant_id=NOBODY, due_at=at, payload=payload)


async def save_knowledge_base(conn: Connection, version: str, *, updated_at: datetime) -> bool:
    """The knowledge base in use from now on; False where something newer is known."""
    newer = await conn.fetchval(
        """
        INSERT INTO knowledge_base AS known (version, updated_at)
        VALUES ($1, $2)
            ON CONFLICT (only_one) DO UPDATE
           SET version = excluded.version, updated_at = excluded.updated_at
         WHERE known.updated_at < excluded.updated_at
        RETURNING true
        """,
        version,
        updated_at,
    )
    if newer:
        of(conn).knowledge_base = version
    return bool(newer)

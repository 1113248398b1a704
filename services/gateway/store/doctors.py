"""Doctors of a provider, with the standing of their registration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from asyncpg import Record, UniqueViolationError

from contracts.values import Doctor
from services.gateway.messages.doctors import ListedDoctor, standing
from shared.database import Connection
from shared.errors import Conflict


class DoctorExists(Conflict):
    """The provider has a doctor of this institution and licence number already."""

    default_code = "doctor_exists"

    def __init__(self, doctor_id: UUID) -> None:
        super().__init__(f"doctor {doctor_id} has this licence")
        self.doctor_id = doctor_id


@dataclass(frozen=True)
class KnownDoctor:
    """A doctor on file."""

    record: ListedDoctor
    version: int
    registration_status: str
    created_at: datetime
    updated_at: datetime

    def standing(self, today: date) -> str:
        """`registration_status` as it is today."""
        return standing(self.registration_status, self.record.registration_valid_until, today)

    def active(self, today: date) -> bool:
        """Whether they may sign today."""
        return self.standing(today) == "ACTIVE"


def _doctor(row: Record) -> KnownDoctor:
    return KnownDoctor(
        ListedDoctor.model_validate_json(row["record"]).model_copy(
            update={"registration_valid_until": row["registration_valid_until"]}
        ),
        row["version"],
        row["registration_status"],
        row["created_at"],
        row["updated_at"],
    )


async def find_doctor(
    conn: Connection, tenant_id: UUID, doctor_id: UUID, *, hold: bool = False
) -> KnownDoctor | None:
    """A doctor of the provider; with `hold` nobody else changes them in this transaction."""
    row = await conn.fetchrow(
        f"""
        SELECT record, version, registration_status, registration_valid_until, created_at, updated_at
          FROM doctor
         WHERE (tenant_id, doctor_id) = ($1, $2)
         {"FOR NO KEY UPDATE" if hold else ""}
        """,
        tenant_id,
        doctor_id,
    )
    return None if row is None else _doctor(row)


async def list_doctors(
    conn: Connection,
    tenant_id: UUID,
    *,
    number: str | None,
    status: str | None,
    today: date,
    limit: int,
    offset: int,
) -> tuple[list[KnownDoctor], int]:
    """Newest first, of this licence number and this standing today; and how many there are."""
    rows = await conn.fetch(
        """
        WITH found AS (SELECT doctor_id, record, version, registration_status, registration_valid_until,
                              created_at, updated_at
                         FROM doctor
                        WHERE tenant_id = $1
                          AND ($2::text IS NULL OR medical_license_number = $2)
                          AND ($3::text IS NULL OR $3 = CASE
                                WHEN registration_status = 'ACTIVE' AND registration_valid_until < $4
                                THEN 'EXPIRED' ELSE registration_status END))
        SELECT counted.total, page.*
          FROM (SELECT count(*) AS total FROM found) AS counted
          LEFT JOIN LATERAL (SELECT * FROM found
                              ORDER BY created_at DESC, doctor_id DESC
                              LIMIT $5 OFFSET $6) AS page ON true
        """,
        tenant_id,
        number,
        status,
        today,
        limit,
        offset,
    )
    return [_doctor(row) for row in rows if row["record"] is not None], rows[0]["total"]


async def save_doctor(
    conn: Connection,
    tenant_id: UUID,
    doctor: Doctor,
    *,
    status: str,
    valid_until: date | None,
    now: datetime,
) -> tuple[UUID, int | None]:
    """The doctor of this institution and licence, made or changed; an existing one keeps its id.

    The version is None where nothing changed.
    """
    found = await conn.fetchval(
        """
        SELECT doctor_id
          FROM doctor
         WHERE (tenant_id, institution_slug, medical_license_number) = ($1, $2, $3)
           FOR UPDATE
        """,
        tenant_id,
        doctor.medical_license_verification_institution_slug,
        doctor.medical_license_number,
    )
    record = doctor.model_copy(update={"doctor_id": found or doctor.doctor_id})
    version = await conn.fetchval(
        """
        INSERT INTO doctor (tenant_id, doctor_id, version, institution_slug, medical_license_number,
                            registration_status, registration_valid_until, record, created_at, updated_at)
        VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $8)
            ON CONFLICT ON CONSTRAINT doctor_license_key DO UPDATE
           SET version = doctor.version + 1, registration_status = EXCLUDED.registration_status,
               registration_valid_until = EXCLUDED.registration_valid_until,
               record = EXCLUDED.record, updated_at = EXCLUDED.updated_at
         WHERE (doctor.registration_status, doctor.registration_valid_until, doctor.record)
               IS DISTINCT FROM
               (EXCLUDED.registration_status, EXCLUDED.registration_valid_until, EXCLUDED.record)
        RETURNING version
        """,
        tenant_id,
        record.doctor_id,
        doctor.medical_license_verification_institution_slug,
        doctor.medical_license_number,
        status,
        valid_until,
        record.model_dump_json(),
        now,
    )
    return record.doctor_id, version


async def add_doctor(
    conn: Connection, tenant_id: UUID, doctor: ListedDoctor, *, status: str, now: datetime
) -> KnownDoctor:
    """A new doctor on file. Raises DoctorExists, of two at the same moment for the second."""
    if not await _insert(conn, tenant_id, doctor, status=status, now=now):
        raise DoctorExists(await _holder(conn, tenant_id, doctor))
    return KnownDoctor(doctor, 1, status, now, now)


async def put_doctor(
    conn: Connection, tenant_id: UUID, doctor: ListedDoctor, *, status: str, now: datetime
) -> KnownDoctor | None:
    """A new doctor on file, under the id that a client has chosen; None if there is one of this id.

    Raises DoctorExists.
    """
    if await _insert(conn, tenant_id, doctor, status=status, now=now):
        return KnownDoctor(doctor, 1, status, now, now)
    if await find_doctor(conn, tenant_id, doctor.doctor_id) is not None:
        return None
    raise DoctorExists(await _holder(conn, tenant_id, doctor))


async def _insert(
    conn: Connection, tenant_id: UUID, doctor: ListedDoctor, *, status: str, now: datetime
) -> bool:
    """False when somebody has the licence, or the id, already."""
    made = await conn.fetchval(
        """
        INSERT INTO doctor (tenant_id, doctor_id, version, institution_slug, medical_license_number,
                            registration_status, registration_valid_until, record, created_at, updated_at)
        VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $8)
            ON CONFLICT DO NOTHING
        RETURNING true
        """,
        tenant_id,
        doctor.doctor_id,
        doctor.medical_license_verification_institution_slug,
        doctor.medical_license_number,
        status,
        doctor.registration_valid_until,
        doctor.model_dump_json(),
        now,
    )
    return made is True


async def change_doctor(
    conn: Connection,
    tenant_id: UUID,
    held: KnownDoctor,
    doctor: ListedDoctor,
    *,
    status: str,
    now: datetime,
) -> KnownDoctor:
    """Put another record in the place of a held one; the same again changes nothing. Raises DoctorExists."""
    if (doctor, status) == (held.record, held.registration_status):
        return held
    try:
        async with conn.transaction():
            await conn.execute(
                """
                UPDATE doctor
                   SET version = $3, institution_slug = $4, medical_license_number = $5,
                       registration_status = $6, registration_valid_until = $7, record = $8, updated_at = $9
                 WHERE (tenant_id, doctor_id) = ($1, $2)
                """,
                tenant_id,
                doctor.doctor_id,
                held.version + 1,
                doctor.medical_license_verification_institution_slug,
                doctor.medical_license_number,
                status,
                doctor.registration_valid_until,
                doctor.model_dump_json(),
                now,
            )
    except UniqueViolationError:
        raise DoctorExists(await _holder(conn, tenant_id, doctor)) from None
    return KnownDoctor(doctor, held.version + 1, status, held.created_at, now)


async def _holder(conn: Connection, tenant_id: UUID, doctor: Doctor) -> UUID:
    """Who has this licence."""
    found: UUID | None = await conn.fetchval(
        """
        SELECT doctor_id
          FROM doctor
         WHERE (tenant_id, institution_slug, medical_license_number) = ($1, $2, $3)
        """,
        tenant_id,
        doctor.medical_license_verification_institution_slug,
        doctor.medical_license_number,
    )
    if found is None:
        raise Conflict("the doctor's row went away at this moment")
    return found

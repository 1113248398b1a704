"""Patients of a provider, and those that an issue has not yet revealed (DESIGN 3.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record, UniqueViolationError

from contracts.directory_events import PatientFactsChanged
from contracts.values import Patient
from services.gateway.messages.patients import ListedPatient, listed, same_person
from services.gateway.store import at_rest
from services.gateway.store.at_rest import keyring
from shared.database import Connection
from shared.errors import Conflict


class PatientExists(Conflict):
    """The provider has a patient with this document already."""

    default_code = "patient_exists"

    def __init__(self, patient_id: UUID) -> None:
        super().__init__(f"patient {patient_id} has this document")
        self.patient_id = patient_id


class PatientConflict(Conflict):
    """A known document was sent with other names or another birth date."""

    default_code = "patient_conflict"


@dataclass(frozen=True)
class KnownPatient:
    """A patient on file; `version` rises with every change."""

    record: ListedPatient
    version: int
    revealed: bool
    created_at: datetime
    updated_at: datetime


def document_hash(tenant_id: UUID, number: str | None) -> bytes | None:
    """What a document's number is found by: the number itself is nowhere in the clear."""
    return keyring.look_up(tenant_id, "patient document", number) if number else None


def opened(record: bytes, tenant_id: UUID, patient_id: UUID) -> ListedPatient:
    """A patient as `patient.record` holds them. Raises Tampered."""
    return ListedPatient.model_validate_json(at_rest.PATIENT.open(record, tenant_id, patient_id))


def _sealed(tenant_id: UUID, patient: ListedPatient) -> bytes:
    return at_rest.PATIENT.seal(patient.to_json(), tenant_id, patient.patient_id)


def _patient(tenant_id: UUID, row: Record) -> KnownPatient:
    return KnownPatient(
        opened(row["record"], tenant_id, row["patient_id"]),
        row["version"],
        row["revealed"],
        row["created_at"],
        row["updated_at"],
    )


async def find_patient(
    conn: Connection, tenant_id: UUID, patient_id: UUID, *, hold: bool = False
) -> KnownPatient | None:
    """A patient that the provider may see; with `hold` nobody else changes them in this transaction."""
    row = await conn.fetchrow(
        f"""
        SELECT patient_id, record, version, revealed, created_at, updated_at
          FROM patient
         WHERE (tenant_id, patient_id) = ($1, $2)
           AND revealed
         {"FOR NO KEY UPDATE" if hold else ""}
        """,
        tenant_id,
        patient_id,
    )
    return None if row is None else _patient(tenant_id, row)


async def patients_by_document(
    conn: Connection, tenant_id: UUID, number: str, kind: str | None, *, limit: int, offset: int
) -> tuple[list[KnownPatient], int]:
    """Those with this document number, newest first, and how many there are."""
    rows = await conn.fetch(
        """
        WITH found AS (SELECT record, version, revealed, created_at, updated_at, patient_id
                         FROM patient
                        WHERE (tenant_id, document_hash) = ($1, $2)
                          AND ($3::text IS NULL OR document_type = $3)
                          AND revealed)
        SELECT counted.total, page.*
          FROM (SELECT count(*) AS total FROM found) AS counted
          LEFT JOIN LATERAL (SELECT * FROM found
                              ORDER BY created_at DESC, patient_id DESC
                              LIMIT $4 OFFSET $5) AS page ON true
        """,
        tenant_id,
        document_hash(tenant_id, number),
        kind,
        limit,
        offset,
    )
    return [_patient(tenant_id, row) for row in rows if row["record"] is not None], rows[0]["total"]


async def add_patient(conn: Connection, tenant_id: UUID, patient: Patient, *, now: datetime) -> KnownPatient:
    """A new patient on file. One that an issue has not yet revealed is taken over, under the id it has.

    Raises PatientExists, of two at the same moment for the second.
    """
    new = listed(patient)
    if await _insert(conn, tenant_id, new, revealed=True, digest=None, now=now):
        return KnownPatient(new, patient.facts_version, True, now, now)
    found, _ = await _held(conn, tenant_id, patient)
    if found.revealed:
        raise PatientExists(found.record.patient_id)
    return await _replace(conn, tenant_id, found, patient, revealed=True, created_at=now, now=now)


async def put_patient(
    conn: Connection, tenant_id: UUID, patient: ListedPatient, *, now: datetime
) -> KnownPatient | None:
    """A new patient on file, under the id that a client has chosen; None if there is one of this id.

    A document that an issue without success had brought is taken from it: nobody has seen that row. Raises
    PatientExists.
    """
    if patient.document_number:
        await _free_document(conn, tenant_id, patient)
    if await _insert(conn, tenant_id, patient, revealed=True, digest=None, now=now):
        return KnownPatient(patient, patient.facts_version, True, now, now)
    if await find_patient(conn, tenant_id, patient.patient_id) is not None:
        return None
    found, _ = await _held(conn, tenant_id, patient)
    raise PatientExists(found.record.patient_id)


async def change_patient(
    conn: Connection, tenant_id: UUID, held: KnownPatient, patient: ListedPatient, *, now: datetime
) -> KnownPatient:
    """Put another record in the place of a held one; the same again changes nothing. Raises PatientExists.

    A document that an issue without success had brought is taken from it: nobody has seen that row.
    """
    if patient == held.record:
        return held
    version = held.version + 1
    changed = patient.model_copy(update={"facts_version": version})
    if patient.document_number and _document(tenant_id, patient) != _document(tenant_id, held.record):
        await _free_document(conn, tenant_id, patient)
    try:
        async with conn.transaction():
            await conn.execute(
                """
                UPDATE patient
                   SET record = $3, version = $4, document_type = $5, document_hash = $6, updated_at = $7
                 WHERE (tenant_id, patient_id) = ($1, $2)
                """,
                tenant_id,
                patient.patient_id,
                _sealed(tenant_id, changed),
                version,
                *_document(tenant_id, patient),
                now,
            )
    except UniqueViolationError:
        found, _ = await _held(conn, tenant_id, patient)
        raise PatientExists(found.record.patient_id) from None
    return KnownPatient(changed, version, True, held.created_at, now)


async def _free_document(conn: Connection, tenant_id: UUID, patient: Patient) -> None:
    await conn.execute(
        """
        UPDATE patient SET document_type = NULL, document_hash = NULL
         WHERE tenant_id = $1
           AND (document_type, document_hash) = ($2, $3)
           AND NOT revealed
        """,
        tenant_id,
        *_document(tenant_id, patient),
    )


def _document(tenant_id: UUID, patient: Patient) -> tuple[str | None, bytes | None]:
    """Type and number as they are looked up; without a number there is neither."""
    found = document_hash(tenant_id, patient.document_number)
    return (None, None) if found is None else (patient.document_type, found)


async def inline_patient(conn: Connection, tenant_id: UUID, patient: Patient, now: datetime) -> Patient:
    """The patient that an issue is about, as its command shall carry them.

    An unknown document makes a row that nobody sees until `reveal_patient`; a known one is that record, if
    names and birth date agree. Raises PatientConflict.
    """
    digest = None if patient.document_number else _digest(tenant_id, patient)
    if await _insert(conn, tenant_id, listed(patient), revealed=False, digest=digest, now=now):
        return patient
    found, same = await _held(conn, tenant_id, patient, digest)
    if not found.revealed:
        kept = await _replace(conn, tenant_id, found, patient, revealed=False, created_at=None, now=now)
        return kept.record
    if not same:
        raise PatientConflict("names or birth date differ from the record")
    return found.record


async def reveal_patient(
    conn: Connection, tenant_id: UUID, patient: Patient, now: datetime
) -> PatientFactsChanged | None:
    """The first success of an issue puts its patient on file, as they were in it.

    What is returned is to be announced: simultaneous issues had sent other facts meanwhile.
    """
    row = await conn.fetchrow(
        """
        SELECT patient_id, record, version, revealed, created_at, updated_at
          FROM patient
         WHERE (tenant_id, patient_id) = ($1, $2)
           AND NOT revealed
           FOR NO KEY UPDATE
        """,
        tenant_id,
        patient.patient_id,
    )
    if row is None:
        return None
    found = _patient(tenant_id, row)
    revealed = await _replace(conn, tenant_id, found, patient, revealed=True, created_at=now, now=now)
    if revealed.version == patient.facts_version:
        return None
    return PatientFactsChanged(tenant_id=tenant_id, facts=revealed.record.facts)


async def forget_unrevealed(conn: Connection, *, before: datetime, limit: int) -> int:
    """Remove patients of issues that were refused, and not tried again since `before`; how many it were."""
    removed = await conn.fetch(
        """
        DELETE FROM patient
         WHERE (tenant_id, patient_id) IN (SELECT tenant_id, patient_id
                                             FROM patient
                                            WHERE NOT revealed AND updated_at < $1
                                            ORDER BY updated_at
                                            LIMIT $2
                                              FOR UPDATE SKIP LOCKED)
        RETURNING patient_id
        """,
        before,
        limit,
    )
    return len(removed)


async def _insert(
    conn: Connection,
    tenant_id: UUID,
    patient: ListedPatient,
    *,
    revealed: bool,
    digest: bytes | None,
    now: datetime,
) -> bool:
    """False when somebody has the document, or the digest, already."""
    made = await conn.fetchval(
        """
        INSERT INTO patient (tenant_id, patient_id, version, document_type, document_hash, content_digest,
                             revealed, record, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
            ON CONFLICT DO NOTHING
        RETURNING true
        """,
        tenant_id,
        patient.patient_id,
        patient.facts_version,
        patient.document_type if patient.document_number else None,
        document_hash(tenant_id, patient.document_number),
        digest,
        revealed,
        _sealed(tenant_id, patient),
        now,
    )
    return made is True


async def _held(
    conn: Connection, tenant_id: UUID, patient: Patient, digest: bytes | None = None
) -> tuple[KnownPatient, bool]:
    """The row that has the patient's document or digest, held, and whether it is of the same person."""
    row = await conn.fetchrow(
        """
        SELECT patient_id, record, version, revealed, created_at, updated_at
          FROM patient
         WHERE tenant_id = $1
           AND ((document_hash, document_type) = ($2, $3) OR (content_digest = $4 AND NOT revealed))
           FOR NO KEY UPDATE
        """,
        tenant_id,
        document_hash(tenant_id, patient.document_number),
        patient.document_type,
        digest,
    )
    if row is None:
        raise Conflict("the patient's row went away at this moment")
    found = _patient(tenant_id, row)
    return found, same_person(found.record, patient)


async def _replace(
    conn: Connection,
    tenant_id: UUID,
    found: KnownPatient,
    patient: Patient,
    *,
    revealed: bool,
    created_at: datetime | None,
    now: datetime,
) -> KnownPatient:
    """Put what was sent in the place of a row that nobody has seen; a difference raises its version."""
    kept = listed(patient).model_copy(
        update={"patient_id": found.record.patient_id, "facts_version": found.record.facts_version}
    )
    version = found.version
    if kept != found.record or patient.facts_version > found.version:
        version += 1
        kept = kept.model_copy(update={"facts_version": version})
    await conn.execute(
        """
        UPDATE patient
           SET record = $3, version = $4, revealed = $5,
               created_at = coalesce($6, created_at), updated_at = $7,
               content_digest = CASE WHEN $5 THEN NULL ELSE content_digest END
         WHERE (tenant_id, patient_id) = ($1, $2)
        """,
        tenant_id,
        kept.patient_id,
        _sealed(tenant_id, kept),
        version,
        revealed,
        created_at,
        now,
    )
    return KnownPatient(kept, version, revealed, created_at or found.created_at, now)


def _digest(tenant_id: UUID, patient: Patient) -> bytes:
    content = patient.model_copy(update={"patient_id": UUID(int=0), "facts_version": 1})
    return keyring.look_up(tenant_id, "patient without document", content.model_dump_json())

"""Everything the prescription service says to Postgres."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import orjson
from asyncpg import Record
from pydantic import TypeAdapter

from services.prescription.domain.history import Entry
from services.prescription.domain.items import Item
from services.prescription.domain.patient import Facts, Patient, in_force_until
from services.prescription.domain.prescription import Prescription
from services.prescription.messages.particulars import Particulars
from shared.database import Connection
from shared.errors import NotFound

# Other prescriptions of one patient that a check looks at; nobody has as many.
IN_FORCE_MAX: Final = 300

Place: TypeAlias = tuple[UUID, UUID]

_prescriptions: Final = TypeAdapter(Prescription)
_entries: Final = TypeAdapter(tuple[Entry, ...])
_items: Final = TypeAdapter(tuple[Item, ...])
_facts: Final = TypeAdapter(Facts)

_NO_ID: Final = UUID(int=0)

# What is kept beside the state: in columns of its own, in the content, in the history.
_BESIDE: Final = frozenset({"items", "particulars", "unsaved", "unsaid"})


@dataclass
class _Held:
    """What one transaction has locked and read for all its messages at once, as it stands by now."""

    conn: Connection
    patients: dict[Place, Patient] = field(default_factory=dict)
    alone: set[Place] = field(default_factory=set)
    """Patients none of whose prescriptions is in force, as far as this transaction knows."""
    suspended: set[Place] = field(default_factory=set)
    prescriptions: dict[Place, Prescription] = field(default_factory=dict)


_held: ContextVar[_Held | None] = ContextVar("held", default=None)


async def hold(conn: Connection, patients: Sequence[Patient], prescriptions: Sequence[Place]) -> None:
    """Lock patients, then prescriptions, each in one order for all; `patients` are added where they are new.

    The patients of the prescriptions are locked too: they never change, so they are read without a lock.
    """
    held = _Held(conn)
    if patients:
        await _add_patients(conn, patients)
    for row in await _lock_patients(conn, [(one.tenant_id, one.id) for one in patients], prescriptions):
        place = row["tenant_id"], row["id"]
        held.patients[place] = _patient(row)
        if row["alone"]:
            held.alone.add(place)
    for row in await _lock_prescriptions(conn, prescriptions) if prescriptions else ():
        held.prescriptions[row["tenant_id"], row["id"]] = _prescription(row)
        if row["suspended"]:
            held.suspended.add((row["tenant_id"], row["doctor_id"]))
    _held.set(held)


def holds(conn: Connection) -> bool:
    """Whether this transaction has locked what it is about."""
    held = _held.get()
    return held is not None and held.conn is conn


def _in_hand(conn: Connection) -> _Held:
    held = _held.get()
    if held is None or held.conn is not conn:
        raise LookupError("nothing is held in this transaction")
    return held


def find(conn: Connection, tenant_id: UUID, prescription_id: UUID) -> Prescription | None:
    """A prescription that this transaction holds, as it stands by now."""
    return _in_hand(conn).prescriptions.get((tenant_id, prescription_id))


def seen(conn: Connection, tenant_id: UUID, prescription_id: UUID) -> Prescription:
    """The same, for those who see no issue in progress. Raises NotFound."""
    prescription = find(conn, tenant_id, prescription_id)
    if prescription is None or prescription.hidden:
        raise NotFound(f"prescription {prescription_id} does not exist", code="resource_not_found")
    return prescription


def patient(conn: Connection, tenant_id: UUID, patient_id: UUID) -> Patient:
    """A patient that this transaction holds, as they stand by now."""
    return _in_hand(conn).patients[tenant_id, patient_id]


async def add(conn: Connection, prescription: Prescription, patient: Patient) -> None:
    """A prescription that was not there before, and its patient as it leaves them."""
    await conn.execute(
        """
          WITH known AS (
               UPDATE patient
                  SET facts_version = $13, facts = $14, in_force_version = $15
                WHERE (tenant_id, id) = ($1, $3))
        INSERT INTO prescription (tenant_id, id, patient_id, doctor_id, code, status, hidden, revision,
                                  in_force_until, items_digest, content, state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        prescription.tenant_id,
        prescription.id,
        prescription.patient_id,
        prescription.doctor_id,
        prescription.code,
        prescription.status.value,
        prescription.hidden,
        prescription.revision,
        in_force_until(prescription),
        _items_digest(prescription),
        _content(prescription),
        _state(prescription),
        patient.facts.version,
        _facts_json(patient),
        patient.in_force_version,
    )
    held = _in_hand(conn)
    held.patients[patient.tenant_id, patient.id] = patient
    held.alone.discard((patient.tenant_id, patient.id))
    _stands(conn, prescription)


async def save(conn: Connection, prescription: Prescription) -> None:
    """The prescription as it stands, and what its history has to tell; hidden, both stay together."""
    told = () if prescription.hidden else prescription.unsaved
    await conn.execute(
        """
          WITH changed AS (
               UPDATE prescription
                  SET status = $3, hidden = $4, revision = $5, in_force_until = $6, state = $7, code = $8
                WHERE (tenant_id, id) = ($1, $2))
        INSERT INTO history (tenant_id, prescription_id, revision, entries)
        SELECT $1, $2, $9, $10
         WHERE $9::int IS NOT NULL
        """,
        prescription.tenant_id,
        prescription.id,
        prescription.status.value,
        prescription.hidden,
        prescription.revision,
        in_force_until(prescription),
        _state(prescription),
        prescription.code,
        told[0].revision if told else None,
        _entries.dump_json(told, exclude_none=True).decode() if told else None,
    )
    _stands(conn, prescription)


async def drop(conn: Connection, prescription: Prescription) -> None:
    """An issue that came to nothing: its history stays, for the audit."""
    await conn.execute(
        """
          WITH dropped AS (
               DELETE FROM prescription
                WHERE (tenant_id, id) = ($1, $2))
        INSERT INTO history (tenant_id, prescription_id, revision, entries)
        VALUES ($1, $2, $3, $4)
        """,
        prescription.tenant_id,
        prescription.id,
        prescription.unsaved[0].revision,
        _entries.dump_json(prescription.unsaved, exclude_none=True).decode(),
    )
    _in_hand(conn).prescriptions.pop((prescription.tenant_id, prescription.id), None)


async def save_patient(conn: Connection, patient: Patient) -> None:
    await conn.execute(
        """
        UPDATE patient
           SET facts_version = $3, facts = $4, in_force_version = $5
         WHERE (tenant_id, id) = ($1, $2)
        """,
        patient.tenant_id,
        patient.id,
        patient.facts.version,
        _facts_json(patient),
        patient.in_force_version,
    )
    _in_hand(conn).patients[patient.tenant_id, patient.id] = patient


async def in_force(conn: Connection, prescription: Prescription, now: datetime) -> dict[UUID, Sequence[Item]]:
    """The items of the patient's other prescriptions that a check must look at; of equal ones the newest."""
    if (prescription.tenant_id, prescription.patient_id) in _in_hand(conn).alone:
        return {}
    rows = await conn.fetch(
        """
          WITH RECURSIVE other AS (
               (SELECT items_digest, id, content
                  FROM prescription
                 WHERE (tenant_id, patient_id) = ($1, $2)
                   AND in_force_until > $3
                   AND id <> $4
                 ORDER BY items_digest, id DESC
                 LIMIT 1)
                UNION ALL
               SELECT next.*
                 FROM other
                CROSS JOIN LATERAL (
                      SELECT items_digest, id, content
                        FROM prescription
                       WHERE (tenant_id, patient_id) = ($1, $2)
                         AND in_force_until > $3
                         AND id <> $4
                         AND items_digest > other.items_digest
                       ORDER BY items_digest, id DESC
                       LIMIT 1) AS next)
        SELECT id, content
          FROM other
         LIMIT $5
        """,
        prescription.tenant_id,
        prescription.patient_id,
        now,
        prescription.id,
        IN_FORCE_MAX,
    )
    return {row["id"]: _items.validate_python(orjson.loads(row["content"])["items"]) for row in rows}


async def still_in_force(
    conn: Connection, tenant_id: UUID, ids: Sequence[UUID], now: datetime
) -> frozenset[UUID]:
    """Those of some prescriptions that checks must still look at."""
    rows = await conn.fetch(
        "SELECT id FROM prescription WHERE tenant_id = $1 AND id = ANY ($2) AND in_force_until > $3",
        tenant_id,
        ids,
        now,
    )
    return frozenset(row["id"] for row in rows)


async def finding_secret(conn: Connection) -> bytes:
    """The installation's secret, without which nobody can make the key of a finding."""
    secret: bytes = await conn.fetchval("SELECT secret FROM installation")
    return secret


def may_sign(conn: Connection, tenant_id: UUID, doctor_id: UUID) -> bool:
    """Whether a doctor of what this transaction holds is in good standing, as far as we were told."""
    return (tenant_id, doctor_id) not in _in_hand(conn).suspended


async def save_standing(
    conn: Connection, tenant_id: UUID, doctor_id: UUID, *, version: int, active: bool
) -> None:
    """A doctor's standing, unless something newer is known."""
    known: bool | None = await conn.fetchval(
        """
        INSERT INTO doctor AS known (tenant_id, id, version, active)
        VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT doctor_pkey DO UPDATE
           SET version = excluded.version, active = excluded.active
         WHERE known.version < excluded.version
        RETURNING active
        """,
        tenant_id,
        doctor_id,
        version,
        active,
    )
    if known is True:
        _in_hand(conn).suspended.discard((tenant_id, doctor_id))
    elif known is False:
        _in_hand(conn).suspended.add((tenant_id, doctor_id))


async def history(conn: Connection, tenant_id: UUID, prescription_id: UUID) -> tuple[Entry, ...]:
    """All that happened to it, oldest first."""
    rows = await conn.fetch(
        """
        SELECT entries
          FROM history
         WHERE (tenant_id, prescription_id) = ($1, $2)
         ORDER BY revision
        """,
        tenant_id,
        prescription_id,
    )
    return tuple(entry for row in rows for entry in _entries.validate_json(row["entries"]))


async def _add_patients(conn: Connection, patients: Sequence[Patient]) -> None:
    new = {(one.tenant_id, one.id): one for one in patients}
    chosen = [new[place] for place in sorted(new)]
    await conn.execute(
        """
        INSERT INTO patient (tenant_id, id, facts_version, facts)
        SELECT *
          FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::json[])
            ON CONFLICT ON CONSTRAINT patient_pkey DO NOTHING
        """,
        [one.tenant_id for one in chosen],
        [one.id for one in chosen],
        [one.facts.version for one in chosen],
        [_facts_json(one) for one in chosen],
    )


# A row at a time, by its key, in the order of the places: a plan that a cached statement may keep however the
# tables grow, and one order of locks for everybody.
async def _lock_patients(
    conn: Connection, patients: Sequence[Place], prescriptions: Sequence[Place]
) -> Sequence[Record]:
    return await conn.fetch(
        """
          WITH wanted AS (
               SELECT * FROM unnest($1::uuid[], $2::uuid[])
                UNION
               SELECT known.tenant_id, known.patient_id
                 FROM unnest($3::uuid[], $4::uuid[]) AS asked (tenant_id, id)
                CROSS JOIN LATERAL (
                      SELECT tenant_id, patient_id
                        FROM prescription
                       WHERE (tenant_id, id) = (asked.tenant_id, asked.id)
                      OFFSET 0) AS known
                ORDER BY 1, 2)
        SELECT held.*, NOT EXISTS (
               SELECT
                 FROM prescription
                WHERE (tenant_id, patient_id) = (w.tenant_id, w.id)
                  AND in_force_until IS NOT NULL) AS alone
          FROM wanted AS w (tenant_id, id)
         CROSS JOIN LATERAL (
               SELECT tenant_id, id, facts, in_force_version
                 FROM patient
                WHERE (tenant_id, id) = (w.tenant_id, w.id)
                  FOR NO KEY UPDATE) AS held
        """,
        [tenant_id for tenant_id, _ in patients],
        [id for _, id in patients],
        [tenant_id for tenant_id, _ in prescriptions],
        [id for _, id in prescriptions],
    )


async def _lock_prescriptions(conn: Connection, places: Sequence[Place]) -> Sequence[Record]:
    chosen = sorted(set(places))
    return await conn.fetch(
        """
        SELECT held.*, EXISTS (
               SELECT
                 FROM doctor
                WHERE (tenant_id, id) = (held.tenant_id, held.doctor_id)
                  AND NOT active) AS suspended
          FROM unnest($1::uuid[], $2::uuid[]) AS w (tenant_id, id)
         CROSS JOIN LATERAL (
               SELECT tenant_id, id, doctor_id, content, state
                 FROM prescription
                WHERE (tenant_id, id) = (w.tenant_id, w.id)
                  FOR NO KEY UPDATE) AS held
        """,
        [tenant_id for tenant_id, _ in chosen],
        [id for _, id in chosen],
    )


def _stands(conn: Connection, prescription: Prescription) -> None:
    """What comes later in this transaction meets the prescription as it is now."""
    unsaved = prescription.unsaved if prescription.hidden else ()
    kept = replace(prescription, unsaved=unsaved, unsaid=())
    _in_hand(conn).prescriptions[prescription.tenant_id, prescription.id] = kept


def _content(prescription: Prescription) -> str:
    particulars = prescription.particulars
    assert isinstance(particulars, Particulars)
    items = _items.dump_json(prescription.items, exclude_none=True)
    people = particulars.__pydantic_serializer__.to_json(particulars, exclude_none=True)
    return (b'{"items":' + items + b',"particulars":' + people + b"}").decode()


def _state(prescription: Prescription) -> str:
    beside = set(_BESIDE - {"unsaved"} if prescription.hidden else _BESIDE)
    return _prescriptions.dump_json(prescription, exclude=beside, exclude_none=True).decode()


def _prescription(row: Record) -> Prescription:
    content = orjson.loads(row["content"])
    state = orjson.loads(row["state"])
    state["items"] = content["items"]
    state["particulars"] = Particulars.model_validate(content["particulars"])
    return _prescriptions.validate_python(state)


def _facts_json(patient: Patient) -> str:
    return _facts.dump_json(patient.facts, exclude_none=True).decode()


def _items_digest(prescription: Prescription) -> bytes:
    """Of what the items say, not of which they are."""
    said = [replace(item, id=_NO_ID) for item in prescription.items]
    return hashlib.sha256(_items.dump_json(tuple(said), exclude_none=True)).digest()


def _patient(row: Record) -> Patient:
    return Patient(
        tenant_id=row["tenant_id"],
        id=row["id"],
        facts=_facts.validate_json(row["facts"]),
        in_force_version=row["in_force_version"],
    )

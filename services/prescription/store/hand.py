"""What one transaction has in hand: locked and read for all its messages at once, written at its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg import Record

from contracts.drug_catalog import CatalogueRecord
from services.prescription.domain.history import Entry
from services.prescription.domain.patient import Patient, in_force_until
from services.prescription.domain.prescription import Prescription
from services.prescription.store import beside, remembered, rows
from services.prescription.store.beside import Beside, Place
from services.prescription.store.record_rows import Records
from shared import clock
from shared.database import Connection
from shared.errors import NotFound


@dataclass
class Hand:
    """Prescriptions and patients as they stand by now, and what of it is still to be written."""

    conn: Connection
    prescriptions: dict[Place, Prescription] = field(default_factory=dict)
    patients: dict[Place, Patient] = field(default_factory=dict)
    in_force: dict[Place, Beside] = field(default_factory=dict)
    """What is in force for a patient, where that is known."""
    suspended: set[Place] = field(default_factory=set)
    """Doctors who may not sign at present."""
    knowledge_base: str | None = None
    """The one in use, as far as we were told."""
    with_unsigned: set[Place] = field(default_factory=set)
    """Patients who have prescriptions that nobody has signed."""
    new: set[Place] = field(default_factory=set)
    changed: set[Place] = field(default_factory=set)
    rewritten: set[Place] = field(default_factory=set)
    """Of what is changed, that whose items or particulars are others than before."""
    unsigned: dict[Place, tuple[UUID, bool]] = field(default_factory=dict)
    """Whose patient has one unsigned prescription more from now on, or one less."""
    dropped: set[Place] = field(default_factory=set)
    moved: set[Place] = field(default_factory=set)
    """Patients whose row is to be written."""
    told: list[tuple[Place, tuple[Entry, ...]]] = field(default_factory=list)
    strikes: dict[Place, datetime | None] = field(default_factory=dict)
    secret: bytes | None = None
    """The installation's, once it was asked for."""
    records: Records = field(default_factory=Records)
    """Consultations and templates."""
    catalogue: list[CatalogueRecord] = field(default_factory=list)
    """What has been told of the catalogue."""


_hand: Final[ContextVar[Hand | None]] = ContextVar("hand", default=None)


def of(conn: Connection) -> Hand:
    """What this transaction has in hand."""
    hand = _hand.get()
    if hand is None or hand.conn is not conn:
        raise LookupError("nothing is held in this transaction")
    return hand


def holds(conn: Connection) -> bool:
    """Whether this transaction has locked what it is about."""
    hand = _hand.get()
    return hand is not None and hand.conn is conn


async def hold(
    conn: Connection,
    patients: Sequence[Patient],
    prescriptions: Sequence[Place],
    records: Records | None = None,
) -> None:
    """Lock patients, then prescriptions, each in one order for all; `patients` are added where they are new.

    The patients of the prescriptions are locked too: they never change, so they are read without a lock.
    `records` have been locked before.
    """
    hand = Hand(conn, records=records or Records())
    asked = {(one.tenant_id, one.id) for one in patients}
    if patients:
        await _add_patients(conn, patients)
    for row in await _lock_patients(conn, sorted(asked), prescriptions):
        hand.patients[row["tenant_id"], row["id"]] = rows.patient(row)
    # Statements of their own, with the patients locked: the one that waits for locks sees what was before.
    if asked:
        hand.in_force = await beside.read(conn, sorted(asked), clock.now())
    if hand.patients:
        hand.with_unsigned = await _with_unsigned(conn, hand.patients)
    known = remembered.among(prescriptions)
    for row in await _lock_prescriptions(conn, prescriptions, known) if prescriptions else ():
        place = row["tenant_id"], row["id"]
        hand.prescriptions[place] = known[place] if row["state"] is None else rows.prescription(row)
        hand.knowledge_base = row["knowledge_base"]
        if row["suspended"]:
            hand.suspended.add((row["tenant_id"], row["doctor_id"]))
    _hand.set(hand)


def find(conn: Connection, tenant_id: UUID, prescription_id: UUID) -> Prescription | None:
    """A prescription that this transaction holds, as it stands by now."""
    return of(conn).prescriptions.get((tenant_id, prescription_id))


def seen(conn: Connection, tenant_id: UUID, prescription_id: UUID) -> Prescription:
    """The same, for those who see no issue in progress. Raises NotFound."""
    prescription = find(conn, tenant_id, prescription_id)
    if prescription is None or prescription.hidden:
        raise NotFound(f"prescription {prescription_id} does not exist", code="resource_not_found")
    return prescription


def patient(conn: Connection, tenant_id: UUID, patient_id: UUID) -> Patient:
    """A patient that this transaction holds, as they stand by now."""
    return of(conn).patients[tenant_id, patient_id]


def may_sign(conn: Connection, tenant_id: UUID, doctor_id: UUID) -> bool:
    """Whether the doctor of a prescription in hand is in good standing, as far as we were told."""
    return (tenant_id, doctor_id) not in of(conn).suspended


def knowledge_base(conn: Connection) -> str | None:
    """The knowledge base in use, for those who hold a prescription; None before the first word of one."""
    return of(conn).knowledge_base


def add(conn: Connection, prescription: Prescription) -> None:
    """A prescription that was not there before."""
    hand = of(conn)
    hand.new.add((prescription.tenant_id, prescription.id))
    save(conn, prescription)
    known = hand.in_force.get((prescription.tenant_id, prescription.patient_id))
    if known is not None:
        known[rows.items_digest(prescription)] = prescription.id, prescription.items


def save(conn: Connection, prescription: Prescription) -> None:
    """The prescription as it stands, and what its history has to tell; hidden, both stay together."""
    hand = of(conn)
    place = prescription.tenant_id, prescription.id
    if prescription.unsaved and not prescription.hidden:
        hand.told.append((place, prescription.unsaved))
    hand.changed.add(place)
    before = hand.prescriptions.get(place)
    if place not in hand.new and before is not None and rows.content_differs(before, prescription):
        hand.rewritten.add(place)
    entered = before is not None and in_force_until(before) is None
    if entered or in_force_until(prescription) is None:
        hand.in_force.pop((prescription.tenant_id, prescription.patient_id), None)
    _note_unsigned(hand, before, prescription)
    unsaved = prescription.unsaved if prescription.hidden else ()
    hand.prescriptions[place] = replace(prescription, unsaved=unsaved, unsaid=(), answers=())


def _note_unsigned(hand: Hand, before: Prescription | None, after: Prescription) -> None:
    if after.unsigned is not (before is not None and before.unsigned):
        hand.unsigned[after.tenant_id, after.id] = after.patient_id, after.unsigned
    if after.unsigned:
        hand.with_unsigned.add((after.tenant_id, after.patient_id))


def drop(conn: Connection, prescription: Prescription) -> None:
    """An issue that came to nothing: its history stays, for the audit."""
    hand = of(conn)
    place = prescription.tenant_id, prescription.id
    hand.told.append((place, prescription.unsaved))
    for written in (hand.changed, hand.rewritten, hand.new):
        written.discard(place)
    hand.dropped.add(place)
    hand.in_force.pop((prescription.tenant_id, prescription.patient_id), None)
    del hand.prescriptions[place]


def save_patient(conn: Connection, patient: Patient) -> None:
    hand = of(conn)
    hand.patients[patient.tenant_id, patient.id] = patient
    hand.moved.add((patient.tenant_id, patient.id))


def strike_at(conn: Connection, prescription: Prescription, due_at: datetime | None) -> None:
    """Set the clock of a prescription; None: it has nothing more to bring."""
    of(conn).strikes[prescription.tenant_id, prescription.id] = due_at


def keep_of_catalogue(conn: Connection, record: CatalogueRecord) -> None:
    of(conn).catalogue.append(record)


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
        [rows.facts(one) for one in chosen],
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
        SELECT held.*
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


async def _with_unsigned(conn: Connection, patients: Collection[Place]) -> set[Place]:
    found = await conn.fetch(
        """
        SELECT tenant_id, id
          FROM unnest($1::uuid[], $2::uuid[]) AS w (tenant_id, id)
         WHERE EXISTS (
               SELECT
                 FROM unsigned_prescription
                WHERE (tenant_id, patient_id) = (w.tenant_id, w.id))
        """,
        [tenant_id for tenant_id, _ in patients],
        [id for _, id in patients],
    )
    return {(row["tenant_id"], row["id"]) for row in found}


async def _lock_prescriptions(
    conn: Connection, places: Sequence[Place], known: Mapping[Place, Prescription]
) -> Sequence[Record]:
    """Content and state come only of those that are not known at their present revision."""
    chosen = sorted(set(places))
    return await conn.fetch(
        """
        SELECT held.*, EXISTS (
               SELECT
                 FROM doctor
                WHERE (tenant_id, id) = (held.tenant_id, held.doctor_id)
                  AND NOT active) AS suspended,
               (SELECT version FROM knowledge_base) AS knowledge_base
          FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS w (tenant_id, id, known)
         CROSS JOIN LATERAL (
               SELECT tenant_id, id, doctor_id,
                      CASE WHEN revision IS DISTINCT FROM w.known THEN content END AS content,
                      CASE WHEN revision IS DISTINCT FROM w.known THEN state END AS state
                 FROM prescription
                WHERE (tenant_id, id) = (w.tenant_id, w.id)
                  FOR NO KEY UPDATE) AS held
        """,
        [tenant_id for tenant_id, _ in chosen],
        [id for _, id in chosen],
        [known[place].revision if place in known else None for place in chosen],
    )

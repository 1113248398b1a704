"""What a transaction has decided, written at its end: one statement a table, however many messages it had."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.prescription.domain.patient import in_force_until
from services.prescription.store import record_rows, releases, remembered, rows, unsigned
from services.prescription.store.beside import Place
from services.prescription.store.hand import Hand, holds, of
from shared import clock, work
from shared.database import Connection

# The kind of work that brings a prescription whatever is due to it.
CLOCK = "clock"
LAST_RELEASE_ENDS_AFTER: Final = timedelta(seconds=5)


async def settle(conn: Connection) -> None:
    """Write what is in hand and not yet written, in this order: consultations and templates, patients,
    prescriptions, history, clocks.

    Last comes what was told of the catalogue: it has locks of its own.
    """
    if not holds(conn):
        return
    hand = of(conn)
    await record_rows.write(conn, hand.records)
    if hand.moved:
        await _write_patients(conn, hand)
    if hand.changed:
        await _write_prescriptions(conn, hand)
    if hand.rewritten:
        await _rewrite_content(conn, hand)
    if hand.unsigned:
        await unsigned.write(conn, hand.unsigned)
    if hand.dropped:
        await _delete(conn, sorted(hand.dropped))
    if hand.told:
        await _write_history(conn, hand)
    if hand.strikes:
        await _wind(conn, hand.strikes)
    if again := hand.moved & hand.with_unsigned:
        await unsigned.check_again(conn, sorted(again), at=clock.now())
    if hand.catalogue:
        await _keep_catalogue(conn, hand)
    for written in (
        *(hand.moved, hand.changed, hand.new, hand.rewritten, hand.unsigned),
        *(hand.dropped, hand.told, hand.strikes, hand.catalogue),
    ):
        written.clear()


async def _keep_catalogue(conn: Connection, hand: Hand) -> None:
    """Whoever still resolves by the last release will have ended when the rest is resolved again."""
    newest = await releases.keep(conn, hand.catalogue)
    if newest is not None:
        await unsigned.resolve_all_again(conn, str(newest), at=clock.now() + LAST_RELEASE_ENDS_AFTER)


async def _write_patients(conn: Connection, hand: Hand) -> None:
    moved = [hand.patients[place] for place in sorted(hand.moved)]
    # The arbiter finds each row by its key, whatever the planner thinks of the table's size.
    await conn.execute(
        """
        INSERT INTO patient (tenant_id, id, facts_version, facts, in_force_version)
        SELECT *
          FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::json[], $5::int[])
            ON CONFLICT ON CONSTRAINT patient_pkey DO UPDATE
           SET facts_version = excluded.facts_version, facts = excluded.facts,
               in_force_version = excluded.in_force_version
        """,
        [one.tenant_id for one in moved],
        [one.id for one in moved],
        [one.facts.version for one in moved],
        [rows.facts(one) for one in moved],
        [one.in_force_version for one in moved],
    )


async def _write_prescriptions(conn: Connection, hand: Hand) -> None:
    changed = [(place, hand.prescriptions[place]) for place in sorted(hand.changed)]
    # Content and digest of a row that is there already stay as they are, but for those written anew below.
    await conn.execute(
        """
        INSERT INTO prescription (tenant_id, id, patient_id, doctor_id, code, status, hidden, revision,
                                  in_force_until, items_digest, content, state, consultation_id)
        SELECT *
          FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::boolean[],
                      $8::int[], $9::timestamptz[], $10::bytea[], $11::json[], $12::json[],
                      $13::uuid[])
            ON CONFLICT ON CONSTRAINT prescription_pkey DO UPDATE
           SET code = excluded.code, status = excluded.status, hidden = excluded.hidden,
               revision = excluded.revision, in_force_until = excluded.in_force_until, state = excluded.state
        """,
        [one.tenant_id for _, one in changed],
        [one.id for _, one in changed],
        [one.patient_id for _, one in changed],
        [one.doctor_id for _, one in changed],
        [one.code for _, one in changed],
        [one.status.value for _, one in changed],
        [one.hidden for _, one in changed],
        [one.revision for _, one in changed],
        [in_force_until(one) for _, one in changed],
        [rows.items_digest(one) if place in hand.new else b"" for place, one in changed],
        [rows.content(one) if place in hand.new else "{}" for place, one in changed],
        [rows.state(one) for _, one in changed],
        [one.consultation_id for _, one in changed],
    )
    remembered.once_committed(changed)


async def _rewrite_content(conn: Connection, hand: Hand) -> None:
    rewritten = [
        (place, hand.prescriptions[place]) for place in sorted(hand.rewritten - hand.new - hand.dropped)
    ]
    await conn.executemany(
        """
        UPDATE prescription
           SET content = $3, items_digest = $4
         WHERE (tenant_id, id) = ($1, $2)
        """,
        [(*place, rows.content(one), rows.items_digest(one)) for place, one in rewritten],
    )


async def _delete(conn: Connection, places: list[Place]) -> None:
    await conn.executemany("DELETE FROM prescription WHERE (tenant_id, id) = ($1, $2)", places)


async def _write_history(conn: Connection, hand: Hand) -> None:
    await conn.execute(
        """
        INSERT INTO history (tenant_id, prescription_id, revision, entries)
        SELECT *
          FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::json[])
        """,
        [tenant_id for (tenant_id, _), _ in hand.told],
        [id for (_, id), _ in hand.told],
        [entries[0].revision for _, entries in hand.told],
        [rows.entries(entries) for _, entries in hand.told],
    )


async def _wind(conn: Connection, strikes: dict[Place, datetime | None]) -> None:
    await work.add_many(
        conn,
        [
            work.NewWork(CLOCK, str(id), tenant_id, due_at, prescription_id=id)
            for (tenant_id, id), due_at in strikes.items()
            if due_at is not None
        ],
    )
    for id in sorted(id for (_, id), due_at in strikes.items() if due_at is None):
        await work.cancel(conn, kind=CLOCK, key=str(id))


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
        of(conn).suspended.discard((tenant_id, doctor_id))
    elif known is False:
        of(conn).suspended.add((tenant_id, doctor_id))

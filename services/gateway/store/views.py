"""The views that reads are answered from; a row only ever moves to a higher revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from contracts.values import Dispensation, Prescription
from services.gateway.messages import by_the_clock, provider_settings
from services.gateway.messages.prescriptions import PARTIALLY_DISPENSED, STATUS
from services.gateway.store import at_rest
from services.gateway.store.generations import SHOWN, Generation
from services.gateway.store.reading import TENANT, reading
from shared.database import Connection, Pool

# What is due by the clock counts as happened: a timed-out claim holds nothing, what is over has expired.
OVER: Final = "valid_until <= {now} AND (claim_expires_at IS NULL OR claim_expires_at <= {now})"
_SHOWN_STATUS: Final = f"""CASE WHEN status <> 'submitted' THEN status
                WHEN {OVER} THEN 'expired'
                WHEN partly_dispensed THEN 'partly_dispensed'
                ELSE status END"""


# Which of these words one status of the dialect means.
SHOWN_AS: Final = {
    **{word: tuple(one.value for one, shown in STATUS.items() if shown == word) for word in STATUS.values()},
    PARTIALLY_DISPENSED: ("partly_dispensed",),
}


@dataclass(frozen=True)
class Shown:
    """A prescription as it is stored, and how long links to its document live."""

    prescription: Prescription
    download_url_ttl_h: int


@dataclass(frozen=True)
class Filter:
    """What a list shows; `statuses` are the view's words: internal ones, and `partly_dispensed`."""

    prescription_code: str | None = None
    patient_id: UUID | None = None
    doctor_id: UUID | None = None
    statuses: Sequence[str] | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


async def keep(
    conn: Connection, prescriptions: Sequence[Prescription], generation: Generation = SHOWN
) -> None:
    """Show these states, each to its pharmacies too, unless a higher revision is shown already.

    What is not newer is left alone: to update a row in vain would lock and log it.
    """
    if not prescriptions:
        return
    held = [by_the_clock.live(one) for one in prescriptions]
    await conn.execute(
        f"""
        INSERT INTO {generation}.prescription_view AS shown
               (tenant_id, prescription_id, revision, version, status, partly_dispensed, claim_expires_at,
                prescription_code, patient_id, doctor_id, created_at, valid_until, state, origin,
                consultation_id)
        SELECT new.*
          FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::bool[],
                      $7::timestamptz[], $8::text[], $9::uuid[], $10::uuid[], $11::timestamptz[],
                      $12::timestamptz[], $13::bytea[], $14::text[], $15::uuid[])
               AS new (tenant_id, prescription_id, revision)
         WHERE new.revision > coalesce((
               SELECT revision
                 FROM {generation}.prescription_view
                WHERE (tenant_id, prescription_id) = (new.tenant_id, new.prescription_id)), -1)
            ON CONFLICT (tenant_id, prescription_id) DO UPDATE
           SET revision = excluded.revision, version = excluded.version, status = excluded.status,
               partly_dispensed = excluded.partly_dispensed, claim_expires_at = excluded.claim_expires_at,
               prescription_code = excluded.prescription_code, patient_id = excluded.patient_id,
               doctor_id = excluded.doctor_id, created_at = excluded.created_at,
               valid_until = excluded.valid_until, state = excluded.state, origin = excluded.origin,
               consultation_id = excluded.consultation_id
         WHERE shown.revision < excluded.revision
        """,
        [one.tenant_id for one in prescriptions],
        [one.prescription_id for one in prescriptions],
        [one.revision for one in prescriptions],
        [one.version for one in prescriptions],
        [one.status.value for one in prescriptions],
        [one.partly_dispensed for one in prescriptions],
        [one.expires_at if one else None for one in held],
        [one.prescription_code for one in prescriptions],
        [one.patient.patient_id for one in prescriptions],
        [one.doctor.doctor_id for one in prescriptions],
        [one.created_at for one in prescriptions],
        [one.valid_until for one in prescriptions],
        [
            at_rest.PRESCRIPTION.seal(one.to_json(), one.tenant_id, one.prescription_id)
            for one in prescriptions
        ],
        [one.origin for one in prescriptions],
        [one.consultation_id for one in prescriptions],
    )
    # What was recorded by a change of status was never a pharmacy's claim.
    dispensed = [
        (whole, one) for whole in prescriptions for one in whole.dispensations if one.source == "dispensing"
    ]
    if dispensed:
        await _keep_dispensations(conn, dispensed, generation)


async def _keep_dispensations(
    conn: Connection, dispensed: Sequence[tuple[Prescription, Dispensation]], generation: Generation
) -> None:
    await conn.executemany(
        f"""
        INSERT INTO {generation}.dispensation_view AS shown
               (tenant_id, dispensation_id, owner_id, prescription_id, prescription_code, branch_id, revision,
                status, started_at, expires_at, state, patient_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT (tenant_id, dispensation_id) DO UPDATE
           SET revision = excluded.revision, status = excluded.status, expires_at = excluded.expires_at,
               state = excluded.state, patient_id = excluded.patient_id
         WHERE shown.revision < excluded.revision
        """,
        [
            (
                one.pharmacy.tenant_id,
                one.dispensation_id,
                prescription.tenant_id,
                prescription.prescription_id,
                prescription.prescription_code,
                one.pharmacy.branch_id,
                prescription.revision,
                one.status.value,
                one.started_at,
                one.expires_at,
                at_rest.DISPENSATION.seal(
                    for_pharmacy(prescription, one).to_json(), one.pharmacy.tenant_id, one.dispensation_id
                ),
                prescription.patient.patient_id,
            )
            for prescription, one in dispensed
        ],
    )


def for_pharmacy(prescription: Prescription, dispensation: Dispensation) -> Prescription:
    """Without diagnoses, notes, findings, contact data, and what other pharmacies did (section 6.3)."""
    patient = prescription.patient.model_copy(
        update={
            "guardian": None,
            "sex": None,
            "nationality_country_code": None,
            "passport_issuing_country": None,
            "area_code": None,
            "phone_number": None,
            "email_address": None,
            "allergies": (),
        }
    )
    return prescription.model_copy(
        update={
            "patient": patient,
            "diagnoses": (),
            "allergies": (),
            "notes": None,
            "laboratory_notes": None,
            "diagnostic_test_notes": None,
            "findings": (),
            "unmatched_acknowledgements": (),
            "coverage": {},
            "not_evaluated": (),
            "seal": None,
            "void": None,
            "dispensations": (dispensation,),
        }
    )


def opened(state: bytes, tenant_id: UUID, prescription_id: UUID) -> Prescription:
    """A prescription as `prescription_view.state` holds it. Raises Tampered."""
    return Prescription.model_validate_json(at_rest.PRESCRIPTION.open(state, tenant_id, prescription_id))


async def find(
    pool: Pool,
    *,
    tenant_id: UUID,
    prescription_id: UUID,
    doctor_id: UUID | None = None,
    held: Prescription | None = None,
) -> Shown | None:
    """A prescription of this provider; for a client bound to a doctor, only that doctor's.

    `held`: the state that the caller has; while it is the newest it comes back itself, and is not sent again.
    """
    async with reading(pool) as conn:
        row = await conn.fetchrow(
            f"""
            {TENANT}
            SELECT view.state, view.download_url_ttl_h
              FROM present
             CROSS JOIN LATERAL (
                   SELECT CASE WHEN revision IS DISTINCT FROM $4 THEN state END AS state,
                          (SELECT value
                             FROM setting
                            WHERE (tenant_id, name) = (present.id, 'download_url_ttl_h')
                          ) AS download_url_ttl_h
                     FROM prescription_view
                    WHERE (tenant_id, prescription_id) = (present.id, $2)
                      AND ($3::uuid IS NULL OR doctor_id = $3)
                   OFFSET 0) AS view
            """,
            str(tenant_id),
            prescription_id,
            doctor_id,
            None if held is None else held.revision,
        )
    if row is None:
        return None
    state, hours = row["state"], row["download_url_ttl_h"]
    return Shown(
        held if held is not None and state is None else opened(state, tenant_id, prescription_id),
        provider_settings.DOWNLOAD_URL_TTL_H if hours is None else int(hours),
    )


async def page(
    pool: Pool, *, tenant_id: UUID, now: datetime, wanted: Filter, limit: int, offset: int
) -> tuple[list[Prescription], int]:
    """One page, newest first, and how many in all. Moments compare as they are shown: in seconds.

    Only what is asked for is in the statement, so that an index alone can count and order.
    """
    conditions, values = _asked_for(wanted, now, first=4)
    async with reading(pool) as conn:
        rows = await conn.fetch(
            f"""
            {TENANT},
            wanted AS (
                SELECT view.*
                  FROM present
                 CROSS JOIN LATERAL (
                       SELECT prescription_id, created_at, state
                         FROM prescription_view
                        WHERE tenant_id = present.id
                          {conditions}
                        ORDER BY created_at DESC, prescription_id DESC
                        LIMIT $2 OFFSET $3) AS view)
            SELECT found.total, wanted.state, wanted.prescription_id
              FROM present
             CROSS JOIN LATERAL (
                   SELECT count(*) AS total
                     FROM prescription_view
                    WHERE tenant_id = present.id
                      {conditions}
                   OFFSET 0) AS found
              LEFT JOIN wanted ON true
             ORDER BY wanted.created_at DESC, wanted.prescription_id DESC
            """,
            str(tenant_id),
            limit,
            offset,
            *values,
        )
    shown = [
        opened(row["state"], tenant_id, row["prescription_id"]) for row in rows if row["state"] is not None
    ]
    return shown, rows[0]["total"]


def _asked_for(wanted: Filter, now: datetime, *, first: int) -> tuple[str, list[object]]:
    """The conditions of a filter, and their values as parameters from the `first` on."""
    asked: list[tuple[str, object]] = [
        ("prescription_code = {}::text", wanted.prescription_code),
        ("patient_id = {}::uuid", wanted.patient_id),
        ("doctor_id = {}::uuid", wanted.doctor_id),
        ("date_trunc('second', created_at) >= {}::timestamptz", wanted.created_from),
        ("date_trunc('second', created_at) <= {}::timestamptz", wanted.created_to),
    ]
    texts, values = compared(asked, first=first)
    if wanted.statuses is not None:
        place = first + len(values)
        texts.append(f"{_SHOWN_STATUS.format(now=f'${place}::timestamptz')} = ANY (${place + 1}::text[])")
        values += [now, wanted.statuses]
    return "".join(f"AND {text} " for text in texts), values


def compared(asked: Sequence[tuple[str, object]], *, first: int) -> tuple[list[str], list[object]]:
    """The comparisons that have a value, as parameters from the `first` on, and the values."""
    present = [(text, value) for text, value in asked if value is not None]
    texts = [text.format(f"${place}") for place, (text, _) in enumerate(present, first)]
    return texts, [value for _, value in present]

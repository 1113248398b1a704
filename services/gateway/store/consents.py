"""Patients' consent: a record of its own, written with the first success of the issue that brought it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from services.gateway.store import at_rest
from shared.database import Connection

SHOWN_MAX: Final = 1_000


@dataclass(frozen=True)
class Consent:
    """What a patient said of their data, to which doctor, through which client and version of the path."""

    tenant_id: UUID
    prescription_id: UUID
    patient_id: UUID
    doctor_id: UUID
    client: str
    path_version: str
    given: bool
    given_at: datetime


async def keep(conn: Connection, consent: Consent) -> None:
    """Record it once for ever: what a patient said with an issue does not change afterwards."""
    record = {
        "doctor_id": str(consent.doctor_id),
        "client": consent.client,
        "path_version": consent.path_version,
        "given": consent.given,
    }
    await conn.execute(
        """
        INSERT INTO consent (tenant_id, prescription_id, patient_id, given_at, record)
        VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING
        """,
        consent.tenant_id,
        consent.prescription_id,
        consent.patient_id,
        consent.given_at,
        at_rest.CONSENT.seal(orjson.dumps(record), consent.tenant_id, consent.prescription_id),
    )


async def of(
    conn: Connection, tenant_id: UUID, *, prescription_id: UUID | None = None, patient_id: UUID | None = None
) -> Sequence[Consent]:
    """The newest of a prescription or a patient, newest first."""
    rows = await conn.fetch(
        """
        SELECT prescription_id, patient_id, given_at, record
          FROM consent
         WHERE tenant_id = $1
           AND ($2::uuid IS NULL OR prescription_id = $2)
           AND ($3::uuid IS NULL OR patient_id = $3)
         ORDER BY given_at DESC, prescription_id DESC
         LIMIT $4
        """,
        tenant_id,
        prescription_id,
        patient_id,
        SHOWN_MAX,
    )
    return [
        _consent(
            tenant_id,
            row["prescription_id"],
            row["patient_id"],
            row["given_at"],
            at_rest.CONSENT.open(row["record"], tenant_id, row["prescription_id"]),
        )
        for row in rows
    ]


def _consent(
    tenant_id: UUID, prescription_id: UUID, patient_id: UUID, given_at: datetime, content: bytes
) -> Consent:
    record = orjson.loads(content)
    return Consent(
        tenant_id=tenant_id,
        prescription_id=prescription_id,
        patient_id=patient_id,
        doctor_id=UUID(record["doctor_id"]),
        client=record["client"],
        path_version=record["path_version"],
        given=record["given"],
        given_at=given_at,
    )

"""One-time passwords as a pharmacy has them sent: who may get one, what tells it, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from asyncpg import Record

from shared.database import Connection

WRONG_MAX: Final = 5
SENDS_MAX: Final = 3
SENDS_WINDOW: Final = timedelta(minutes=10)
LOOKS_COUNT: Final = timedelta(minutes=30)
KEPT: Final = timedelta(days=1)
_COLUMNS: Final = """otp_id, patient_id, dispensation_id, code_digest, wrong, sent_at, expires_at, ended_at,
               verified_at, token_expires_at"""


@dataclass(frozen=True)
class OneTimePassword:
    """One that was sent; `dispensation_id` None: for the next start of its pharmacy."""

    otp_id: UUID
    patient_id: UUID
    dispensation_id: UUID | None
    code_digest: bytes
    wrong: int
    sent_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    verified_at: datetime | None
    token_expires_at: datetime | None

    def over(self, now: datetime) -> bool:
        return self.ended_at is not None or self.expires_at <= now

    @property
    def exhausted(self) -> bool:
        return self.wrong >= WRONG_MAX


async def note_look(conn: Connection, tenant_id: UUID, patient_id: UUID, code: str, *, now: datetime) -> None:
    """A pharmacy looks at the code of a person, and knows them for a while."""
    await conn.execute(
        """
          WITH gone AS (
               DELETE FROM code_look
                WHERE tenant_id = $1
                  AND looked_at <= $5
                  AND patient_id <> $2)
        INSERT INTO code_look (tenant_id, patient_id, prescription_code, looked_at)
        VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT code_look_pkey DO UPDATE
           SET prescription_code = excluded.prescription_code, looked_at = excluded.looked_at
        """,
        tenant_id,
        patient_id,
        code,
        now,
        now - LOOKS_COUNT,
    )


async def find_code_of(conn: Connection, tenant_id: UUID, patient_id: UUID, *, now: datetime) -> str | None:
    """The code by which this pharmacy last met a person; None if it does not know them."""
    code: str | None = await conn.fetchval(
        """
        SELECT prescription_code
          FROM (SELECT prescription_code, looked_at AS met_at
                  FROM code_look
                 WHERE (tenant_id, patient_id) = ($1, $2)
                   AND looked_at > $3
                 UNION ALL
                (SELECT prescription_code, started_at
                   FROM dispensation_view
                  WHERE (tenant_id, patient_id) = ($1, $2)
                  ORDER BY started_at DESC
                  LIMIT 1)) AS met
         ORDER BY met_at DESC
         LIMIT 1
        """,
        tenant_id,
        patient_id,
        now - LOOKS_COUNT,
    )
    return code


async def find_started(conn: Connection, tenant_id: UUID, patient_id: UUID, *, now: datetime) -> UUID | None:
    """The dispensation of this person that this pharmacy has begun, the newest of several."""
    found: UUID | None = await conn.fetchval(
        """
        SELECT dispensation_id
          FROM dispensation_view
         WHERE (tenant_id, patient_id) = ($1, $2)
           AND status = 'STARTED'
           AND expires_at > $3
         ORDER BY started_at DESC
         LIMIT 1
        """,
        tenant_id,
        patient_id,
        now,
    )
    return found


async def sends(conn: Connection, patient_id: UUID, *, now: datetime) -> list[datetime]:
    """When this person was written to lately; nobody else writes to them before this transaction ends."""
    rows = await conn.fetch("SELECT at FROM one_time_passwords_sent($1, $2)", patient_id, now - SENDS_WINDOW)
    return [row["at"] for row in rows]


async def add(
    conn: Connection,
    tenant_id: UUID,
    otp_id: UUID,
    patient_id: UUID,
    dispensation_id: UUID | None,
    code_digest: bytes,
    *,
    sent_at: datetime,
    expires_at: datetime,
) -> None:
    """One more; it ends the older ones of this person, and those of long ago are forgotten."""
    await conn.execute(
        """
        DELETE FROM one_time_password
         WHERE tenant_id = $1
           AND sent_at < $2
        """,
        tenant_id,
        sent_at - KEPT,
    )
    await conn.execute(
        """
        UPDATE one_time_password
           SET ended_at = $3
         WHERE (tenant_id, patient_id) = ($1, $2)
           AND ended_at IS NULL
        """,
        tenant_id,
        patient_id,
        sent_at,
    )
    await conn.execute(
        """
        INSERT INTO one_time_password
               (tenant_id, otp_id, patient_id, dispensation_id, code_digest, sent_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        tenant_id,
        otp_id,
        patient_id,
        dispensation_id,
        code_digest,
        sent_at,
        expires_at,
    )


async def find_locked(conn: Connection, tenant_id: UUID, otp_id: UUID) -> OneTimePassword | None:
    """One of this pharmacy, held until the transaction ends."""
    row = await conn.fetchrow(
        f"""
        SELECT {_COLUMNS}
          FROM one_time_password
         WHERE (tenant_id, otp_id) = ($1, $2)
           FOR UPDATE
        """,
        tenant_id,
        otp_id,
    )
    return _password(row)


async def find_newest_locked(conn: Connection, tenant_id: UUID, patient_id: UUID) -> OneTimePassword | None:
    """The newest one of a person, held until the transaction ends."""
    row = await conn.fetchrow(
        f"""
        SELECT {_COLUMNS}
          FROM one_time_password
         WHERE (tenant_id, patient_id) = ($1, $2)
         ORDER BY sent_at DESC
         LIMIT 1
           FOR UPDATE
        """,
        tenant_id,
        patient_id,
    )
    return _password(row)


async def find_by_token(
    conn: Connection, tenant_id: UUID, patient_id: UUID, token_digest: bytes, *, now: datetime
) -> OneTimePassword | None:
    """The one whose living token this is, if it is of this person."""
    row = await conn.fetchrow(
        f"""
        SELECT {_COLUMNS}
          FROM one_time_password
         WHERE (tenant_id, patient_id, token_digest) = ($1, $2, $3)
           AND token_expires_at > $4
        """,
        tenant_id,
        patient_id,
        token_digest,
        now,
    )
    return _password(row)


async def find_verified(
    conn: Connection, tenant_id: UUID, patient_id: UUID, *, now: datetime
) -> list[OneTimePassword]:
    """Those whose tokens live, newest first."""
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS}
          FROM one_time_password
         WHERE (tenant_id, patient_id) = ($1, $2)
           AND token_expires_at > $3
         ORDER BY verified_at DESC
        """,
        tenant_id,
        patient_id,
        now,
    )
    return [OneTimePassword(**row) for row in rows]


async def is_for(conn: Connection, tenant_id: UUID, password: OneTimePassword, dispensation_id: UUID) -> bool:
    """Whether it is tied to this dispensation, or to none and this is the first to start after it."""
    if password.dispensation_id is not None:
        return password.dispensation_id == dispensation_id
    another: bool = await conn.fetchval(
        """
        SELECT EXISTS (
               SELECT
                 FROM dispensation_view
                WHERE (tenant_id, patient_id) = ($1, $2)
                  AND started_at > $3
                  AND dispensation_id <> $4
                  AND started_at < coalesce(
                      (SELECT started_at
                         FROM dispensation_view
                        WHERE (tenant_id, dispensation_id) = ($1, $4)), 'infinity'))
        """,
        tenant_id,
        password.patient_id,
        password.sent_at,
        dispensation_id,
    )
    return not another


async def count_wrong(conn: Connection, tenant_id: UUID, otp_id: UUID) -> None:
    await conn.execute(
        "UPDATE one_time_password SET wrong = wrong + 1 WHERE (tenant_id, otp_id) = ($1, $2)",
        tenant_id,
        otp_id,
    )


async def exchange(
    conn: Connection,
    tenant_id: UUID,
    otp_id: UUID,
    token_digest: bytes,
    *,
    now: datetime,
    token_expires_at: datetime,
) -> None:
    """End it; its token goes on."""
    await conn.execute(
        """
        UPDATE one_time_password
           SET ended_at = $4, verified_at = $4, token_digest = $3, token_expires_at = $5
         WHERE (tenant_id, otp_id) = ($1, $2)
        """,
        tenant_id,
        otp_id,
        token_digest,
        now,
        token_expires_at,
    )


def _password(row: Record | None) -> OneTimePassword | None:
    return None if row is None else OneTimePassword(**row)

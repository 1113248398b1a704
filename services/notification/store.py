"""Everything that notification says to Postgres."""

from datetime import datetime
from typing import Final
from uuid import UUID

from services.notification import messages
from services.notification.domain.delivery import Delivery, Refusal
from services.notification.domain.printed import PrintedPrescription
from shared.database import Connection

# Each end, reopening and language has its own; the oldest of too many is made again when it is asked for.
DOCUMENTS_PER_PRESCRIPTION_MAX: Final = 24


async def find_document(
    conn: Connection, tenant_id: UUID, prescription_id: UUID, printed: PrintedPrescription
) -> bytes | None:
    """The document that says exactly this, if it has been made."""
    found: bytes | None = await conn.fetchval(
        """
        SELECT pdf
          FROM document
         WHERE (tenant_id, prescription_id, printed_sha256) = ($1, $2, $3)
        """,
        tenant_id,
        prescription_id,
        messages.digest(printed),
    )
    return found


async def keep_document(
    conn: Connection,
    tenant_id: UUID,
    prescription_id: UUID,
    printed: PrintedPrescription,
    *,
    pdf: bytes,
    made_at: datetime,
) -> None:
    """Keep a document; the first of two that were made at once stays."""
    await conn.execute(
        """
        INSERT INTO document (tenant_id, prescription_id, printed_sha256, pdf, made_at)
        VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT ON CONSTRAINT document_key DO NOTHING
        """,
        tenant_id,
        prescription_id,
        messages.digest(printed),
        pdf,
        made_at,
    )
    await conn.execute(
        """
        DELETE FROM document
         WHERE (tenant_id, prescription_id) = ($1, $2)
           AND printed_sha256 IN (
               SELECT printed_sha256
                 FROM document
                WHERE (tenant_id, prescription_id) = ($1, $2)
                ORDER BY made_at DESC
               OFFSET $3)
        """,
        tenant_id,
        prescription_id,
        DOCUMENTS_PER_PRESCRIPTION_MAX,
    )


async def add_delivery(conn: Connection, delivery: Delivery) -> bool:
    """Take a delivery on; False if it was known."""
    added = await conn.fetchval(
        """
        INSERT INTO delivery (
            tenant_id, id, prescription_id, email_address, printed, requested_at, correlation)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT ON CONSTRAINT delivery_key DO NOTHING
        RETURNING id
        """,
        delivery.tenant_id,
        delivery.id,
        delivery.prescription_id,
        delivery.email_address,
        messages.to_text(delivery.printed),
        delivery.requested_at,
        delivery.correlation,
    )
    return added is not None


async def find_attempt(
    conn: Connection, tenant_id: UUID, delivery_id: UUID, *, message_id: str
) -> Delivery | None:
    """Count an attempt and give the delivery its Message-ID, unless it has one; None when it has ended."""
    row = await conn.fetchrow(
        """
           UPDATE delivery
              SET attempts = attempts + 1, message_id = coalesce(message_id, $3)
            WHERE (tenant_id, id) = ($1, $2)
              AND state = 'waiting'
        RETURNING tenant_id, id, prescription_id, email_address, printed, requested_at, correlation,
                  message_id, attempts
        """,
        tenant_id,
        delivery_id,
        message_id,
    )
    if row is None:
        return None
    return Delivery(**{**row, "printed": messages.from_text(row["printed"])})


async def end_delivery(
    conn: Connection, delivery: Delivery, at: datetime, *, refusal: Refusal | None = None
) -> bool:
    """Note how it ended and forget address and content; False if it had ended before."""
    ended = await conn.fetchval(
        """
           UPDATE delivery
              SET state = $3, ended_at = $4, reason = $5, email_address = NULL, printed = NULL
            WHERE (tenant_id, id) = ($1, $2)
              AND state = 'waiting'
        RETURNING id
        """,
        delivery.tenant_id,
        delivery.id,
        "failed" if refusal else "delivered",
        at,
        str(refusal) if refusal else None,
    )
    return ended is not None

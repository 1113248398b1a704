"""What pharmacies have reported over Kafka: the request of each report, found by the report's own id."""

from __future__ import annotations

from dataclasses import dataclass

from services.gateway.store import at_rest
from shared.database import Connection


@dataclass(frozen=True)
class EarlierReport:
    """A report of this client that had the same id; `status` and `body` are None while it still runs."""

    status: int | None
    body: bytes | None


async def find_earlier(conn: Connection, client: str, report_id: str) -> EarlierReport | None:
    row = await conn.fetchrow(
        """
        SELECT request_id, tenant_id, response_status, response_body
          FROM request
         WHERE (client, source, idempotency_key) = ($1, 'kafka', $2)
           AND holds_key
        """,
        client,
        report_id,
    )
    if row is None:
        return None
    body = row["response_body"]
    return EarlierReport(
        row["response_status"],
        None if body is None else at_rest.RESPONSE.open(body, row["tenant_id"], row["request_id"]),
    )

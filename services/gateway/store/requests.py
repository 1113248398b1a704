"""Requests: what was asked under which key, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import orjson

from services.gateway.messages.answers import Answer
from services.gateway.messages.dialects import CONSULTATIONS
from services.gateway.messages.requests import Asked, Request
from services.gateway.store import at_rest
from services.gateway.store.reading import TENANT, reading
from shared import clock
from shared.database import Connection, Pool

KEPT: Final = timedelta(days=7)
PRUNED_AT_ONCE_MAX: Final = 1_000


_COLUMNS: Final = """request_id, tenant_id, client, source, asked_by, idempotency_key, method, path,
       content_digest, kind, context, prescription_id, state, accepted_at, finished_at,
       response_status, response_headers, response_body"""


@dataclass(frozen=True)
class Finished:
    """A request with its answer."""

    request: Request
    answer: Answer
    prescription_id: UUID | None
    at: datetime


async def open(conn: Connection, request: Request) -> bool:
    """Accept a request, with its answer if it has one; False if another holds its key.

    The transaction becomes the tenant's.
    """
    return bool(await open_all(conn, [request]))


async def open_all(conn: Connection, wanted: Sequence[Request]) -> set[UUID]:
    """Accept requests of one tenant; gives those whose key nobody else held, among them the first of each."""
    asked = [one.asked for one in wanted]
    answers = [one.answer for one in wanted]
    rows = await conn.fetch(
        f"""
        {TENANT}
        INSERT INTO request (request_id, tenant_id, client, source, idempotency_key, method, path,
                             content_digest, kind, context, prescription_id, accepted_at, holds_key,
                             state, finished_at, response_status, response_headers, response_body, asked_by)
        SELECT new.request_id, present.id, client, source, idempotency_key, method, path, content_digest,
               kind, context, prescription_id, accepted_at, holds_key,
               state, finished_at, response_status, response_headers, response_body, asked_by
          FROM present
         CROSS JOIN unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                           $8::bytea[], $9::text[], $10::bytea[], $11::uuid[], $12::timestamptz[],
                           $13::bool[], $14::text[], $15::timestamptz[], $16::int[], $17::text[],
                           $18::bytea[], $19::text[])
               WITH ORDINALITY
               AS new (request_id, client, source, idempotency_key, method, path, content_digest, kind,
                       context, prescription_id, accepted_at, holds_key, state, finished_at,
                       response_status, response_headers, response_body, asked_by, place)
         ORDER BY place
            ON CONFLICT DO NOTHING
        RETURNING request_id
        """,
        str(asked[0].tenant_id),
        [one.request_id for one in asked],
        [one.client for one in asked],
        [one.source for one in asked],
        [one.idempotency_key for one in asked],
        [one.method for one in asked],
        [one.path for one in asked],
        [kept_digest(one) for one in asked],
        [one.kind for one in wanted],
        [_context(one) for one in wanted],
        [one.prescription_id for one in wanted],
        [one.accepted_at for one in wanted],
        [_holds_key(one.asked.source, one.answer) for one in wanted],
        [_state(one) for one in answers],
        [None if one.answer is None else one.accepted_at for one in wanted],
        [None if one is None else one.status for one in answers],
        [None if one is None else _headers(one) for one in answers],
        [None if one.answer is None else _body(one.asked, one.answer) for one in wanted],
        [one.asked_by for one in asked],
    )
    return {row["request_id"] for row in rows}


def _context(request: Request) -> bytes:
    asked = request.asked
    return at_rest.CONTEXT.seal(orjson.dumps(request.context or {}), asked.tenant_id, asked.request_id)


def kept_digest(asked: Asked) -> bytes:
    """What is kept of the content; without our key nobody can try out whom a body may have been about."""
    return at_rest.keyring.look_up(asked.tenant_id, "request", asked.content_digest.hex())


def _state(answer: Answer | None) -> str:
    if answer is None:
        return "PENDING"
    return "SUCCEEDED" if answer.succeeded else "FAILED"


_FROM_KAFKA: Final = ("kafka", CONSULTATIONS)


def _holds_key(source: str, answer: Answer | None) -> bool:
    """A refusal frees its key, except in what came over Kafka: its id is used up (ruling 6.2)."""
    return source in _FROM_KAFKA or answer is None or answer.succeeded


async def find_holder(pool: Pool, asked: Asked, *, now: datetime) -> Request | None:
    """The request that holds this key: it runs, has succeeded, or is a report."""
    return await _find(
        pool,
        asked.tenant_id,
        "(client, source, idempotency_key) = ($2, $3, $4) AND holds_key AND accepted_at > $5",
        asked.client,
        asked.source,
        asked.idempotency_key,
        now - KEPT,
    )


async def free_expired_key(conn: Connection, asked: Asked, *, now: datetime) -> None:
    """Let go of a key whose seven days are over; its request is pruned later."""
    await conn.execute(
        """
        UPDATE request
           SET holds_key = false
         WHERE (client, source, idempotency_key) = ($1, $2, $3)
           AND holds_key
           AND accepted_at <= $4
           AND state <> 'PENDING'
        """,
        asked.client,
        asked.source,
        asked.idempotency_key,
        now - KEPT,
    )


async def find(pool: Pool, *, tenant_id: UUID, client: str, request_id: UUID) -> Request | None:
    """A client's own request, over HTTP or Kafka."""
    return await _find(
        pool, tenant_id, "request_id = $3 AND client = $2 AND source <> 'document'", client, request_id
    )


async def find_newest(pool: Pool, *, tenant_id: UUID, client: str, key: str) -> Request | None:
    """The newest request under a key, refused ones too."""
    return await _find(
        pool, tenant_id, "(client, idempotency_key) = ($2, $3) AND source <> 'document'", client, key
    )


async def _find(pool: Pool, tenant_id: UUID, condition: str, *values: object) -> Request | None:
    """The newest of a tenant's requests that meet a condition, which is a text of ours; for seven days."""
    async with reading(pool) as conn:
        row = await conn.fetchrow(
            f"""
            {TENANT}
            SELECT request.*
              FROM present
             CROSS JOIN LATERAL (
                   SELECT {_COLUMNS}
                     FROM request
                    WHERE tenant_id = present.id
                      AND {condition}
                      AND (finished_at IS NULL OR finished_at >= ${len(values) + 2})
                    ORDER BY accepted_at DESC, request_id DESC
                    LIMIT 1) AS request
            """,
            str(tenant_id),
            *values,
            clock.now() - KEPT,
        )
    return None if row is None else _request(row)


async def answers(pool: Pool, request_ids: Sequence[UUID]) -> dict[UUID, Answer]:
    """The answers that have come, of requests whose clients wait here."""
    async with reading(pool) as conn:
        rows = await conn.fetch(
            """
            SELECT request_id, tenant_id, response_status, response_headers, response_body
              FROM request
             WHERE request_id = ANY ($1::uuid[])
               AND response_status IS NOT NULL
            """,
            request_ids,
        )
    return {row["request_id"]: _answer(row) for row in rows}


async def lock_pending(conn: Connection, request_ids: Sequence[UUID]) -> dict[UUID, Request]:
    """Those of some requests that wait for their outcome, locked in the order that they come in."""
    rows = await conn.fetch(
        f"""
        SELECT held.*
          FROM unnest($1::uuid[]) AS wanted (id)
         CROSS JOIN LATERAL (
               SELECT {_COLUMNS}
                 FROM request
                WHERE request_id = wanted.id
                  AND state = 'PENDING'
                  FOR NO KEY UPDATE) AS held
        """,
        request_ids,
    )
    return {row["request_id"]: _request(row) for row in rows}


async def finish(conn: Connection, finished: Sequence[Finished], *, told: bool = True) -> None:
    """Store answers, and tell every instance: whoever waits hears of it when this commits.

    Not `told` is what nobody waits for, because its transaction has opened the request itself.
    """
    if not finished:
        return
    await conn.execute(
        """
        WITH answered AS (
            UPDATE request
               SET state = new.state, holds_key = new.holds_key, finished_at = new.finished_at,
                   prescription_id = new.prescription_id, response_status = new.status,
                   response_headers = new.headers, response_body = new.body
              FROM unnest($1::uuid[], $2::text[], $3::bool[], $4::timestamptz[], $5::uuid[],
                          $6::int[], $7::text[], $8::bytea[])
                   AS new (id, state, holds_key, finished_at, prescription_id, status, headers, body)
             WHERE request_id = new.id
            RETURNING request_id)
        SELECT pg_notify('outcome', request_id::text)
          FROM answered
         WHERE $9
        """,
        [one.request.asked.request_id for one in finished],
        [_state(one.answer) for one in finished],
        [_holds_key(one.request.asked.source, one.answer) for one in finished],
        [one.at for one in finished],
        [one.prescription_id for one in finished],
        [one.answer.status for one in finished],
        [_headers(one.answer) for one in finished],
        [_body(one.request.asked, one.answer) for one in finished],
        told,
    )


async def prune(pool: Pool, *, now: datetime) -> int:
    """Forget finished requests after their seven days; a piece at a time, so that no lock lasts."""
    forgotten = 0
    while True:
        async with reading(pool) as conn:
            result = await conn.execute(
                """
                DELETE FROM request
                 WHERE ctid = ANY (ARRAY(
                       SELECT ctid
                         FROM request
                        WHERE finished_at < $1
                        LIMIT $2))
                """,
                now - KEPT,
                PRUNED_AT_ONCE_MAX,
            )
        count = int(result.rsplit(" ", 1)[1])
        forgotten += count
        if count < PRUNED_AT_ONCE_MAX:
            return forgotten


def _headers(answer: Answer) -> str:
    return orjson.dumps(dict(answer.headers)).decode()


def _body(asked: Asked, answer: Answer) -> bytes:
    return at_rest.RESPONSE.seal(answer.content(), asked.tenant_id, asked.request_id)


def _asked(row: asyncpg.Record) -> Asked:
    return Asked(
        request_id=row["request_id"],
        tenant_id=row["tenant_id"],
        client=row["client"],
        method=row["method"],
        path=row["path"],
        content_digest=row["content_digest"],
        idempotency_key=row["idempotency_key"],
        source=row["source"],
        asked_by=row["asked_by"],
    )


def _answer(row: asyncpg.Record) -> Answer:
    body = at_rest.RESPONSE.open(row["response_body"], row["tenant_id"], row["request_id"])
    return Answer(row["response_status"], body, orjson.loads(row["response_headers"]))


def _request(row: asyncpg.Record) -> Request:
    return Request(
        asked=_asked(row),
        kind=row["kind"],
        accepted_at=row["accepted_at"],
        prescription_id=row["prescription_id"],
        context=orjson.loads(at_rest.CONTEXT.open(row["context"], row["tenant_id"], row["request_id"])),
        state=row["state"],
        finished_at=row["finished_at"],
        answer=None if row["response_status"] is None else _answer(row),
    )

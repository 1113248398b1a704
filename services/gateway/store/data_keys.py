"""The keys that seal what is at rest: made here, kept encrypted under GATEWAY_DATA_KEY."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from asyncpg import Record
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.gateway.store.at_rest import KEY_ID, NONCE_BYTES, PLACES, Column, DataKey, keyring
from shared.database import Connection

KEY_BYTES: Final = 32
KEYS_LOCK: Final = 0x6461_7461  # "data": so that instances that start together make one first key
KNOWN_EVERYWHERE_AFTER: Final = timedelta(seconds=60)
"""Every instance reads the keys each 20 s (at_rest.READ_AGAIN_SECONDS)."""
KEPT_AFTER_USE: Final = timedelta(hours=1)
"""Longer than any instance seals under keys that it cannot read again (at_rest.READ_SECONDS_MAX)."""
MOVED_AT_ONCE: Final = 500

_SEALS: Final = "seal"
_LOOKS_UP: Final = "look-up"


class WrongDataKey(Exception):
    """GATEWAY_DATA_KEY is not the one that the stored data keys are encrypted under."""


async def read(conn: Connection, data_key: str, *, now: datetime) -> None:
    """Have this process know all keys; the first ever are made here. Raises WrongDataKey."""
    await conn.execute("SELECT pg_advisory_xact_lock($1)", KEYS_LOCK)
    rows = await _rows(conn)
    if not rows:
        await _add(conn, _LOOKS_UP, data_key, now=now)
        await _add(conn, _SEALS, data_key, now=now)
        rows = await _rows(conn)
    keys = [
        DataKey(row["key_id"], row["used_from"], AESGCM(_unwrapped(row, data_key)))
        for row in rows
        if row["purpose"] == _SEALS
    ]
    look_up = next(_unwrapped(row, data_key) for row in rows if row["purpose"] == _LOOKS_UP)
    keyring.hold(keys, look_up)


async def newest(conn: Connection, data_key: str, *, now: datetime) -> tuple[int, datetime]:
    """The key that all values shall be under, and from when: a new one, or that of a change under way.

    What was encrypted under an older GATEWAY_DATA_KEY is put under the present one on the way.
    """
    await read(conn, data_key, now=now)
    await _rewrap(conn, data_key)
    key_id, used_from = await _newest(conn)
    over = used_from <= now - KEPT_AFTER_USE and not await left(conn, key_id)
    if over or not await _others(conn, key_id):
        await forget_unused(conn, now=now)
        await _add(conn, _SEALS, data_key, now=now, used_from=now + KNOWN_EVERYWHERE_AFTER)
        key_id, used_from = await _newest(conn)
        await read(conn, data_key, now=now)
    return key_id, used_from


async def left(conn: Connection, key_id: int) -> int:
    """How many values are under another key than this."""
    found = 0
    for column, table in PLACES:
        found += await conn.fetchval(
            f"SELECT count(*) FROM {table} WHERE substring({column.name} FROM 1 FOR 4) <> $1",
            KEY_ID.pack(key_id),
        )
    return found


async def forget_unused(conn: Connection, *, now: datetime) -> int:
    """Remove keys that a newer one has long replaced and that no value is under; how many it were."""
    key_id, used_from = await _newest(conn)
    if not await _others(conn, key_id) or used_from > now - KEPT_AFTER_USE or await left(conn, key_id):
        return 0
    gone = await conn.fetch(
        "DELETE FROM data_key WHERE purpose = $1 AND key_id <> $2 RETURNING key_id", _SEALS, key_id
    )
    return len(gone)


async def move(
    conn: Connection, column: Column, table: str, key_id: int, after: tuple[int, int]
) -> tuple[int, tuple[int, int] | None]:
    """Put the next values of a column under this key; how many, and where to go on: None at its end.

    `table`: one of the column's tables. What a swap of the views brings meanwhile, the next round finds.

    A row that changes meanwhile is left alone: whoever changed it has sealed it under the key of the day, and
    if that is an old one the next round finds it.
    """
    rows = await conn.fetch(
        f"""
        SELECT ctid, tenant_id, {", ".join(column.key)}, {column.name} AS sealed
          FROM {table}
         WHERE ctid > $1
           AND substring({column.name} FROM 1 FOR 4) <> $2
         ORDER BY ctid
         LIMIT $3
        """,
        after,
        KEY_ID.pack(key_id),
        MOVED_AT_ONCE,
    )
    await conn.executemany(
        f"UPDATE {table} SET {column.name} = $3 WHERE ctid = $1 AND {column.name} = $2",
        [(row["ctid"], row["sealed"], _again(column, row)) for row in rows],
    )
    return len(rows), rows[-1]["ctid"] if len(rows) == MOVED_AT_ONCE else None


def _again(column: Column, row: Record) -> bytes:
    key = (row["tenant_id"], *(row[name] for name in column.key))
    return column.seal(column.open(row["sealed"], *key), *key)


async def _others(conn: Connection, key_id: int) -> bool:
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM data_key WHERE purpose = $1 AND key_id <> $2)", _SEALS, key_id
    )
    return found


async def _rows(conn: Connection) -> Sequence[Record]:
    return await conn.fetch("SELECT key_id, purpose, wrapped, used_from FROM data_key ORDER BY key_id")


async def _newest(conn: Connection) -> tuple[int, datetime]:
    row = await conn.fetchrow(
        """
        SELECT key_id, used_from
          FROM data_key
         WHERE purpose = $1
         ORDER BY used_from DESC, key_id DESC
         LIMIT 1
        """,
        _SEALS,
    )
    assert row is not None, "keys are read, and made, before anything is asked of them"
    return row["key_id"], row["used_from"]


async def _add(
    conn: Connection, purpose: str, data_key: str, *, now: datetime, used_from: datetime | None = None
) -> None:
    wrapped = _wrapped(secrets.token_bytes(KEY_BYTES), purpose, data_key)
    await conn.execute(
        "INSERT INTO data_key (purpose, wrapped, created_at, used_from) VALUES ($1, $2, $3, $4)",
        purpose,
        wrapped,
        now,
        used_from or now,
    )


async def _rewrap(conn: Connection, data_key: str) -> None:
    for row in await _rows(conn):
        await conn.execute(
            "UPDATE data_key SET wrapped = $2 WHERE key_id = $1",
            row["key_id"],
            _wrapped(_unwrapped(row, data_key), row["purpose"], data_key),
        )


def _wrapped(key: bytes, purpose: str, data_key: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _outer(data_key.split()[0]).encrypt(nonce, key, purpose.encode())


def _unwrapped(row: Record, data_key: str) -> bytes:
    nonce, sealed = row["wrapped"][:NONCE_BYTES], row["wrapped"][NONCE_BYTES:]
    for one in data_key.split():
        try:
            return _outer(one).decrypt(nonce, sealed, row["purpose"].encode())
        except InvalidTag:
            continue
    raise WrongDataKey("the data keys were stored under another GATEWAY_DATA_KEY")


def _outer(text: str) -> AESGCM:
    return AESGCM(hmac.digest(text.encode(), b"data keys at rest", "sha256"))

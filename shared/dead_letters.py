"""The operator's way to buried messages: list them, look at one, handle them after all.

    dead-letters list [--topic T] [--key K]
    dead-letters show SEQ [--payload]
    dead-letters replay (--record SEQ | --topic T --key K | --all) [--dry-run]
    dead-letters discard SEQ

A replay handles the records of a key in order, each in a transaction of its own, and lifts the grave after
the last; where one fails again it stops, and begins there the next time.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import orjson

from shared import database, graves, outbox, telemetry
from shared.database import Pool
from shared.errors import NotFound, Unavailable
from shared.graves import Buried
from shared.messaging import Delivery, Handlers
from shared.settings import Settings

LISTED_MAX: Final = 1_000
TEXT_MAX: Final = 4_096

Tell = Callable[[str], None]
Resources = Callable[[Pool], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True)
class Grave:
    """One key whose events wait for replay."""

    topic: str
    key: bytes


def main(
    handlers: Handlers,
    settings: Settings,
    argv: Sequence[str],
    *,
    resources: Resources | None = None,
    tell: Tell = print,
) -> int:
    """Run one command; 0 if it did what was asked."""
    asked = _parser(handlers.service).parse_args(argv)
    telemetry.configure(handlers.service, settings.instance, form="console", level="error")
    try:
        return asyncio.run(_run(handlers, settings, asked, resources, tell))
    except (NotFound, Unavailable) as error:
        tell(str(error))
        return 1


def _parser(service: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"{service} dead-letters", description="Buried messages.")
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser("list", help="what is buried, oldest first; ids and errors only")
    listed.add_argument("--topic")
    listed.add_argument("--key")
    show = commands.add_parser("show", help="one record: place, headers, error")
    show.add_argument("seq", type=int)
    show.add_argument("--payload", action="store_true", help="its value too: this may be a patient's")
    replay = commands.add_parser("replay", help="handle buried records, in order")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--record", type=int, metavar="SEQ", help="this one, which must be the first of its key"
    )
    which.add_argument("--key", help="all of one key; needs --topic")
    which.add_argument("--all", action="store_true")
    replay.add_argument("--topic")
    replay.add_argument("--dry-run", action="store_true", help="try each record and keep nothing")
    discard = commands.add_parser("discard", help="take one record out, unhandled")
    discard.add_argument("seq", type=int)
    return parser


async def _run(
    handlers: Handlers, settings: Settings, asked: argparse.Namespace, resources: Resources | None, tell: Tell
) -> int:
    async with AsyncExitStack() as stack:
        pool = await database.open_pool(
            settings.database_url,
            max_size=4,
            role=settings.database_role,
            application_name=f"{handlers.service} dead-letters",
        )
        stack.push_async_callback(pool.close)
        if resources is not None and asked.command == "replay":
            await stack.enter_async_context(resources(pool))
        match asked.command:
            case "list":
                return await _list(pool, asked, tell)
            case "show":
                return await _show(pool, asked.seq, payload=asked.payload, tell=tell)
            case "discard":
                return await _discard(pool, asked.seq, tell)
            case _:
                return await _replay(Delivery(handlers, pool), asked, tell)


async def _list(pool: Pool, asked: argparse.Namespace, tell: Tell) -> int:
    rows = await pool.fetch(
        """
        SELECT seq, topic, key, partition, record_offset, error, buried_at
          FROM grave_record
         WHERE ($1::text IS NULL OR topic = $1)
           AND ($2::bytea IS NULL OR key = $2)
         ORDER BY seq
         LIMIT $3
        """,
        asked.topic,
        asked.key.encode() if asked.key is not None else None,
        LISTED_MAX,
    )
    for row in rows:
        place = f"{row['topic']}/{row['partition']}/{row['record_offset']}"
        tell(
            f"{row['seq']}\t{row['buried_at']:%Y-%m-%dT%H:%M:%SZ}\t{place}\t{_text(row['key'])}\t{row['error']}"
        )
    tell(f"{len(rows)} records" + (", and there may be more" if len(rows) == LISTED_MAX else ""))
    return 0


async def _show(pool: Pool, seq: int, *, payload: bool, tell: Tell) -> int:
    row = await pool.fetchrow(
        """
        SELECT topic, key, partition, record_offset, recorded_at, headers, value, error, buried_at
          FROM grave_record
         WHERE seq = $1
        """,
        seq,
    )
    if row is None:
        raise NotFound(f"no record {seq} is buried")
    tell(f"topic      {row['topic']}")
    tell(f"place      partition {row['partition']}, offset {row['record_offset']}")
    tell(f"key        {_text(row['key'])}")
    tell(f"recorded   {row['recorded_at']:%Y-%m-%dT%H:%M:%SZ}")
    tell(f"buried     {row['buried_at']:%Y-%m-%dT%H:%M:%SZ}")
    tell(f"error      {row['error']}")
    for name, value in outbox.unpack(row["headers"]):
        tell(f"header     {name}: {_text(value)}")
    tell(f"value      {len(row['value'] or b'')} bytes" + ("" if payload else ", shown with --payload"))
    if payload:
        tell(_pretty(row["value"]))
    return 0


async def _discard(pool: Pool, seq: int, tell: Tell) -> int:
    grave = await _grave_of(pool, seq)
    async with database.transaction(pool) as conn:
        buried = await graves.find(conn, grave.topic, grave.key, seq)
        if buried is None:
            raise NotFound(f"no record {seq} is buried")
        lifted = await graves.release(conn, buried)
    tell(f"{seq} discarded" + (", its grave is lifted" if lifted else ""))
    return 0


async def _replay(delivery: Delivery, asked: argparse.Namespace, tell: Tell) -> int:
    if asked.record is not None:
        grave = await _grave_of(delivery.pool, asked.record)
        first = await _first(delivery.pool, grave)
        if first is None or first.seq != asked.record:
            raise NotFound(f"{asked.record} is not the first of its key: {first.seq if first else 'none'} is")
        return 0 if await _replay_grave(delivery, grave, asked, tell, only=1) else 1
    if asked.key is not None:
        if asked.topic is None:
            raise NotFound("a key is a key of a topic: say --topic too")
        found = [Grave(asked.topic, asked.key.encode())]
    else:
        rows = await delivery.pool.fetch(
            "SELECT topic, key FROM grave WHERE $1::text IS NULL OR topic = $1 ORDER BY buried_at",
            asked.topic,
        )
        found = [Grave(row["topic"], row["key"]) for row in rows]
    # A key that fails again stops itself alone.
    outcomes = [await _replay_grave(delivery, grave, asked, tell) for grave in found]
    tell(f"{sum(outcomes)} of {len(outcomes)} keys" + (" would be free" if asked.dry_run else " are free"))
    return 0 if all(outcomes) else 1


async def _replay_grave(
    delivery: Delivery, grave: Grave, asked: argparse.Namespace, tell: Tell, *, only: int | None = None
) -> bool:
    """Handle what lies in one grave, in order; False where a record failed again."""
    if asked.dry_run:
        return await _rehearse(delivery, grave, tell, only=only)
    done = 0
    while only is None or done < only:
        try:
            async with database.transaction(delivery.pool) as conn:
                buried = await graves.first(conn, grave.topic, grave.key)
                if buried is None:
                    return True
                await delivery.replay(conn, buried.record)
                lifted = await graves.release(conn, buried)
        except Exception as error:
            tell(f"{_name(grave)}: failed again with {graves.told(error)} after {done} handled")
            return False
        done += 1
        tell(f"{buried.seq} handled" + (", its grave is lifted" if lifted else ""))
        if lifted:
            return True
    return True


class _Rehearsed(Exception):
    """Nothing of a rehearsal stays."""


async def _rehearse(delivery: Delivery, grave: Grave, tell: Tell, *, only: int | None) -> bool:
    """Handle all of a grave in one transaction, as a replay would one by one, and roll it back."""
    seqs: list[int] = []
    try:
        async with database.transaction(delivery.pool) as conn:
            while (only is None or len(seqs) < only) and (
                buried := await graves.first(conn, grave.topic, grave.key)
            ) is not None:
                await delivery.replay(conn, buried.record)
                seqs.append(buried.seq)
                if await graves.release(conn, buried):
                    break
            raise _Rehearsed
    except _Rehearsed:
        tell(f"{_name(grave)}: {len(seqs)} records would be handled")
        return True
    except Exception as error:
        tell(f"{_name(grave)}: would fail with {graves.told(error)} after {len(seqs)} handled")
        return False


async def _first(pool: Pool, grave: Grave) -> Buried | None:
    async with database.transaction(pool) as conn:
        return await graves.first(conn, grave.topic, grave.key)


async def _grave_of(pool: Pool, seq: int) -> Grave:
    row = await pool.fetchrow("SELECT topic, key FROM grave_record WHERE seq = $1", seq)
    if row is None:
        raise NotFound(f"no record {seq} is buried")
    return Grave(row["topic"], row["key"])


def _name(grave: Grave) -> str:
    return f"{grave.topic} {_text(grave.key)}"


def _text(value: bytes | None) -> str:
    return "null" if value is None else value[:TEXT_MAX].decode("utf-8", errors="backslashreplace")


def _pretty(value: bytes | None) -> str:
    if value is None:
        return "null"
    try:
        return orjson.dumps(orjson.loads(value), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return value.decode("utf-8", errors="backslashreplace")

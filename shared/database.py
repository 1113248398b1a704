"""The way to Postgres: one pool a service, transactions, and which of its errors pass by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

from shared.errors import Overloaded, Unavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
    Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

ACQUIRE_SECONDS_MAX: Final = 5.0
COMMAND_SECONDS_MAX: Final = 30.0
LOCK_TIMEOUT: Final = "1s"
IDLE_IN_TRANSACTION_TIMEOUT: Final = "60s"
STATEMENTS_CACHED_MAX: Final = 500

# What passes by itself: SQLSTATE classes 08 connection, 53 resources, 57 operator, 40 rollback;
# 55P03 lock timeout; 25006 a server that is for the moment read only.
_PASSING_CLASSES: Final = frozenset({"08", "53", "57", "40"})
_PASSING_STATES: Final = frozenset({"55P03", "25006"})


@dataclass
class _Work:
    """One transaction under way, for those who want to be told when it is committed."""

    pool: Pool
    after_commit: list[Callable[[], None]] = field(default_factory=list)


_work: ContextVar[_Work | None] = ContextVar("transaction", default=None)


async def open_pool(
    url: str,
    *,
    min_size: int = 1,
    max_size: int = 10,
    role: str | None = None,
    application_name: str = "recepta",
    planned_once: bool = False,
) -> Pool:
    """A pool of connections, as `role` where one is given.

    `planned_once`: for statements that ask by key, whose plan is the same whatever they ask for.
    """
    settings = {
        "application_name": application_name,
        "lock_timeout": LOCK_TIMEOUT,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT,
        # Our statements are short; compiling one costs more than running it.
        "jit": "off",
    }
    if role is not None:
        settings["role"] = role
    if planned_once:
        # The default plans a statement of many tables anew each time, if it thinks that it gains by it.
        settings["plan_cache_mode"] = "force_generic_plan"
    with_translation = asyncpg.create_pool(
        url,
        min_size=min_size,
        max_size=max_size,
        command_timeout=COMMAND_SECONDS_MAX,
        statement_cache_size=STATEMENTS_CACHED_MAX,
        # The default resets a session with a round trip at each release. Ours change with SET LOCAL only.
        reset=_leave_as_it_is,
        server_settings=settings,
    )
    try:
        return await with_translation
    except Exception as error:
        if passes(error):
            raise Unavailable("the database does not answer") from error
        raise


@asynccontextmanager
async def acquired(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool. Raises Overloaded if all are in use for so long that it is no use to wait."""
    try:
        conn = await pool.acquire(timeout=ACQUIRE_SECONDS_MAX)
    except TimeoutError:
        if pool.get_size() < pool.get_max_size():
            raise
        raise Overloaded("every connection to the database is in use") from None
    try:
        yield conn
    finally:
        await pool.release(conn)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction. Raises Unavailable for what may be better later: outage, deadlock, lock timeout."""
    work = _Work(pool)
    token = _work.set(work)
    try:
        async with acquired(pool) as conn, conn.transaction():
            yield conn
    except Exception as error:
        if passes(error):
            raise Unavailable(_told(error)) from error
        raise
    finally:
        _work.reset(token)
    for call in work.after_commit:
        call()


def after_commit(call: Callable[[], None]) -> bool:
    """Have `call` made once the transaction under way is committed; False outside `transaction`."""
    work = _work.get()
    if work is None:
        return False
    if call not in work.after_commit:
        work.after_commit.append(call)
    return True


def pool_in_use() -> Pool | None:
    """The pool of the transaction under way."""
    work = _work.get()
    return work.pool if work else None


def passes(error: BaseException) -> bool:
    """Whether an error is an outage or a collision, and not a bug."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in _PASSING_CLASSES or state in _PASSING_STATES
    if isinstance(error, asyncpg.InterfaceError):
        # The same class covers wrong arguments, which are bugs.
        text = str(error)
        return "clos" in text or "released" in text
    return isinstance(error, OSError | asyncio.TimeoutError | asyncpg.InternalClientError)


def _told(error: BaseException) -> str:
    """Postgres quotes rows in its messages: only the kind of an error is passed on."""
    return f"the database said {type(error).__name__}"


async def _leave_as_it_is(_conn: object) -> None:
    return None

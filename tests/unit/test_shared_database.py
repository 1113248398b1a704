"""Which errors of the database pass by themselves."""

import asyncpg
import pytest

from shared import database

OUTAGES = [
    asyncpg.DeadlockDetectedError("of two"),
    asyncpg.SerializationError(),
    asyncpg.LockNotAvailableError(),
    asyncpg.TooManyConnectionsError(),
    asyncpg.DiskFullError(),
    asyncpg.OutOfMemoryError(),
    asyncpg.AdminShutdownError(),
    asyncpg.CrashShutdownError(),
    asyncpg.CannotConnectNowError(),
    asyncpg.QueryCanceledError(),
    asyncpg.ReadOnlySQLTransactionError(),
    asyncpg.ConnectionDoesNotExistError(),
    asyncpg.InterfaceError("connection is closed"),
    ConnectionResetError(),
    TimeoutError(),
]
BUGS = [
    asyncpg.UniqueViolationError(),
    asyncpg.CheckViolationError(),
    asyncpg.UndefinedColumnError(),
    asyncpg.InterfaceError("the server expects 2 arguments for this query, 1 was passed"),
    ValueError("closed"),
    KeyError(),
]


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
def test_an_outage_or_a_collision_may_succeed_later(error: Exception) -> None:
    assert database.passes(error)


@pytest.mark.parametrize("error", BUGS, ids=lambda error: type(error).__name__)
def test_a_bug_never_passes(error: Exception) -> None:
    assert not database.passes(error)

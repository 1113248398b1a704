"""A database whose disk is full, for real: what arrives waits, and nothing is buried for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from dev.places import unprivileged_user
from dev.postgres import Postgres
from shared import database, outbox
from shared.database import Pool
from shared.errors import Unavailable
from tests import infrastructure
from tests.chassis_service import happened
from tests.infrastructure import Road
from tests.service.chassis.ground import dead
from tests.service.conftest import Deliver

SIZE = "4m"
EVENTS = 400


@dataclass(frozen=True)
class Disk:
    """A disk of a few mebibytes, and the tablespace on it."""

    folder: Path
    tablespace: str

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self.folder / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)

    def clear(self) -> None:
        (self.folder / "filler").unlink()


@pytest.fixture
async def disk(postgres: Postgres) -> AsyncIterator[Disk]:
    """Torn down after the test's database, which keeps tables on it."""
    user = unprivileged_user()
    if infrastructure.postgres_road() is not Road.LOCAL or not user:
        pytest.skip("only a PostgreSQL that root has started on this machine can have a disk of its own")
    with infrastructure.home("disk") as folder, _mounted(folder, pwd.getpwnam(user).pw_uid):
        disk = Disk(folder, f"disk_{os.getpid()}")
        place = folder / "tablespace"
        place.mkdir(mode=0o700)
        os.chown(place, pwd.getpwnam(user).pw_uid, -1)
        await _say(postgres.url(), f"CREATE TABLESPACE {disk.tablespace} LOCATION '{place}'")
        yield disk
        await _say(postgres.url(), f"DROP TABLESPACE {disk.tablespace}")


@contextlib.contextmanager
def _mounted(folder: Path, uid: int) -> Iterator[None]:
    options = f"size={SIZE},uid={uid},mode=0755"
    done = subprocess.run(("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)), check=False)
    if done.returncode:
        pytest.skip("nothing may be mounted here (a container without CAP_SYS_ADMIN)")
    try:
        yield
    finally:
        subprocess.run(("umount", str(folder)), check=True)


async def _say(url: str, *statements: str) -> None:
    conn = await asyncpg.connect(url)
    try:
        for one in statements:
            await conn.execute(one)
    finally:
        await conn.close()


async def test_what_finds_no_room_on_the_disk_waits_and_is_handled_when_there_is_some(
    disk: Disk, postgres: Postgres, pool: Pool, deliver: Deliver
) -> None:
    name = await pool.fetchval("SELECT current_database()")
    await _say(postgres.url(name), f"ALTER TABLE effect SET TABLESPACE {disk.tablespace}")
    records = [deliver.record(happened(number=number, thing=number)) for number in range(EVENTS)]

    await asyncio.to_thread(disk.fill)
    await deliver(*records)
    waits, kept = deliver.waits, await pool.fetchval("SELECT count(*) FROM effect")
    await asyncio.to_thread(disk.clear)
    await deliver(*records)

    assert len(waits) == 1
    assert kept < EVENTS
    assert not deliver.waits
    rows = await pool.fetch("SELECT number FROM effect ORDER BY place")
    assert [row["number"] for row in rows] == list(range(EVENTS))
    assert await dead(pool) == []
    assert await pool.fetchval("SELECT count(*) FROM grave") == 0


async def test_what_is_said_finds_no_room_on_the_disk_and_whoever_says_it_hears_so(
    disk: Disk, postgres: Postgres, pool: Pool
) -> None:
    name = await pool.fetchval("SELECT current_database()")
    await _say(postgres.url(name), f"ALTER TABLE outbox SET TABLESPACE {disk.tablespace}")
    events = [happened(number=number) for number in range(EVENTS)]

    await asyncio.to_thread(disk.fill)
    with pytest.raises(Unavailable):
        async with database.transaction(pool) as conn:
            await outbox.send(conn, *events)
    await asyncio.to_thread(disk.clear)
    async with database.transaction(pool) as conn:
        await outbox.send(conn, *events)

    assert await pool.fetchval("SELECT count(*) FROM outbox") == EVENTS

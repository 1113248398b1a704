"""The parts that every other test stands on."""

import itertools

import asyncpg
import pytest
from confluent_kafka.admin import AdminClient

from dev.postgres import Postgres, Role
from tests.infrastructure import PASSWORD

SERVICES = ("gateway", "prescription", "safety_check", "signing", "notification")


async def test_no_service_enters_the_database_of_another(postgres: Postgres) -> None:
    for service in SERVICES:
        await enter(postgres.make_database(Role.of(service, PASSWORD)))

    for role, database in itertools.permutations(SERVICES, 2):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await enter(postgres.url(database, role, PASSWORD))


async def test_rows_of_the_gateway_are_hidden_until_it_becomes_their_owner(postgres: Postgres) -> None:
    conn = await asyncpg.connect(postgres.make_database(Role.of("gateway", PASSWORD)))

    try:
        async with conn.transaction():
            await conn.execute("SET LOCAL ROLE gateway_owner")
            await conn.execute("CREATE TABLE IF NOT EXISTS seen_by_owner AS SELECT 1 AS row")

        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.fetch("SELECT row FROM seen_by_owner")
    finally:
        await conn.close()


def test_a_broker_makes_no_topic_by_accident(kafka: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})

    admin.list_topics("nobody-declared-this-v1", timeout=5)

    assert "nobody-declared-this-v1" not in admin.list_topics(timeout=5).topics


async def enter(url: str) -> None:
    conn = await asyncpg.connect(url)
    await conn.close()

"""Asking and being answered: keys, waiting, look-up and views, on a real Postgres."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import pytest
from pydantic import SecretStr
from starlette.requests import Request as HttpRequest

from contracts.message import Caller
from contracts.prescription_commands import VoidPrescription
from services.gateway.auth.principal import Principal
from services.gateway.commands import Commands
from services.gateway.handlers import handlers
from services.gateway.messages.answers import Answer
from services.gateway.messages.errors import Problem
from services.gateway.messages.ids import spell
from services.gateway.settings import Settings
from services.gateway.store import answered, at_rest, data_keys, requests, views
from shared import clock, ids, outbox
from shared.database import Pool, transaction
from shared.errors import Unavailable
from tests import prescriptions as known
from tests.gateway import DATA_KEY
from tests.infrastructure import Database, until
from tests.service.conftest import Deliver, kinds, open_pool_at, said

CALLER = Principal(known.TENANT, "clinic-ehr", "clinica-norte", frozenset({"ehr:write"}))
PATH = "/ehr/v1/prescriptions/x/void"
BODY = {"reason": "Patient reports rash."}


@dataclass
class Desk:
    """One instance's commands, beside the handlers that answer them."""

    database: Database
    owner: Pool
    pool: Pool
    commands: Commands
    deliver: Deliver

    async def ask(
        self,
        key: str | None = None,
        body: dict[str, object] | None = None,
        request_id: UUID | None = None,
        prefer: str | None = None,
        caller: Principal = CALLER,
        path: str = PATH,
    ) -> Answer:
        """What an endpoint does, in its order."""
        body = BODY if body is None else body
        request_id = request_id or ids.new()
        request = http_request(request_id, key=key, prefer=prefer, path=path)
        earlier = await self.commands.earlier(request, caller, body)
        if earlier is not None:
            return earlier
        return await self.commands.ask(request, caller, body, command(request_id))

    async def answer(self, request_id: UUID, **changes: object) -> None:
        await self.deliver(known.succeeded(known.voided(), request_id=request_id, **changes))

    async def asked(self) -> list[UUID]:
        """The commands that have gone out."""
        return [one.message.request_id for one in await said(self.owner)]  # type: ignore[union-attr]


def http_request(
    request_id: UUID, *, key: str | None = None, prefer: str | None = None, path: str = PATH
) -> HttpRequest:
    headers = [(b"idempotency-key", key.encode())] if key is not None else []
    if prefer is not None:
        headers.append((b"prefer", prefer.encode()))
    return HttpRequest(
        {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": headers,
            "state": {"request_id": request_id},
        }
    )


def command(request_id: UUID) -> VoidPrescription:
    return VoidPrescription(
        tenant_id=known.TENANT,
        prescription_id=known.PRESCRIPTION,
        request_id=request_id,
        caller=Caller(tenant_id=known.TENANT, client="clinic-ehr"),
        deadline=clock.now() + timedelta(minutes=15),
        reason="Patient reports rash.",
    )


def settings(url: str) -> Settings:
    return Settings(
        database_url=url,
        kafka_bootstrap="127.0.0.1:1",
        instance="gateway-0",
        base_url="https://rx.example.org",
        secret_key=SecretStr("invented for this test, 32 letters"),
        data_key=SecretStr(DATA_KEY),
    )


@pytest.fixture
async def desk(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Desk]:
    made = await database("gateway")
    owner = await open_pool_at(made.url, role="gateway_owner")
    pool = await open_pool_at(made.url, max_size=12)
    async with transaction(owner) as conn:
        await data_keys.read(conn, DATA_KEY, now=clock.now())
    try:
        async with Commands(pool=pool, owner=owner, settings=settings(made.url)) as commands:
            yield Desk(made, owner, pool, commands, Deliver(handlers, owner))
    finally:
        await pool.close()
        await owner.close()
        clock.reset()


TOLD_HERE = answered.once_committed


@pytest.fixture(autouse=True)
def stored_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outcomes here are stored as if by another instance: only the database can tell of them."""
    monkeypatch.setattr(answered, "once_committed", lambda _: None)


async def begun(desk: Desk, **asked: object) -> tuple[UUID, asyncio.Task[Answer]]:
    """A request whose command has gone out."""
    request_id = ids.new()
    task = asyncio.create_task(desk.ask(request_id=request_id, **asked))  # type: ignore[arg-type]

    async def gone() -> bool:
        return request_id in await desk.asked()

    await until(gone, seconds=5)
    return request_id, task


async def test_a_request_waits_for_its_outcome(desk):
    request_id, task = await begun(desk)

    await desk.answer(request_id)
    answer = await asyncio.wait_for(task, 5)

    assert answer.status == 200
    assert answer.headers["X-Request-ID"] == spell("req", request_id)
    assert json.loads(answer.content())["status"] == "PRESCRIPTION_VOIDED"


async def test_what_this_instance_stored_itself_is_heard_of_without_the_database(desk, monkeypatch):
    monkeypatch.setattr(answered, "once_committed", TOLD_HERE)
    monkeypatch.setattr(requests, "answers", nothing)
    request_id, task = await begun(desk, key="a")

    await desk.answer(request_id)
    answer = await asyncio.wait_for(task, 5)
    monkeypatch.undo()
    again = await desk.ask(key="a")

    assert (answer.status, answer.content()) == (again.status, again.content()) == (200, again.content())


async def test_who_hears_of_an_answer_here_reads_its_effect_at_once(desk, monkeypatch):
    monkeypatch.setattr(answered, "once_committed", TOLD_HERE)
    request_id = ids.new()

    async def asked_and_read() -> views.Shown | None:
        await desk.ask(request_id=request_id)
        return await views.find(desk.pool, tenant_id=known.TENANT, prescription_id=known.PRESCRIPTION)

    task = asyncio.create_task(asked_and_read())
    await until_asked(desk, 1)
    monkeypatch.setattr(outbox, "write", slowly)
    await desk.answer(request_id)
    shown = await asyncio.wait_for(task, 5)

    assert shown is not None
    assert shown.prescription == known.voided()


async def slowly(*_: object) -> None:
    """The last thing before a commit takes so long that whoever hears of it too early reads too early."""
    await asyncio.sleep(0.3)


async def nothing(*_: object) -> dict[UUID, Answer]:
    return {}


async def test_a_read_after_the_answer_sees_its_effect(desk):
    request_id, task = await begun(desk)

    await desk.answer(request_id)
    await asyncio.wait_for(task, 5)
    shown = await views.find(desk.pool, tenant_id=known.TENANT, prescription_id=known.PRESCRIPTION)

    assert shown is not None
    assert shown.prescription == known.voided()


async def test_a_refusal_is_answered_with_its_request_in_it(desk):
    request_id, task = await begun(desk)

    await desk.deliver(known.refused("prescription_dispensed", request_id=request_id))
    answer = await asyncio.wait_for(task, 5)
    body = json.loads(answer.content())

    assert (answer.status, body["code"]) == (409, "prescription_dispensed")
    assert body["instance"] == f"/v1/requests/{spell('req', request_id)}"
    assert body["type"] == "https://rx.example.org/errors/prescription_dispensed"


async def test_of_a_slow_answer_the_client_gets_a_place_to_ask(desk):
    request_id = ids.new()

    answer = await desk.ask(request_id=request_id, prefer="respond-async")

    assert answer.status == 202
    assert dict(answer.headers) == {
        "Location": f"/v1/requests/{spell('req', request_id)}",
        "Retry-After": "1",
        "X-Request-ID": spell("req", request_id),
        "Preference-Applied": "respond-async",
    }
    assert json.loads(answer.content())["state"] == "PENDING"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [("wait=0", "wait=0"), ("wait=61", None), ("wait=x", None), ("respond-async, wait=5", "respond-async")],
)
async def test_only_a_preference_that_was_honoured_is_echoed(desk, prefer, applied):
    asked = asyncio.create_task(desk.ask(prefer=prefer))
    if applied is None:
        (request_id,) = await until_asked(desk, 1)
        await desk.answer(request_id)

    assert (await asyncio.wait_for(asked, 5)).headers.get("Preference-Applied") == applied


async def until_asked(desk: Desk, count: int) -> list[UUID]:
    async def gone() -> bool:
        return len(await desk.asked()) >= count

    await until(gone, seconds=5)
    return await desk.asked()


async def test_the_same_request_again_gets_the_first_answer_byte_for_byte(desk):
    request_id, task = await begun(desk, key="a")
    await desk.answer(request_id)
    first = await asyncio.wait_for(task, 5)

    again = await desk.ask(key="a")

    assert (again.status, again.content()) == (first.status, first.content())
    assert dict(again.headers) == {**first.headers, "Idempotency-Replayed": "true"}
    assert await desk.asked() == [request_id]


async def test_a_repetition_waits_for_the_first_while_it_runs(desk):
    request_id, first = await begun(desk, key="a")
    again = asyncio.create_task(desk.ask(key="a"))
    await asyncio.sleep(0.1)
    assert not again.done()

    await desk.answer(request_id)

    answers = await asyncio.wait_for(asyncio.gather(first, again), 5)
    assert answers[0].content() == answers[1].content()
    assert answers[1].headers["Idempotency-Replayed"] == "true"


async def test_fifty_at_once_under_one_key_send_one_command(desk):
    tasks = [asyncio.create_task(desk.ask(key="a")) for _ in range(50)]
    (request_id,) = await until_asked(desk, 1)

    await desk.answer(request_id)
    answers = await asyncio.wait_for(asyncio.gather(*tasks), 10)

    assert await desk.asked() == [request_id]
    assert {(one.status, one.content()) for one in answers} == {(200, answers[0].content())}
    assert sum("Idempotency-Replayed" in one.headers for one in answers) == 49


async def test_what_comes_together_is_accepted_in_few_transactions(desk):
    answers = await asyncio.gather(*(desk.ask(prefer="respond-async") for _ in range(50)))

    assert [one.status for one in answers] == [202] * 50
    assert len(set(await desk.asked())) == 50
    assert await desk.owner.fetchval("SELECT count(DISTINCT xmin::text) FROM request") < 10


async def test_what_cannot_be_stored_costs_no_other_request(desk):
    paths = [PATH, PATH, f"{PATH}\0", PATH, PATH]

    answers = await asyncio.gather(
        *(desk.ask(prefer="respond-async", path=path) for path in paths), return_exceptions=True
    )

    assert [isinstance(one, Answer) for one in answers] == [True, True, False, True, True]
    assert len(await desk.asked()) == 4


async def test_other_content_under_a_key_that_runs_or_has_succeeded_is_refused(desk):
    request_id, task = await begun(desk, key="a")
    with pytest.raises(Problem) as while_running:
        await desk.ask(key="a", body={"reason": "Something else."})
    await desk.answer(request_id)
    await asyncio.wait_for(task, 5)

    with pytest.raises(Problem) as after_success:
        await desk.ask(key="a", body={"reason": "Something else."})

    assert [one.value.code for one in (while_running, after_success)] == ["idempotency_key_reused"] * 2


async def test_key_order_and_white_space_make_no_other_content(desk):
    request_id, task = await begun(desk, key="a", body={"reason": "Rash.", "reason_code": "ERROR"})
    await desk.answer(request_id)
    await asyncio.wait_for(task, 5)

    again = await desk.ask(key="a", body={"reason_code": "ERROR", "reason": "Rash."})

    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("body", [BODY, {"reason": "Repaired."}])
async def test_after_a_refusal_whatever_comes_under_the_key_is_evaluated_anew(desk, body):
    request_id, task = await begun(desk, key="a")
    await desk.deliver(known.refused("prescription_dispensed", request_id=request_id))
    await asyncio.wait_for(task, 5)

    second_id, second = await begun(desk, key="a", body=body)
    await desk.answer(second_id)
    answer = await asyncio.wait_for(second, 5)

    assert (answer.status, "Idempotency-Replayed" in answer.headers) == (200, False)


async def test_a_key_is_forgotten_after_seven_days(desk):
    request_id, task = await begun(desk, key="a")
    await desk.answer(request_id)
    await asyncio.wait_for(task, 5)

    clock.shift(timedelta(days=7, seconds=1))
    second_id, second = await begun(desk, key="a", body={"reason": "Something else."})
    await desk.answer(second_id)

    assert (await asyncio.wait_for(second, 5)).status == 200


async def test_another_client_has_keys_of_its_own(desk):
    request_id, task = await begun(desk, key="a")
    other = Principal(known.TENANT, "other-ehr", "clinica-norte", frozenset({"ehr:write"}))

    second_id, second = await begun(desk, key="a", body={"reason": "Something else."}, caller=other)
    await desk.answer(request_id)
    await desk.answer(second_id)

    assert {one.status for one in await asyncio.gather(task, second)} == {200}


@pytest.mark.parametrize("key", ["", "with blank", "ü", "x" * 256])
async def test_a_key_that_is_no_key_is_refused(desk, key):
    with pytest.raises(Problem) as refused:
        await desk.ask(key=key)

    assert refused.value.code == "invalid_header"
    assert [entry.path for entry in refused.value.entries] == ["header.Idempotency-Key"]


async def test_a_client_finds_its_own_requests_and_no_other_client_does(desk):
    request_id, task = await begun(desk, key="a")
    pending = await requests.find(
        desk.pool, tenant_id=known.TENANT, client="clinic-ehr", request_id=request_id
    )
    await desk.answer(request_id)
    answer = await asyncio.wait_for(task, 5)

    found = await requests.find_newest(desk.pool, tenant_id=known.TENANT, client="clinic-ehr", key="a")
    others = [
        await requests.find(desk.pool, tenant_id=tenant, client=client, request_id=request_id)
        for tenant, client in ((known.TENANT, "other-ehr"), (known.OTHER_TENANT, "clinic-ehr"))
    ]

    assert pending is not None
    assert (pending.state, pending.answer) == ("PENDING", None)
    assert found is not None
    assert found.answer is not None
    assert (found.state, found.answer.content()) == ("SUCCEEDED", answer.content())
    assert others == [None, None]


async def test_an_outcome_that_came_while_nobody_listened_is_found_after_reconnecting(desk):
    request_id, task = await begun(desk)

    await desk.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gateway outcomes'"
        " AND datname = current_database()"
    )
    await desk.answer(request_id)

    assert (await asyncio.wait_for(task, 5)).status == 200


async def test_another_instance_hears_of_the_outcome_too(desk):
    async with Commands(pool=desk.pool, owner=desk.owner, settings=settings(desk.database.url)) as second:
        request_id, first = await begun(desk, key="a")
        again = asyncio.create_task(second.earlier(http_request(ids.new(), key="a"), CALLER, BODY))
        await asyncio.sleep(0.1)

        await desk.answer(request_id)
        answers = await asyncio.wait_for(asyncio.gather(first, again), 5)

    assert answers[0].content() == answers[1].content()


async def test_what_was_accepted_survives_the_instance_that_accepted_it(desk):
    request_id = ids.new()
    async with Commands(pool=desk.pool, owner=desk.owner, settings=settings(desk.database.url)) as gone:
        request = http_request(request_id, key="a", prefer="respond-async")
        await gone.ask(request, CALLER, BODY, command(request_id))

    await desk.answer(request_id)
    again = await desk.ask(key="a")

    assert await desk.asked() == [request_id]
    assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")


async def test_an_outcome_delivered_twice_is_told_once(desk):
    request_id, task = await begun(desk)
    await desk.answer(request_id)
    first = await asyncio.wait_for(task, 5)

    await desk.deliver(known.refused("prescription_dispensed", request_id=request_id))
    found = await requests.find(desk.pool, tenant_id=known.TENANT, client="clinic-ehr", request_id=request_id)

    assert found is not None
    assert found.answer is not None
    assert found.answer.content() == first.content()


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_view_only_moves_to_a_higher_revision(desk, newest_first):
    older, newer = known.changed(known.prescription()), known.changed(known.voided())

    await desk.deliver(*((newer, older) if newest_first else (older, newer)))
    shown = await views.find(desk.pool, tenant_id=known.TENANT, prescription_id=known.PRESCRIPTION)

    assert shown is not None
    assert shown.prescription == known.voided()


async def somebody_waits(pool: Pool) -> bool:
    """Whether a session of this database waits for a lock."""
    return bool(
        await pool.fetchval(
            """
            SELECT EXISTS (
                   SELECT
                     FROM pg_stat_activity
                    WHERE datname = current_database()
                      AND wait_event_type = 'Lock')
            """
        )
    )


async def test_an_older_state_that_is_told_later_changes_no_view(desk):
    await desk.deliver(known.changed(known.voided()))
    await desk.deliver(known.changed(known.prescription()))

    shown = await views.find(desk.pool, tenant_id=known.TENANT, prescription_id=known.PRESCRIPTION)

    assert shown is not None
    assert shown.prescription == known.voided()


async def test_of_two_processes_that_show_one_prescription_the_newer_state_stays(desk):
    """The older one is written while nobody can see the newer one yet."""
    async with desk.owner.acquire() as newer, desk.owner.acquire() as older:
        showing = newer.transaction()
        await showing.start()
        await views.keep(newer, [known.voided()])
        late = asyncio.create_task(views.keep(older, [known.prescription()]))
        await until(lambda: somebody_waits(desk.pool), seconds=10)
        await showing.commit()
        await late
    shown = await views.find(desk.pool, tenant_id=known.TENANT, prescription_id=known.PRESCRIPTION)

    assert shown is not None
    assert shown.prescription == known.voided()


async def test_a_stranger_sees_no_prescription(desk):
    await desk.deliver(known.changed(known.prescription()))

    assert (
        await views.find(desk.pool, tenant_id=known.OTHER_TENANT, prescription_id=known.PRESCRIPTION) is None
    )
    assert await desk.pool.fetchval("SELECT count(*) FROM prescription_view") == 0


async def test_a_pharmacy_is_shown_its_dispensation_without_what_it_never_sees(desk):
    state = known.prescription(dispensations=(known.dispensation(),), notes="Only for the clinic")

    await desk.deliver(known.changed(state))
    row = await desk.owner.fetchrow(
        "SELECT tenant_id, owner_id, dispensation_id, state FROM dispensation_view"
    )

    assert (row["tenant_id"], row["owner_id"]) == (known.PHARMACY, known.TENANT)
    kept = at_rest.DISPENSATION.open(row["state"], known.PHARMACY, row["dispensation_id"]).decode()
    assert "Ana" in kept
    for secret in ("Only for the clinic", "R51", "ana@example.org", "c2ln"):
        assert secret not in kept


async def test_what_was_dispensed_by_a_change_of_status_is_listed_to_no_pharmacy(desk):
    state = known.prescription(dispensations=(known.dispensation(source="status_patch"),))

    await desk.deliver(known.changed(state))

    assert await desk.owner.fetchval("SELECT count(*) FROM prescription_view") == 1
    assert await desk.owner.fetchval("SELECT count(*) FROM dispensation_view") == 0


async def act_that_registers(conn, request_id):
    await conn.execute("INSERT INTO outbox (topic, headers) VALUES ('t', '[]')")
    return Answer(201, {"product_code": "MED-042"})


async def test_a_directory_write_is_done_once_per_key(desk):
    first = await desk.commands.at_once(http_request(ids.new(), key="a"), CALLER, BODY, act_that_registers)
    again = await desk.commands.at_once(http_request(ids.new(), key="a"), CALLER, BODY, act_that_registers)

    assert (first.status, first.content()) == (again.status, again.content())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await desk.owner.fetchval("SELECT count(*) FROM outbox") == 1


async def test_a_refused_directory_write_leaves_nothing_but_its_record(desk):
    request_id = ids.new()

    async def refuse(conn, _):
        await conn.execute("INSERT INTO outbox (topic, headers) VALUES ('t', '[]')")
        raise Problem("patient_exists", patient_id="pat_x")

    told = await desk.commands.at_once(http_request(request_id, key="a"), CALLER, BODY, refuse)
    found = await requests.find(desk.pool, tenant_id=known.TENANT, client="clinic-ehr", request_id=request_id)

    assert await desk.owner.fetchval("SELECT count(*) FROM outbox") == 0
    assert found is not None
    assert found.answer is not None
    assert (found.state, json.loads(found.answer.content())["patient_id"]) == ("FAILED", "pat_x")
    assert (told.status, told.content()) == (409, found.answer.content())


async def test_a_directory_write_too_is_answered_before_the_client_waits(desk):
    async def refuse(conn, _):
        raise Problem("patient_exists", patient_id="pat_x")

    outcomes = []
    for act in (act_that_registers, refuse):
        request_id = ids.new()
        request = http_request(request_id, key=str(request_id), prefer="respond-async")
        told = await desk.commands.at_once(request, CALLER, BODY, act)
        assert (told.status, told.headers["Preference-Applied"]) == (202, "respond-async")
        assert json.loads(told.content())["state"] == "PENDING"
        found = await requests.find(
            desk.pool, tenant_id=known.TENANT, client="clinic-ehr", request_id=request_id
        )
        outcomes.append((found.state, found.answer.status))

    assert outcomes == [("SUCCEEDED", 201), ("FAILED", 409)]


async def test_the_wait_for_a_directory_write_is_echoed(desk):
    request = http_request(ids.new(), prefer="wait=5")

    told = await desk.commands.at_once(request, CALLER, BODY, act_that_registers)

    assert (told.status, told.headers["Preference-Applied"]) == (201, "wait=5")


class Cable:
    """The wire to the database, which breaks at a commit: before it arrives, or before its answer does."""

    def __init__(self, url: str, breaks: bytes) -> None:
        self._to = urlsplit(url)
        self._breaks = breaks
        self.armed = False

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(self._to._replace(netloc=f"{self._to.netloc.rpartition(':')[0]}:{port}"))

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(self._to.hostname, self._to.port)
        await asyncio.gather(self._pass(reader, to_writer), self._pass(to_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if self.armed and self._breaks in data:
                    self.armed = False
                    await asyncio.sleep(0.05)
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


# A client's `COMMIT;` in a query message, and the server's word that it has committed.
ON_ITS_WAY, ITS_ANSWER = b"COMMIT;", b"COMMIT\0"


@pytest.mark.parametrize("breaks", [ON_ITS_WAY, ITS_ANSWER])
async def test_a_commit_that_broke_off_is_one_request_and_no_error(desk, breaks):
    cable = Cable(desk.database.url, breaks)
    async with cable as url:
        pool = await open_pool_at(url, max_size=2)
        async with Commands(pool=pool, owner=desk.owner, settings=settings(desk.database.url)) as commands:
            request_id = ids.new()
            cable.armed = True
            task = asyncio.create_task(
                commands.ask(http_request(request_id, key="a"), CALLER, BODY, command(request_id))
            )
            await until_asked(desk, 1)
            await desk.answer(request_id)
            answer = await asyncio.wait_for(task, 5)
        pool.terminate()

    assert (answer.status, cable.armed) == (200, False)
    assert await desk.asked() == [request_id]


@pytest.mark.parametrize("breaks", [ON_ITS_WAY, ITS_ANSWER])
async def test_a_directory_write_whose_commit_broke_off_is_done_once(desk, breaks):
    cable = Cable(desk.database.url, breaks)
    async with cable as url:
        pool = await open_pool_at(url, max_size=2)
        async with Commands(pool=pool, owner=desk.owner, settings=settings(desk.database.url)) as commands:
            cable.armed = True
            request = http_request(ids.new(), key="a")
            answer = await commands.at_once(request, CALLER, BODY, act_that_registers)
        pool.terminate()

    assert (answer.status, cable.armed) == (201, False)
    assert await desk.owner.fetchval("SELECT count(*) FROM outbox") == 1


async def test_nothing_is_accepted_while_the_database_is_away(desk):
    await desk.pool.close()

    with pytest.raises(Unavailable):
        await desk.ask(key="a")


async def test_finished_requests_are_forgotten_after_seven_days_and_running_ones_are_not(desk):
    request_id, task = await begun(desk)
    await desk.answer(request_id)
    await asyncio.wait_for(task, 5)
    running, waiting = await begun(desk)

    later = clock.now() + timedelta(days=7, seconds=1)
    assert await requests.prune(desk.owner, now=later) == 1

    assert [row["request_id"] for row in await desk.owner.fetch("SELECT request_id FROM request")] == [
        running
    ]
    await desk.answer(running)
    await asyncio.wait_for(waiting, 5)


async def test_the_outbox_of_a_write_names_its_request_as_correlation(desk):
    request_id, task = await begun(desk)
    await desk.answer(request_id)
    await asyncio.wait_for(task, 5)

    (sent,) = await said(desk.owner)

    assert kinds([sent]) == ["VoidPrescription"]
    assert sent.envelope is not None
    assert sent.envelope.correlationid == str(request_id)

"""Notification on a real Postgres and a real local SMTP server."""

import asyncio
import email
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from uuid import UUID

import pypdfium2
import pytest
import structlog
from aiosmtpd.smtp import SMTP

from contracts import values
from contracts.command_outcomes import CommandRefused
from contracts.notification_commands import MakeDocument, SendOneTimePassword
from contracts.notification_events import DeliveryFailed, DeliverySucceeded, DocumentFinished
from contracts.prescription_events import DeliveryRequested
from services.notification import pdf, store, work
from services.notification.handlers import handlers
from services.notification.mailer import Sender, SmtpMailer
from services.notification.work import Tools, works
from shared import clock
from shared.database import Pool, transaction
from shared.work import Job, Worker
from tests.infrastructure import until
from tests.notification_builders import printed
from tests.service.conftest import Deliver, said

EXAMPLES = Path(__file__).parents[2] / "contracts/examples"
REQUESTED = DeliveryRequested.model_validate_json(
    (EXAMPLES / "recepta.prescription.delivery-requested.v1/first.json").read_bytes()
)
WANTED = MakeDocument.model_validate_json(
    (EXAMPLES / "recepta.notification.make-document.v1/first.json").read_bytes()
).model_copy(update={"deadline": None})
CODE = SendOneTimePassword.model_validate_json(
    (EXAMPLES / "recepta.notification.send-one-time-password.v1/first.json").read_bytes()
)
SECOND = UUID("019eff90-0000-7000-8000-0000000000d2")
SECONDS = 15


class Server:
    """A local SMTP server that answers as told, and keeps what it takes."""

    def __init__(self) -> None:
        self.answer = "250 OK"
        self.asked = 0
        self.kept: list[EmailMessage] = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.asked += 1
        envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server, session, envelope):
        self.kept.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    @property
    def message_ids(self) -> list[str]:
        return [mail["Message-ID"] for mail in self.kept]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def pool(open_pool) -> Pool:
    return await open_pool("notification")


@pytest.fixture
async def tools(pool, server) -> AsyncIterator[Tools]:
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: SMTP(server, hostname="mail.example", loop=loop), "127.0.0.1", 0
    )
    sender = Sender("Recepta", "no-reply@rx.example.org")
    port = listener.sockets[0].getsockname()[1]
    yield Tools(pool, SmtpMailer("127.0.0.1", port, sender, seconds_max=5.0), sender.domain)
    listener.close()
    await listener.wait_closed()
    clock.reset()


@pytest.fixture
def deliver(pool) -> Deliver:
    return Deliver(handlers, pool)


@asynccontextmanager
async def working(tools: Tools) -> AsyncIterator[None]:
    """The service's clockwork, for as long as the block lasts."""
    worker = Worker(works, tools.pool, tools)
    worker.start()
    try:
        yield
    finally:
        await worker.stop()


async def told(pool: Pool, count: int) -> list[object]:
    """What the outbox holds, once it holds so much."""

    async def enough() -> bool:
        return len(await said(pool)) >= count

    await until(enough, seconds=SECONDS)
    return [one.message for one in await said(pool)]


async def due_in(pool: Pool) -> timedelta:
    """How far off the next attempt of the one delivery is; waits until it has been put off."""

    async def put_off() -> bool:
        return await pool.fetchval("SELECT due_at > $1 AND leased_until IS NULL FROM work", clock.now())

    await until(put_off, seconds=SECONDS)
    due: timedelta = await pool.fetchval("SELECT due_at - $1 FROM work", clock.now())
    return due


def pages(content: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(content)
    return [" ".join(page.get_textpage().get_text_bounded().split()) for page in document]


async def test_a_delivery_that_is_wanted_becomes_a_mail_with_the_document(pool, tools, deliver, server):
    await deliver(REQUESTED)

    async with working(tools):
        [event] = await told(pool, 1)

    [mail] = server.kept
    [attachment] = mail.iter_attachments()
    assert mail["To"] == "ana.lopez@example.org"
    assert "RX-2026-9182407133560285" in pages(attachment.get_content())[0]
    assert isinstance(event, DeliverySucceeded)
    assert (event.delivery_id, event.message_id) == (REQUESTED.delivery_id, mail["Message-ID"])
    assert mail["Message-ID"] == f"<{REQUESTED.delivery_id}@rx.example.org>"


async def test_address_and_content_are_forgotten_when_a_delivery_has_ended(pool, tools, deliver):
    await deliver(REQUESTED)
    async with working(tools):
        await told(pool, 1)

    row = await pool.fetchrow("SELECT state, email_address, printed, message_id FROM delivery")

    assert (row["state"], row["email_address"], row["printed"]) == ("delivered", None, None)
    assert row["message_id"] == f"<{REQUESTED.delivery_id}@rx.example.org>"
    assert await pool.fetchval("SELECT count(*) FROM work") == 0


async def test_told_twice_it_is_one_delivery_and_another_delivery_is_another_mail(
    pool, tools, deliver, server
):
    other = REQUESTED.model_copy(update={"delivery_id": SECOND})
    await deliver(REQUESTED, REQUESTED, other)
    await deliver(REQUESTED)

    async with working(tools):
        await told(pool, 2)
    await deliver(REQUESTED)

    assert await pool.fetchval("SELECT count(*) FROM work") == 0
    assert len(server.kept) == len(set(server.message_ids)) == 2
    assert await pool.fetchval("SELECT count(*) FROM document") == 1


async def test_what_the_server_refuses_for_now_is_tried_again_under_the_same_message_id(
    pool, tools, deliver, server
):
    server.answer = "451 greylisted"
    await deliver(REQUESTED)

    async with working(tools):
        wait = await due_in(pool)
        assert await said(pool) == []
        server.answer = "250 OK"
        clock.shift(wait)
        [event] = await told(pool, 1)

    assert timedelta(0) < wait <= timedelta(seconds=10)
    assert server.asked == 2
    assert isinstance(event, DeliverySucceeded)
    assert server.message_ids == [event.message_id]


async def test_what_the_server_refuses_for_good_has_failed(pool, tools, deliver, server):
    server.answer = "550 no such mailbox as ana.lopez@example.org"
    await deliver(REQUESTED)

    async with working(tools):
        [event] = await told(pool, 1)

    assert isinstance(event, DeliveryFailed)
    assert event.reason == "recipient_refused (550)"
    assert (server.asked, server.kept) == (1, [])
    assert await pool.fetchval("SELECT state FROM delivery") == "failed"


async def test_what_is_no_address_has_failed_without_asking_anybody(pool, tools, deliver, server):
    await deliver(REQUESTED.model_copy(update={"email_address": "ana@@example"}))

    async with working(tools):
        [event] = await told(pool, 1)

    assert isinstance(event, DeliveryFailed)
    assert (event.reason, server.asked) == ("invalid_address", 0)


async def test_after_a_day_of_trying_a_delivery_has_failed(pool, tools, deliver, server):
    server.answer = "451 come back later"
    await deliver(REQUESTED)

    async with working(tools):
        await due_in(pool)
        clock.shift(timedelta(hours=24))
        [event] = await told(pool, 1)

    assert isinstance(event, DeliveryFailed)
    assert event.reason == "not_accepted_within_24_hours"


async def test_killed_between_sending_and_noting_it_the_mail_comes_again_under_its_message_id(
    pool, tools, deliver, server
):
    await deliver(REQUESTED)
    row = await pool.fetchrow("SELECT id, tenant_id, key, due_at FROM work")
    job = Job(row["id"], "mail", row["key"], row["tenant_id"], None, {}, 1, row["due_at"])

    await work.mail(job, tools)  # The process dies here: what was to be committed never is.
    async with working(tools):
        events = await told(pool, 1)

    assert len(server.kept) == 2
    assert set(server.message_ids) == {f"<{REQUESTED.delivery_id}@rx.example.org>"}
    assert [type(event) for event in events] == [DeliverySucceeded]


async def test_another_domain_of_the_sender_does_not_change_a_message_id(pool, tools, deliver, server):
    server.answer = "451 greylisted"
    await deliver(REQUESTED)
    async with working(tools):
        wait = await due_in(pool)

    server.answer = "250 OK"
    clock.shift(wait)
    async with working(Tools(pool, tools.mailer, "elsewhere.example")):
        await told(pool, 1)

    assert server.message_ids == [f"<{REQUESTED.delivery_id}@rx.example.org>"]


async def test_one_that_was_voided_before_it_was_mailed_says_so(pool, tools, deliver, server):
    voided = REQUESTED.prescription.model_copy(update={"status": values.Status.CANCELLED})
    await deliver(REQUESTED.model_copy(update={"prescription": voided}))

    async with working(tools):
        await told(pool, 1)

    [attachment] = server.kept[0].iter_attachments()
    assert "Receta anulada" in pages(attachment.get_content())[0]


async def test_what_cannot_be_delivered_by_mail_is_buried(pool, deliver, server):
    await deliver(REQUESTED.model_copy(update={"channel": "SMS"}))

    assert [one.topic for one in await said(pool)] == ["prescription-events-v1-dead"]
    assert await pool.fetchval("SELECT count(*) FROM delivery") == 0


async def test_a_document_that_is_asked_for_is_made_and_given(pool, tools, deliver):
    await deliver(WANTED)
    async with working(tools):
        [event] = await told(pool, 1)

    assert isinstance(event, DocumentFinished)
    assert (event.request_id, event.document_id) == (WANTED.request_id, WANTED.document_id)
    assert (event.revision, event.language) == (WANTED.prescription.revision, WANTED.language)
    assert event.sha256 == hashlib.sha256(event.content).hexdigest()
    assert WANTED.prescription.prescription_code in pages(event.content)[0]
    [only] = await said(pool)
    assert only.envelope.correlationid == str(WANTED.request_id)


async def test_a_document_is_made_once_and_then_given_at_once(pool, tools, deliver):
    await deliver(WANTED)
    async with working(tools):
        [first] = await told(pool, 1)

    await deliver(WANTED.model_copy(update={"request_id": SECOND}))

    _, again = await told(pool, 2)
    assert (again.request_id, again.content) == (SECOND, first.content)
    assert await pool.fetchval("SELECT count(*) FROM document") == 1


async def test_another_state_or_language_is_another_document(pool, tools, deliver):
    voided = WANTED.prescription.model_copy(update={"status": values.Status.CANCELLED})
    await deliver(
        WANTED.model_copy(update={"request_id": SECOND, "prescription": voided}),
        WANTED.model_copy(update={"language": "pt"}),
    )

    async with working(tools):
        events = await told(pool, 2)

    first_pages = {pages(event.content)[0].split(" RX-")[0] for event in events}
    assert len(first_pages) == 2
    assert any("Receta anulada" in page for page in first_pages)
    assert any("Receita médica eletrônica" in page for page in first_pages)


async def test_a_prescription_without_items_is_refused_and_its_client_told(pool, deliver):
    empty = WANTED.prescription.model_copy(update={"items": ()})

    await deliver(WANTED.model_copy(update={"prescription": empty}))

    [only] = await said(pool)
    event = only.message
    assert isinstance(event, CommandRefused)
    assert (only.topic, only.envelope.source) == ("command-outcomes-v1", "/notification")
    assert (event.request_id, event.code) == (WANTED.request_id, "items_required")


async def test_what_comes_after_its_deadline_is_ended_without_effect(pool, deliver):
    await deliver(WANTED.model_copy(update={"deadline": clock.now() - timedelta(seconds=1)}))

    [event] = [one.message for one in await said(pool)]
    assert (type(event), event.code) == (CommandRefused, "dependency_unavailable")
    assert await pool.fetchval("SELECT count(*) FROM work") == 0


async def test_a_document_that_cannot_be_made_leaves_nobody_waiting(pool, tools, deliver, monkeypatch):
    monkeypatch.setattr(pdf, "BYTES_MAX", 10)
    await deliver(WANTED, REQUESTED)

    async with working(tools):
        events = await told(pool, 2)

    assert {(type(event), getattr(event, "code", None) or event.reason) for event in events} == {
        (CommandRefused, "internal_error"),
        (DeliveryFailed, "document_not_made"),
    }


async def test_of_too_many_documents_of_one_prescription_the_oldest_go(pool):
    whose = (WANTED.tenant_id, WANTED.prescription_id)
    many = [printed(provider_name=str(number)) for number in range(store.DOCUMENTS_PER_PRESCRIPTION_MAX + 3)]

    for number, one in enumerate(many):
        async with transaction(pool) as conn:
            made_at = clock.now() + timedelta(seconds=number)
            await store.keep_document(conn, *whose, one, pdf=b"%PDF", made_at=made_at)

    async with transaction(pool) as conn:
        kept = [one for one in many if await store.find_document(conn, *whose, one) is not None]
    assert kept == many[3:]


async def test_a_stranger_tenant_finds_no_document(pool):
    async with transaction(pool) as conn:
        await store.keep_document(
            conn, WANTED.tenant_id, WANTED.prescription_id, printed(), pdf=b"%PDF", made_at=clock.now()
        )

        assert await store.find_document(conn, SECOND, WANTED.prescription_id, printed()) is None


@pytest.mark.parametrize(
    "answer", ["250 OK", "550 no ana.lopez@example.org", "451 not now, ana.lopez@example.org"]
)
async def test_no_log_knows_the_address_or_the_patient(pool, tools, deliver, server, answer):
    server.answer = answer

    with structlog.testing.capture_logs() as logs:
        await deliver(REQUESTED)
        async with working(tools):
            await until(lambda: server.asked, seconds=SECONDS)
            await asyncio.sleep(0.2)

    for secret in ("ana.lopez", "example.org", "López", "paracetamol", "9182407133560285"):
        assert secret.lower() not in repr(logs).lower()


def living(**other: object) -> SendOneTimePassword:
    """The example, as if it had been asked for just now."""
    return CODE.model_copy(update={"expires_at": clock.now() + timedelta(minutes=5), **other})


async def no_work(pool: Pool) -> None:
    async def none_left() -> bool:
        return await pool.fetchval("SELECT count(*) = 0 FROM work")

    await until(none_left, seconds=SECONDS)


@pytest.mark.parametrize(
    ("language", "subject", "warning"),
    [
        ("es", "Su código de verificación", "Dígalo solo en el mostrador"),
        ("pt", "Seu código de verificação", "Diga-o somente no balcão"),
        ("en", "Your verification code", "Tell it at the pharmacy"),
    ],
)
async def test_a_code_is_mailed_in_the_language_of_its_reader_and_forgotten(
    pool, tools, deliver, server, language, subject, warning
):
    await deliver(living(language=language))

    async with working(tools):
        await no_work(pool)

    [mail] = server.kept
    text = mail.get_body(("plain",)).get_content()
    assert (mail["To"], mail["Subject"]) == ("ana.lopez@example.org", subject)
    assert mail["Message-ID"] == f"<{CODE.otp_id}@rx.example.org>"
    assert "048213" in text.splitlines()
    assert "Farmacia Sol" in text
    assert warning in text
    assert "048213" in mail.get_body(("html",)).get_content()
    assert await said(pool) == []


async def test_a_code_is_tried_again_while_it_lives_and_then_forgotten(pool, tools, deliver, server):
    server.answer = "451 greylisted"
    await deliver(living())

    with structlog.testing.capture_logs() as logs:
        async with working(tools):
            await due_in(pool)
            clock.shift(timedelta(minutes=5))
            await no_work(pool)

    assert server.asked >= 1
    assert server.kept == []
    assert "048213" not in str(logs)


async def test_a_code_that_the_server_refuses_for_good_is_forgotten(
    pool, tools, deliver, server, monkeypatch
):
    server.answer = "550 no such mailbox"
    await deliver(living())
    # Whatever another test has made of the logs of this process, what is said here is seen.
    said_of_it = structlog.testing.CapturingLogger()
    monkeypatch.setattr("services.notification.work.log", said_of_it)

    with structlog.testing.capture_logs() as logs:
        async with working(tools):
            await no_work(pool)

    assert server.asked == 1
    assert [call.kwargs["reason"] for call in said_of_it.calls] == ["recipient_refused (550)"]
    assert "048213" not in str(logs) + str(said_of_it.calls)
    assert "ana.lopez" not in str(logs) + str(said_of_it.calls)


async def test_a_code_that_died_on_its_way_is_not_mailed(pool, deliver):
    await deliver(living(expires_at=clock.now()))

    assert await pool.fetchval("SELECT count(*) FROM work") == 0


async def test_a_dead_letter_of_a_code_does_not_have_it(pool, deliver, monkeypatch):
    async def broken(conn, **row):
        raise ZeroDivisionError

    monkeypatch.setattr("shared.work.add", broken)

    with structlog.testing.capture_logs() as logs:
        await deliver(living())

    letters = [one for one in await said(pool) if one.topic.endswith("-dead")]
    kept = await pool.fetch("SELECT headers, value FROM outbox")
    assert [one.message for one in letters] == [b"{}"]
    assert "048213" not in str(kept)
    assert "048213" not in str(logs)

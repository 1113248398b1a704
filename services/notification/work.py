"""What notification does outside transactions: it makes documents and hands mails to the mail server."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import structlog

from services.notification import messages, pdf, store
from services.notification.domain.delivery import TRIED_TOO_LONG, UNPRINTABLE, Delivery, Refusal, message_id
from services.notification.domain.printed import PrintedPrescription
from services.notification.mailer import Letter, Mailer, Note, Undeliverable
from services.notification.pdf import Unprintable
from shared import clock
from shared.database import Connection, Pool, transaction
from shared.errors import Unavailable
from shared.outbox import Outbox, send
from shared.work import Finish, Job, Works

MAIL_LEASE_SECONDS = 120  # more than a mail may take (`smtp_seconds_max`) and its document
DOCUMENT_LEASE_SECONDS = 30
CODE_LEASE_SECONDS = 60
CODE_WAIT_SECONDS_MAX = 10
# More than there is time for while a code lives: it ends by its clock, never as a failed row that keeps it.
CODE_ATTEMPTS_MAX = 1_000

log = structlog.get_logger()
works = Works("notification")


@dataclass(frozen=True)
class Tools:
    """What the work is done with."""

    pool: Pool
    mailer: Mailer
    mail_domain: str
    verify_url: str | None = None


@works.on("document", lease_seconds=DOCUMENT_LEASE_SECONDS, concurrency=2)
async def make_document(job: Job, tools: Tools) -> Finish:
    """Make a document and give it to whoever asked; what cannot be printed is answered too."""
    wanted = messages.from_payload(job.payload)
    try:
        made = await _printed(wanted.printed, tools)
    except Unprintable as error:
        log.error("document_not_made", request_id=str(wanted.request_id), error=str(error))
        answer = messages.refused(wanted, error)

        async def tell(conn: Connection, outbox: Outbox) -> None:
            await send(conn, answer, correlation=wanted.correlation)

        return tell

    async def keep_and_give(conn: Connection, outbox: Outbox) -> None:
        await store.keep_document(
            conn, wanted.tenant_id, wanted.prescription_id, wanted.printed, pdf=made, made_at=clock.now()
        )
        await send(conn, messages.finished(wanted, made), correlation=wanted.correlation)

    return keep_and_give


@works.on("mail", lease_seconds=MAIL_LEASE_SECONDS, concurrency=8)
async def mail(job: Job, tools: Tools) -> Finish:
    """Attempt one delivery. Its Message-ID is committed before, so that a repeat is known as one."""
    delivery_id = UUID(job.key)
    async with transaction(tools.pool) as conn:
        name = message_id(delivery_id, tools.mail_domain)
        delivery = await store.find_attempt(conn, job.tenant_id, delivery_id, message_id=name)
    if delivery is None:
        return _nothing
    try:
        document = await _document(delivery, tools)
        await tools.mailer.send(_letter(delivery, document))
    except Undeliverable as error:
        return _failed(delivery, error.refusal)
    except Unprintable as error:
        log.error("document_not_made", delivery_id=str(delivery.id), error=str(error))
        return _failed(delivery, UNPRINTABLE)
    except Unavailable as error:
        return _postponed(job, delivery, error)
    return _delivered(delivery)


@works.on(
    "one_time_password",
    lease_seconds=CODE_LEASE_SECONDS,
    concurrency=8,
    attempts=CODE_ATTEMPTS_MAX,
    backoff_seconds_max=CODE_WAIT_SECONDS_MAX,
)
async def one_time_password(job: Job, tools: Tools) -> Finish:
    """Attempt to mail a code while it lives; with the end of the work row it is forgotten here."""
    password = messages.to_one_time_password(job.payload)
    if clock.now() >= password.expires_at:
        log.warning("one_time_password_not_mailed", otp_id=job.key, reason="expired")
        return _nothing
    try:
        await tools.mailer.send(Note(message_id(password.id, tools.mail_domain), password))
    except Undeliverable as error:
        log.warning("one_time_password_not_mailed", otp_id=job.key, reason=str(error.refusal))
    return _nothing


async def _document(delivery: Delivery, tools: Tools) -> bytes:
    """What was made before, else made now and kept before the mail goes out."""
    whose = (delivery.tenant_id, delivery.prescription_id, delivery.printed)
    async with transaction(tools.pool) as conn:
        found = await store.find_document(conn, *whose)
    if found is not None:
        return found
    made = await _printed(delivery.printed, tools)
    async with transaction(tools.pool) as conn:
        await store.keep_document(conn, *whose, pdf=made, made_at=clock.now())
    return made


async def _printed(printed: PrintedPrescription, tools: Tools) -> bytes:
    return await asyncio.to_thread(pdf.make, printed, verify_url=tools.verify_url)


def _letter(delivery: Delivery, document: bytes) -> Letter:
    return Letter(
        message_id=delivery.message_id,
        to=delivery.email_address,
        written_at=delivery.requested_at,
        printed=delivery.printed,
        document=document,
    )


def _delivered(delivery: Delivery) -> Finish:
    async def finish(conn: Connection, outbox: Outbox) -> None:
        now = clock.now()
        if await store.end_delivery(conn, delivery, now):
            await send(conn, messages.delivered(delivery, now), correlation=delivery.correlation)

    return finish


def _failed(delivery: Delivery, refusal: Refusal) -> Finish:
    async def finish(conn: Connection, outbox: Outbox) -> None:
        now = clock.now()
        if await store.end_delivery(conn, delivery, now, refusal=refusal):
            await send(conn, messages.failed(delivery, refusal, now), correlation=delivery.correlation)

    return finish


def _postponed(job: Job, delivery: Delivery, error: Unavailable) -> Finish:
    due = delivery.next_attempt(clock.now())
    if due is None:
        return _failed(delivery, TRIED_TOO_LONG)
    log.warning("mail_postponed", delivery_id=str(delivery.id), attempts=delivery.attempts, reason=str(error))

    async def finish(conn: Connection, outbox: Outbox) -> None:
        job.again(at=due)

    return finish


async def _nothing(conn: Connection, outbox: Outbox) -> None:
    """Nobody is told: it has ended elsewhere, or its end concerns nobody."""

"""What notification does when asked for a document or a code, or told that a delivery is wanted."""

from contracts.message import Command, Envelope
from contracts.notification_commands import MakeDocument, NotificationCommand, SendOneTimePassword
from contracts.prescription_events import DeliveryRequested
from services.notification import messages, store
from services.notification.domain.printed import Refused
from shared import clock, work
from shared.database import Connection
from shared.errors import Rejected
from shared.messaging import Handlers
from shared.outbox import Outbox

EMAIL = "EMAIL"

handlers = Handlers("notification", refusal=Refused)


@handlers.on(DeliveryRequested)
async def on_delivery_requested(
    event: DeliveryRequested, conn: Connection, outbox: Outbox, *, envelope: Envelope
) -> None:
    """Have the mail sent; told twice, it is one delivery."""
    if event.channel != EMAIL:
        raise Rejected("only mail can be delivered", code="channel_not_configured")
    now = clock.now()
    delivery = messages.delivery(event, requested_at=now, correlation=envelope.correlationid)
    if await store.add_delivery(conn, delivery):
        await work.add(
            conn,
            kind="mail",
            key=str(delivery.id),
            tenant_id=delivery.tenant_id,
            prescription_id=delivery.prescription_id,
            due_at=now,
        )


@handlers.on(MakeDocument)
async def make_document(
    command: MakeDocument, conn: Connection, outbox: Outbox, *, envelope: Envelope
) -> None:
    """Give what has been made before at once; have it made otherwise."""
    now = clock.now()
    if command.deadline is not None and now > command.deadline:
        raise Refused("dependency_unavailable", "the request reached its deadline before it was taken up")
    wanted = messages.wanted(command, correlation=envelope.correlationid)
    pdf = await store.find_document(conn, wanted.tenant_id, wanted.prescription_id, wanted.printed)

    if pdf is not None:
        outbox.announce(messages.finished(wanted, pdf))
        return
    await work.add(
        conn,
        kind="document",
        key=str(wanted.request_id),
        tenant_id=wanted.tenant_id,
        prescription_id=wanted.prescription_id,
        due_at=now,
        payload=messages.to_payload(wanted),
    )


@handlers.on(SendOneTimePassword)
async def send_one_time_password(command: SendOneTimePassword, conn: Connection, outbox: Outbox) -> None:
    """Have a code mailed; one that has died on the way is forgotten, its reader has asked for another."""
    now = clock.now()
    if now >= command.expires_at:
        return
    await work.add(
        conn,
        kind="one_time_password",
        key=str(command.otp_id),
        tenant_id=command.tenant_id,
        prescription_id=command.prescription_id,
        due_at=now,
        payload=messages.one_time_password(command, requested_at=now),
    )


@handlers.refused
async def refused(command: Command, error: Exception, conn: Connection, outbox: Outbox) -> None:
    """Tell whoever waits for the document that there will be none."""
    assert isinstance(command, NotificationCommand)  # There are no others on its topic.
    outbox.announce(messages.refused(command, error))

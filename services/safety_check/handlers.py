"""What the safety-check service does when a check is wanted."""

from contracts.prescription_events import SafetyCheckRequested
from services.safety_check import messages, store
from services.safety_check.domain import Knowledge, check
from shared import clock
from shared.database import Connection
from shared.messaging import Handlers
from shared.outbox import Outbox

handlers = Handlers("safety-check")
_knowledge: Knowledge | None = None


def use(knowledge: Knowledge) -> None:
    """Say, before the first message, by which knowledge base this process checks."""
    global _knowledge
    _knowledge = knowledge


@handlers.on(SafetyCheckRequested)
async def on_safety_check_requested(event: SafetyCheckRequested, conn: Connection, outbox: Outbox) -> None:
    """Check the content, and tell what was found with the three versions that it was asked with."""
    found = check(messages.order(event), knowledge_in_use())
    result = messages.completed(event, messages.verdict(found, event, at=clock.now()))

    store.save_result(conn, result)
    outbox.announce(result)


handlers.settle(store.settle)


def knowledge_in_use() -> Knowledge:
    if _knowledge is None:
        raise LookupError("nobody has said by which knowledge base to check")
    return _knowledge

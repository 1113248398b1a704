"""PDF documents: the copy that is kept, or one that notification makes now, for both dialects."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from contracts.values import Prescription, Status
from services.gateway.api.context import Gateway
from services.gateway.commands.asked import Preference
from services.gateway.messages import commands, prescriptions
from services.gateway.messages.commands import Asking
from services.gateway.messages.errors import Problem
from services.gateway.messages.requests import RETRY_AFTER, Asked
from services.gateway.messages.requests import Request as Accepted
from services.gateway.store import documents

PDF: Final = "application/pdf"
FACES: Final = {
    Status.SIGNED: "issued",
    Status.SUBMITTED: "issued",
    Status.DISPENSED: "dispensed",
    Status.CANCELLED: "voided",
    Status.EXPIRED: "expired",
}
"""The page in front of the file that a signature has made final; the file itself is the same behind each."""


async def made(
    gateway: Gateway, asker: Asking, shown: Prescription, *, face: str, language: str, preference: Preference
) -> bytes:
    """The document of this state. Raises Problem `pdf_not_ready` if it takes longer than the client waits."""
    ended_at = shown.ended_at
    end = None if ended_at is None else ended_at.isoformat()
    which = documents.Which(shown.tenant_id, shown.prescription_id, face, language, ended_at)
    final = face != documents.DRAFT
    kept = await documents.find(gateway.pool, which) if final else None
    if kept is not None:
        return kept
    command = commands.make_document(asker, shown, language=language)
    accepted = Accepted(
        _asked(asker, shown, f"{shown.prescription_id}:{face}:{end}:{language}" if final else None),
        command.ce_type,
        asker.now,
        shown.prescription_id,
        {"base_url": gateway.settings.base_url, "face": face, "ended_at": end},
    )
    answer = await gateway.commands.send(accepted, command, preference)
    if answer.status == 202:
        raise Problem("pdf_not_ready", headers=RETRY_AFTER)
    found = await documents.find(gateway.pool, which)
    if found is None:
        raise Problem("dependency_unavailable", headers=RETRY_AFTER)
    return found


def _asked(asker: Asking, shown: Prescription, key: str | None) -> Asked:
    """All who ask for the same final copy wait for one making of it: the key says which. A draft has none."""
    return Asked(
        request_id=asker.request_id,
        tenant_id=shown.tenant_id,
        client="documents",
        method="GET",
        path=prescriptions.path(shown.prescription_id) + "/pdf",
        content_digest=sha256((key or str(asker.request_id)).encode()).digest(),
        idempotency_key=key,
        source="document",
    )

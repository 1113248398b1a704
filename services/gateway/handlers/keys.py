"""Keeps the public keys that verify seals, for ever: an old seal needs an old key."""

from __future__ import annotations

import json

from contracts.signing_events import SealKeyPublished
from services.gateway.handlers import handlers
from services.gateway.store import token_keys
from shared.database import Connection
from shared.outbox import Outbox


@handlers.on(SealKeyPublished)
async def on_seal_key_published(event: SealKeyPublished, conn: Connection, _outbox: Outbox) -> None:
    """Serve the key from now on."""
    await token_keys.save_seal_key(
        conn,
        event.tenant_id,
        event.key_id,
        json.dumps(event.jwk),
        not_before=event.not_before,
        not_after=event.not_after,
    )

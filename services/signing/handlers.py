"""What the signing service does when a seal is wanted."""

from collections.abc import Mapping
from secrets import token_bytes
from typing import Final

from contracts.prescription_events import SealRequested
from services.signing import messages, store
from services.signing.domain.profiles import Profile
from services.signing.domain.rx_sign import RX_SIGN_1
from services.signing.domain.seal import Unsealable, sealable
from services.signing.signer import Keys, sealed
from shared import clock
from shared.database import Connection
from shared.messaging import Handlers
from shared.outbox import Outbox

PROFILES: Final[Mapping[str, Profile]] = {RX_SIGN_1.name: RX_SIGN_1}

handlers = Handlers("signing")
_keys: Keys | None = None


def use(keys: Keys) -> None:
    """Say, before the first message, with which keys this process seals."""
    global _keys
    _keys = keys


@handlers.on(SealRequested)
async def on_seal_requested(event: SealRequested, conn: Connection, outbox: Outbox) -> None:
    """Seal a prescription once; asked again about the same content, tell the same seal again."""
    if (profile := PROFILES.get(event.profile)) is None:
        outbox.announce(messages.profile_not_served(event))
        return
    content = sealable(messages.content(event), profile, token_bytes)
    if isinstance(content, Unsealable):
        outbox.announce(messages.content_not_sealable(event, content.faults))
        return
    signer, key = await _keys_in_use().of(event.tenant_id)
    seal = await sealed(content, signer, at=clock.now())
    place = store.Place(
        event.tenant_id, event.prescription_id, event.signature_version, content.content_digest
    )

    added = await store.add(conn, place, seal, content.disclosed, key)
    if added.key:
        outbox.announce(messages.key_published(key))
    outbox.announce(messages.sealed(event, seal if added.seal else await store.seal(conn, place)))


def _keys_in_use() -> Keys:
    if _keys is None:
        raise LookupError("nobody has said with which keys to seal")
    return _keys

"""What the signing service does when a seal is wanted."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from secrets import token_bytes
from typing import Final

from contracts.message import Message
from contracts.prescription_events import SealRequested
from services.signing import messages, store
from services.signing.domain.faults import Fault
from services.signing.domain.keys import SealKey
from services.signing.domain.profiles import Profile
from services.signing.domain.rx_sign import RX_SIGN_1
from services.signing.domain.seal import Seal, Unsealable, sealable
from services.signing.signer import Keys, sealed
from shared import clock
from shared.database import Connection
from shared.messaging import Handlers
from shared.outbox import Outbox

PROFILES: Final[Mapping[str, Profile]] = {RX_SIGN_1.name: RX_SIGN_1}

handlers = Handlers("signing")
_keys: Keys | None = None


@dataclass(frozen=True)
class _Told:
    """What a request is told: its seal, before it the key that nobody knows yet; or why there is none."""

    seal: Seal | None = None
    key: SealKey | None = None
    faults: Sequence[Fault] = ()


@dataclass
class _Hand:
    conn: Connection
    requests: Sequence[SealRequested]
    """Kept for as long as their identities name them below."""
    told: dict[int, _Told]


_hand: Final[ContextVar[_Hand | None]] = ContextVar("seals in hand", default=None)


def use(keys: Keys) -> None:
    """Say, before the first message, with which keys this process seals."""
    global _keys
    _keys = keys


@handlers.hold
async def hold(conn: Connection, wanted: Sequence[Message]) -> None:
    """Seal what is asked for, and keep all seals in one statement: a round trip each costs more than sealing.

    A prescription is sealed once; asked again about the same content, the same seal is told again.
    """
    requests = [one for one in wanted if isinstance(one, SealRequested) and one.profile in PROFILES]
    told: dict[int, _Told] = {}
    made: dict[store.Place, store.New] = {}
    places: dict[int, store.Place] = {}
    for request in requests:
        found = await _made(request)
        if isinstance(found, Unsealable):
            told[id(request)] = _Told(faults=found.faults)
        else:
            made.setdefault(found.place, found)
            places[id(request)] = found.place
    added = await store.add(conn, list(made.values())) if made else store.Added(frozenset(), frozenset())
    kept = {
        place: new.seal if place in added.seals else await store.seal(conn, place)
        for place, new in made.items()
    }
    unknown = set(added.keys)
    for id_, place in places.items():
        key = made[place].key
        told[id_] = _Told(kept[place], key if key.key_id in unknown else None)
        unknown.discard(key.key_id)
    _hand.set(_Hand(conn, requests, told))


@handlers.on(SealRequested)
async def on_seal_requested(event: SealRequested, conn: Connection, outbox: Outbox) -> None:
    """Tell the seal that was made, and first the key that verifies it if it is new; or why there is none."""
    if event.profile not in PROFILES:
        outbox.announce(messages.profile_not_served(event))
        return
    told = _of(conn).told[id(event)]
    if told.seal is None:
        outbox.announce(messages.content_not_sealable(event, told.faults))
        return
    if told.key is not None:
        outbox.announce(messages.key_published(told.key))
    outbox.announce(messages.sealed(event, told.seal))


async def _made(request: SealRequested) -> store.New | Unsealable:
    content = sealable(messages.content(request), PROFILES[request.profile], token_bytes)
    if isinstance(content, Unsealable):
        return content
    signer, key = await _keys_in_use().of(request.tenant_id)
    seal = await sealed(content, signer, at=clock.now())
    place = store.Place(
        request.tenant_id, request.prescription_id, request.signature_version, content.content_digest
    )
    return store.New(place, seal, content.disclosed, key)


def _of(conn: Connection) -> _Hand:
    hand = _hand.get()
    if hand is None or hand.conn is not conn:
        raise LookupError("nothing is held in this transaction")
    return hand


def _keys_in_use() -> Keys:
    if _keys is None:
        raise LookupError("nobody has said with which keys to seal")
    return _keys

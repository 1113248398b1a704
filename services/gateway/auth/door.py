"""The door: every caller is verified here, against keys and clients that are at most twenty seconds old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.gateway.auth import keys, tokens
from services.gateway.auth.keys import TokenKey
from services.gateway.auth.principal import Principal, held
from services.gateway.auth.rates import Rate
from services.gateway.auth.tokens import Verified
from services.gateway.messages.errors import Problem
from services.gateway.settings import Settings
from services.gateway.store import clients, token_keys
from services.gateway.store.clients import Client
from shared import clock, database
from shared.database import Pool
from shared.errors import Unavailable

STANDING_SECONDS_MAX: Final = 20.0
"""How old what is known of a client may be; disabling one takes effect within a minute."""
STANDING_OUTAGE_SECONDS_MAX: Final = 55.0
"""The same while the database does not answer."""
VERIFIED_MAX: Final = 20_000
CLIENTS_MAX: Final = 20_000
SCHEME: Final = "bearer "


@dataclass
class _Standing:
    client: Client | None
    read_at: float


@dataclass
class _Known:
    """A token that was verified, with the principal that follows from it and its client as it stands."""

    verified: Verified
    client: Client | None = None
    principal: Principal | None = None


class Door:
    """Verifies callers; `pool` is the owner's, because nobody's provider is known before."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._secret = settings.secret_key.get_secret_value()
        self._keys: tuple[TokenKey, ...] = ()
        self._keys_read_at = float("-inf")
        self._known: dict[str, _Known] = {}
        self._standings: dict[str, _Standing] = {}
        self._rates: dict[str, Rate] = {}

    async def enter(self, authorization: str | None) -> Principal:
        """The caller, whose call is counted. Raises Problem: token_…, rate_limited."""
        if authorization is None:
            raise Problem("token_missing", headers={"WWW-Authenticate": "Bearer"})
        if authorization[: len(SCHEME)].lower() != SCHEME:
            raise tokens.invalid()
        now = clock.now().timestamp()
        principal, client = await self._verified(authorization[len(SCHEME) :].strip(), now, now)
        rate = self._rates.setdefault(client.client_id, Rate())
        rate.admit(now, per_minute=client.requests_per_minute, per_second=client.requests_per_second)
        return principal

    async def bearer(self, token: str, *, at: datetime) -> Principal:
        """The sender of a record whose token had to be valid at a moment that may be past."""
        principal, _ = await self._verified(token, at.timestamp(), clock.now().timestamp())
        return principal

    async def _verified(self, token: str, at: float, now: float) -> tuple[Principal, Client]:
        known = self._known.get(token) or await self._verify(token)
        known.verified.check_time(at)
        standing = self._standings.get(known.verified.client_id)
        if standing is None or not 0 <= now - standing.read_at <= STANDING_SECONDS_MAX:
            standing = await self._stand(known.verified.client_id, now)
        client = standing.client
        if client is None or client.disabled:
            raise tokens.invalid()
        if known.principal is None or known.client is not client:
            known.client, known.principal = client, _principal(client, known.verified.scopes)
        return known.principal, client

    async def _verify(self, token: str) -> _Known:
        if len(token) > tokens.TOKEN_BYTES_MAX:
            raise tokens.invalid()
        key_id = tokens.key_id_of(token)
        key = next((key for key in await self.token_keys() if key.key_id == key_id), None)
        if key is None:
            raise tokens.invalid()
        known = _Known(tokens.verify(token, key, self._settings))
        while len(self._known) >= VERIFIED_MAX:
            del self._known[next(iter(self._known))]
        self._known[token] = known
        return known

    async def _stand(self, client_id: str, now: float) -> _Standing:
        """What is known of a client, read again; the old value serves a little longer in an outage."""
        old = self._standings.get(client_id)
        try:
            async with database.transaction(self._pool) as conn:
                found = await clients.find_client(conn, client_id)
        except Unavailable:
            if old is not None and 0 <= now - old.read_at <= STANDING_OUTAGE_SECONDS_MAX:
                return old
            raise
        if old is not None and found == old.client:
            found = old.client
        while len(self._standings) >= CLIENTS_MAX:
            del self._standings[next(iter(self._standings))]
        self._standings[client_id] = standing = _Standing(found, now)
        return standing

    async def token_keys(self) -> tuple[TokenKey, ...]:
        """All that verify, newest first; the first ever is made here and used at once."""
        now = clock.now()
        if 0 <= now.timestamp() - self._keys_read_at <= STANDING_SECONDS_MAX and self._keys:
            return self._keys
        async with database.transaction(self._pool) as conn:
            await token_keys.hold_first_key(conn)
            stored = await token_keys.token_keys(conn)
            if not stored:
                algorithm = self._settings.token_algorithm
                stored = [keys.make(algorithm, secret_key=self._secret, now=now, used_from=now)]
                await token_keys.add_token_key(conn, stored[0])
        known = {key.key_id: key for key in self._keys}
        self._keys = tuple(
            known.get(one.key_id) or keys.opened(one, secret_key=self._secret) for one in stored
        )
        self._keys_read_at = now.timestamp()
        return self._keys

    async def signing_key(self) -> TokenKey:
        """The newest key that has been published long enough."""
        now = clock.now()
        found = await self.token_keys()
        return next((key for key in found if key.used_from <= now), found[-1])


def _principal(client: Client, scopes: frozenset[str]) -> Principal:
    return Principal(
        tenant_id=client.tenant_id,
        client=client.client_id,
        provider_slug=client.provider_slug,
        # A scope that was taken from the client since is gone from its tokens too.
        scopes=frozenset(scope for scope in scopes if held(scope, client.scopes)),
        doctor_id=client.doctor_id,
        branch_id=client.branch_id,
    )

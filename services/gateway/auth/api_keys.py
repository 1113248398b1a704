"""The door of the second dialect: who holds an API key, what it allows, and how often its tenant may call."""

from __future__ import annotations

import hmac
import re
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

from contracts.message import Caller
from services.gateway.auth import keys
from services.gateway.auth.quotas import Quotas
from services.gateway.auth.rights import ADMIN
from services.gateway.messages.errors import Problem
from services.gateway.messages.provider_settings import ProviderSettings
from services.gateway.settings import Settings
from services.gateway.store import api_keys
from services.gateway.store.api_keys import KeyOnFile
from shared import clock
from shared.database import Pool

STANDING_SECONDS_MAX: Final = 4.0
"""How old what is known of a key may be: a revocation takes effect within five seconds."""
LEEWAY: Final = timedelta(seconds=60)
"""How far clocks may differ, where a key is proved later than it was sent (public-topics 1)."""
KEYS_MAX: Final = 20_000
FAILURES_MAX: Final = 30
FAILURE_SECONDS: Final = 60.0
ADDRESSES_MAX: Final = 10_000
PREFIX_LETTERS: Final = 16
KINDS: Final[Mapping[str, str]] = {
    "production": "live",
    "staging": "stg",
    "sandbox": "stg",
    "development": "dev",
}
"""How keys of each environment begin; one of another environment is none of ours."""
_FORM: Final = re.compile(r"rcp_(live|stg|dev)_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class KeyHolder:
    """A verified caller of the second dialect, with the settings of its tenant."""

    tenant_id: UUID
    key_id: UUID
    key_prefix: str
    provider_slug: str
    permissions: frozenset[str]
    settings: ProviderSettings

    dialect: ClassVar[str] = "delphos"

    @property
    def client(self) -> str:
        return self.key_prefix

    @property
    def asked_by(self) -> str:
        return str(self.key_id)

    @property
    def keys_of(self) -> str:
        """Idempotency keys are the tenant's, whichever API key is used; no client id has a colon."""
        return f"tenant:{self.tenant_id}"

    def may(self, permission: str) -> bool:
        """`admin` allows everything; no permission includes another."""
        return permission in self.permissions or ADMIN in self.permissions

    def demand(self, permission: str) -> None:
        """Raises Problem `permission_denied`."""
        if not self.may(permission):
            raise Problem("permission_denied", required=permission)

    def caller(self, doctor_id: UUID | None = None) -> Caller:
        """As commands carry it; `doctor_id` is whom the key's holder vouches for as the one who acts."""
        return Caller(
            tenant_id=self.tenant_id,
            client=self.key_prefix,
            doctor_id=doctor_id,
            provider_slug=self.provider_slug,
            channel="delphos",
        )


class Failures:
    """Failed keys of the last minute, by the address that they came from; of this instance."""

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, address: str, now: float) -> None:
        moments = self._by_address.setdefault(address, deque(maxlen=FAILURES_MAX))
        moments.append(now)
        self._by_address.move_to_end(address)
        if len(self._by_address) > ADDRESSES_MAX:
            self._by_address.popitem(last=False)

    def check(self, address: str, now: float) -> None:
        """Raises Problem `rate_limited` for an address that has failed too often."""
        moments = self._by_address.get(address, deque())
        if len(moments) == FAILURES_MAX and moments[0] > now - FAILURE_SECONDS:
            raise Problem.later("rate_limited", moments[0] + FAILURE_SECONDS - now)


class KeyDoor:
    """Verifies API keys; `pool` is the owner's, because nobody's tenant is known before."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self._pool = pool
        self._kind = KINDS[settings.environment]
        self._quotas = Quotas(pool)
        self._failures = Failures()
        self._standings: OrderedDict[bytes, tuple[KeyHolder, KeyOnFile, float]] = OrderedDict()
        self._uses: Counter[UUID] = Counter()

    async def enter(self, sent: Sequence[str], address: str) -> KeyHolder:
        """Who holds the key of these headers. Raises Problem `invalid_api_key`, or `rate_limited`.

        Thirty failed keys a minute from one address close it to whoever has no valid key (ruling 3.11).
        """
        now = clock.now()
        holder = await self._holder(sent[0], now) if len(sent) == 1 else None
        if holder is None:
            self._failures.check(address, now.timestamp())
            if sent:
                self._failures.note(address, now.timestamp())
            raise Problem("invalid_api_key")
        self._uses[holder.key_id] += 1
        return holder

    async def sender(self, key: str, *, at: datetime) -> KeyHolder:
        """Who sent a record with this key: it had to be valid at that moment, and is not revoked.

        Raises Problem `invalid_api_key`.
        """
        holder = await self._holder(key, clock.now(), at - LEEWAY)
        if holder is None:
            raise Problem("invalid_api_key")
        self._uses[holder.key_id] += 1
        return holder

    async def count(self, holder: KeyHolder) -> dict[str, str]:
        """Count a call of its tenant; the headers that the answer has. Raises Problem `rate_limited`."""
        return await self._quotas.admit(holder.tenant_id, holder.settings.call_limits, clock.now())

    async def note_uses(self) -> None:
        """Write down how often keys were used since the last time. Raises Unavailable."""
        uses, self._uses = self._uses, Counter()
        if uses:
            try:
                await api_keys.note_uses(self._pool, list(uses.items()), now=clock.now())
            except BaseException:
                self._uses.update(uses)
                raise

    async def _holder(self, key: str, now: datetime, at: datetime | None = None) -> KeyHolder | None:
        """`at`: when it had to be valid, if not now."""
        form = _FORM.fullmatch(key)
        if form is None or form[1] != self._kind:
            return None
        digest = keys.digest(key)
        known = self._standings.get(digest)
        if known is None or not 0 <= now.timestamp() - known[2] <= STANDING_SECONDS_MAX:
            known = await self._stand(digest, now)
        if known is None or not hmac.compare_digest(digest, known[1].key.key_sha256):
            return None
        ends = known[1].key.expires_at
        return None if ends is not None and ends <= (at or now) else known[0]

    async def _stand(self, digest: bytes, now: datetime) -> tuple[KeyHolder, KeyOnFile, float] | None:
        found = await api_keys.find(self._pool, digest)
        if found is None:
            self._standings.pop(digest, None)
            return None
        self._standings[digest] = known = _holder(found), found, now.timestamp()
        self._standings.move_to_end(digest)
        if len(self._standings) > KEYS_MAX:
            self._standings.popitem(last=False)
        return known


def _holder(found: KeyOnFile) -> KeyHolder:
    return KeyHolder(
        tenant_id=found.key.tenant_id,
        key_id=found.key.key_id,
        key_prefix=found.key.key_prefix,
        provider_slug=found.provider_slug,
        permissions=found.key.permissions,
        settings=found.settings,
    )

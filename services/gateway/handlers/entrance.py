"""What proves who sent a record: a token or an API key in the header `authorization`."""

from __future__ import annotations

from dataclasses import dataclass

from services.gateway.auth.api_keys import KeyDoor, KeyHolder
from services.gateway.auth.door import Door
from services.gateway.auth.principal import Principal
from shared.errors import Unavailable
from shared.records import Arrived


@dataclass
class Entrance:
    """The doors, which the gateway opens when it starts; a sender is judged as of the broker's moment."""

    door: Door | None = None
    key_door: KeyDoor | None = None
    base_url: str = ""

    def open(self, door: Door, key_door: KeyDoor, base_url: str) -> None:
        self.door, self.key_door, self.base_url = door, key_door, base_url

    async def bearer(self, record: Arrived, token: str) -> Principal:
        """Raises Problem."""
        if self.door is None:
            raise Unavailable("the gateway is still starting")
        return await self.door.bearer(token.strip(), at=record.timestamp)

    async def holder(self, record: Arrived, key: str) -> KeyHolder:
        """Raises Problem."""
        if self.key_door is None:
            raise Unavailable("the gateway is still starting")
        return await self.key_door.sender(key.strip(), at=record.timestamp)


entrance = Entrance()


def shown(record: Arrived) -> tuple[str, str]:
    """How a sender proves themselves (`bearer`, `apikey`), and by what."""
    scheme, _, credentials = record.headers.get("authorization", "").partition(" ")
    return scheme.lower(), credentials

"""A clinic's orders as prepared bytes, for as many patients as a busy day has."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Final, Self

from tests.benchmarks import wire
from tests.clients import Clinic

# So many that hardly anybody is prescribed the same twice: each repeat would bring its finding along.
PATIENTS: Final = 4_000
AT_ONCE: Final = 32
PATH: Final = "/ehr/v1/prescriptions"


@dataclass(frozen=True)
class Orders:
    """Bodies of creates, ready to be sent."""

    token: str
    bodies: list[bytes]

    @classmethod
    async def of(cls, clinic: Clinic) -> Self:
        turns = asyncio.Semaphore(AT_ONCE)

        async def body() -> bytes:
            async with turns:
                return json.dumps(clinic.order(await clinic.patient())).encode()

        bodies = await asyncio.gather(*(body() for _ in range(PATIENTS)))
        return cls(await clinic.token(), bodies)

    def make(self, count: int) -> list[bytes]:
        """As many requests, the patients in turn."""
        return [
            wire.request("POST", PATH, self.token, self.bodies[number % len(self.bodies)])
            for number in range(count)
        ]

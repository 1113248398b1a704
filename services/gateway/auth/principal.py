"""Who asks, as verified credentials say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal
from uuid import UUID

from contracts.message import Caller

Channel = Literal["osigu", "delphos", "kafka", "operator"]


@dataclass(frozen=True)
class Principal:
    """A verified caller: its provider, what its credentials are bound to, what they allow."""

    tenant_id: UUID
    client: str
    provider_slug: str
    scopes: frozenset[str]
    doctor_id: UUID | None = None
    branch_id: UUID | None = None

    dialect: ClassVar[str] = "osigu"
    asked_by: ClassVar[None] = None

    @property
    def keys_of(self) -> str:
        """Idempotency keys are each client's own."""
        return self.client

    def may(self, *any_of: str) -> bool:
        """Whether one of these scopes is held; `x:write` includes `x:read`. None asked: any valid token."""
        return not any_of or any(held(scope, self.scopes) for scope in any_of)

    def caller(self, channel: Channel = "osigu") -> Caller:
        """As commands carry it."""
        return Caller(
            tenant_id=self.tenant_id,
            client=self.client,
            doctor_id=self.doctor_id,
            provider_slug=self.provider_slug,
            branch_id=self.branch_id,
            channel=channel,
        )


def held(scope: str, scopes: frozenset[str]) -> bool:
    """Whether a scope is among these, or included in one of them."""
    family, _, right = scope.partition(":")
    return scope in scopes or (right == "read" and f"{family}:write" in scopes)

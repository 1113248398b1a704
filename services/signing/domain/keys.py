"""The public half of a provider's seal key, as it is published for ever."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

Jwk: TypeAlias = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class SealKey:
    """A key by its id, the base64url SHA-256 of its certificate."""

    tenant_id: UUID
    key_id: str
    algorithm: str
    jwk: Jwk
    not_before: datetime
    not_after: datetime

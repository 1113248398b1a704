"""Seals and the public keys that verify them, on `signing-events-v1`."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.message import Event, Message
from contracts.values import Seal, Text


class SigningEvent(Event):
    """Something that the signing service announces about one prescription."""

    topic: ClassVar[str] = "signing-events-v1"
    source: ClassVar[str] = "/signing"


class PrescriptionSealed(SigningEvent):
    """The provider's seal stands over the immutable fields of this signed version."""

    ce_type: ClassVar[str] = "recepta.signing.prescription-sealed.v1"

    signature_version: int = Field(ge=1)
    prescription_code: str
    seal: Seal


class SealingRefused(SigningEvent):
    """The content cannot be sealed; `details` are paths and codes, no values."""

    ce_type: ClassVar[str] = "recepta.signing.sealing-refused.v1"

    signature_version: int = Field(ge=1)
    code: str
    message: Text
    details: tuple[tuple[str, str], ...] = ()


class SealKeyPublished(Message):
    """A provider's public seal key (RFC 7517, with `x5c`), to be served for ever: old seals need old keys."""

    topic: ClassVar[str] = "signing-events-v1"
    source: ClassVar[str] = "/signing"
    ce_type: ClassVar[str] = "recepta.signing.seal-key-published.v1"

    tenant_id: UUID
    key_id: str
    algorithm: str
    jwk: dict[str, str | list[str]]
    not_before: AwareDatetime
    not_after: AwareDatetime

    @property
    def key(self) -> str:
        return str(self.tenant_id)

    @property
    def tenant(self) -> UUID | None:
        return self.tenant_id

"""A signature, made or attempted, and the seal behind it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class SignatureStatus(StrEnum):
    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A flattened JWS over the canonical payload."""

    profile: str
    algorithm: str
    key_id: str
    protected: str
    payload: str
    signature: str
    document_sha256: str
    certificate_sha256: str
    sealed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The signature, or the attempt at it; `number` counts attempts, so that a late seal is told apart."""

    status: SignatureStatus
    number: int = 1
    signed_by: UUID
    asked_at: datetime
    signed_at: datetime | None = None
    seal: Seal | None = None
    failure: str | None = None
    failed_at: datetime | None = None

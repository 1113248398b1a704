"""Requests that a prescription keeps until they can be answered: an issue, a signature, a check."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.prescription.domain.history import Occasion
from services.prescription.domain.safety import SafetyPolicy
from services.prescription.domain.signature import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRequest:
    """A sign request under way: who is answered at its end, until when, and what the signature was before.

    It first awaits a safety check, and then, `sealing`, the seal.
    """

    occasion: Occasion
    deadline: datetime | None = None
    before: Signature | None = None
    sealing: bool = False


class Shown(StrEnum):
    """The step after which something hidden is there for all to see."""

    RELEASED = "released"
    CHECKED = "checked"


@dataclass(frozen=True, slots=True)
class Rival:
    """A request that comes too late for what is under way already; it hears how that ends."""

    prescription_id: UUID
    request_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A request in progress: hidden until its last step, and answered then, as are its `rivals`.

    What is `shown` once it is checked is a draft that made itself: it is not in force, and nothing that was
    found forbids it.
    """

    occasion: Occasion
    deadline: datetime | None = None
    policy: SafetyPolicy
    shown: Shown = Shown.RELEASED
    rivals: tuple[Rival, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request that is answered when the check is stored, or given up at its deadline."""

    occasion: Occasion
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What a waiting request is told: the state as it stands, or why it came to nothing."""

    waiting: Waiting
    refused: tuple[str, str] | None = None

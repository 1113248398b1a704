"""Requests that a prescription keeps until they can be answered: an issue, a signature, a check."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.prescription.domain.history import Occasion
from services.prescription.domain.safety import SafetyPolicy
from services.prescription.domain.signature import Signature

# How long a request is worked at that brings no deadline of its own.
PATIENCE: Final = timedelta(minutes=15)


def until(deadline: datetime | None, at: datetime) -> datetime:
    """When a request is given up that was taken up at this moment."""
    return deadline or at + PATIENCE


def over(deadline: datetime | None, now: datetime) -> bool:
    """Whether the time of a request has run out; whoever asked has been told to ask again."""
    return deadline is not None and now >= deadline


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

    @property
    def request_id(self) -> UUID:
        """The request that is answered at its end; nobody issues without one."""
        assert self.occasion.request_id is not None
        return self.occasion.request_id


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

"""What happened to a prescription, entry by entry, and the state that the entries alone lead to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from services.prescription.domain.dispensation import Dispensation, DispensationStatus, Source, used_up
from services.prescription.domain.items import Item
from services.prescription.domain.safety import Coverage, Finding, NotEvaluated
from services.prescription.domain.state_table import Status


class ActorType(StrEnum):
    API_KEY = "api_key"
    PHARMACY = "pharmacy"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it, by id: a person's name is nobody's business here."""

    type: ActorType
    client_id: str | None = None
    doctor_id: UUID | None = None
    provider_slug: str | None = None
    branch_id: UUID | None = None


SYSTEM = Actor(type=ActorType.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """When, by whom and at whose request something is done."""

    at: datetime
    actor: Actor = SYSTEM
    request_id: UUID | None = None
    dialect: str | None = None


class Action(StrEnum):
    CREATED = "created"
    METADATA_CHANGED = "metadata_changed"
    ITEM_ADDED = "item_added"
    ITEM_CHANGED = "item_changed"
    ITEM_REMOVED = "item_removed"
    CHECK_REQUESTED = "check_requested"
    CHECKED = "checked"
    CHECK_FAILED = "check_failed"
    ACKNOWLEDGED = "acknowledged"
    STATUS_CHANGED = "status_changed"
    SIGNING_STARTED = "signing_started"
    SIGNING_FAILED = "signing_failed"
    SIGNATURE_ARCHIVED = "signature_archived"
    ATTEMPT_REFUSED = "attempt_refused"
    DISPENSATION_STARTED = "dispensation_started"
    DISPENSATION_CHANGED = "dispensation_changed"
    DISPENSATION_ENDED = "dispensation_ended"
    DELIVERY_REQUESTED = "delivery_requested"
    DELIVERED = "delivered"
    DELIVERY_FAILED = "delivery_failed"
    HANDLED_LATE = "handled_late"
    PDF_DOWNLOADED = "pdf_downloaded"
    CODE_LOOKED_UP = "code_looked_up"


@dataclass(frozen=True, slots=True)
class Change:
    """A field that is no longer what it was."""

    field: str
    old: str | int | bool | None = None
    new: str | int | bool | None = None


def changes(
    before: object | None, after: object | None, *names: str, of: str | None = None
) -> tuple[Change, ...]:
    """The fields of these that differ, as the history tells them; `of` is what they are members of."""
    told = ((name, _told(before, name), _told(after, name)) for name in names)
    return tuple(Change(f"{of}.{name}" if of else name, old, new) for name, old, new in told if old != new)


def _told(one: object | None, name: str) -> str | None:
    value = None if one is None else getattr(one, name)
    if isinstance(value, datetime):
        return spelled(value)
    return None if value is None else str(value)


def spelled(at: datetime) -> str:
    """A moment as the history tells it: RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class DispensationNote:
    """What an entry says of a dispensation: whose it is, how it stands, and of how much of each item."""

    id: UUID
    status: DispensationStatus
    quantities: tuple[tuple[UUID, int | None], ...]
    source: Source = Source.DISPENSING
    pharmacy: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @classmethod
    def of(cls, claim: Dispensation) -> Self:
        return cls(
            id=claim.id,
            status=claim.status,
            quantities=tuple((line.item_id, line.quantity) for line in claim.lines),
            source=claim.source,
            pharmacy=claim.pharmacy.name,
            started_at=claim.started_at,
            ended_at=claim.ended_at or claim.completed_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a change has to tell; the prescription adds when, who and which version.

    `was` and `item` are a line before and after: None where it was not there yet, or is there no more;
    `dispensation_was` and `dispensation` are a claim's. `findings` are those of a check, or those that
    somebody has answered for; `coverage` and `not_evaluated` are a check's.
    """

    action: Action
    changes: tuple[Change, ...] = ()
    error: str | None = None
    findings: tuple[Finding, ...] = ()
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    not_evaluated: tuple[NotEvaluated, ...] = ()
    was: Item | None = None
    item: Item | None = None
    dispensation_was: DispensationNote | None = None
    dispensation: DispensationNote | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the history. It is never edited."""

    revision: int
    version: int
    occasion: Occasion
    note: Note
    from_status: Status | None = None
    to_status: Status | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """As much of a prescription as its history alone can tell."""

    status: Status = Status.DRAFT
    version: int = 0
    fields: dict[str, str | int | bool | None] = field(default_factory=dict)
    items: tuple[Item, ...] = ()
    findings: tuple[Finding, ...] = ()
    signing: bool = False
    live_dispensation_id: UUID | None = None
    completed: dict[UUID, tuple[tuple[UUID, int | None], ...]] = field(default_factory=dict)

    def dispensed(self, item_id: UUID) -> int:
        """How much of an item has been handed over and not taken back."""
        return sum(
            used_up(quantity)
            for lines in self.completed.values()
            for item, quantity in lines
            if item == item_id
        )


def replay(entries: Iterable[Entry]) -> Outline:
    """Where the entries lead. Raises ValueError when one of them does not follow from those before it."""
    outline = Outline()
    for expected, entry in enumerate(entries, start=1):
        if entry.revision != expected or entry.version < outline.version:
            raise ValueError(f"entry {entry.revision} of version {entry.version} does not follow")
        outline = replace(_after(outline, entry), version=entry.version)
    return outline


def _after(outline: Outline, entry: Entry) -> Outline:
    note = entry.note.dispensation
    if note is not None:
        outline = _after_dispensation(outline, note)
    outline = _after_findings(_after_items(_after_changes(outline, entry.note), entry.note), entry.note)
    if entry.note.action is Action.SIGNING_STARTED:
        return replace(outline, signing=True)
    if entry.note.action is Action.SIGNING_FAILED:
        return replace(outline, signing=False)
    if entry.to_status is None:
        return outline
    if entry.from_status not in (None, outline.status):
        raise ValueError(
            f"entry {entry.revision} leaves {entry.from_status}, but the status is {outline.status}"
        )
    return replace(outline, status=entry.to_status, signing=False)


def _after_changes(outline: Outline, note: Note) -> Outline:
    return replace(outline, fields=outline.fields | {one.field: one.new for one in note.changes})


def _after_items(outline: Outline, note: Note) -> Outline:
    if note.was is None and note.item is None:
        return outline
    if note.was is None:
        return replace(outline, items=(*outline.items, note.item) if note.item else outline.items)
    if note.was not in outline.items:
        raise ValueError(f"item {note.was.id} was not what an entry says that it was")
    items = (note.item if one == note.was else one for one in outline.items)
    return replace(outline, items=tuple(one for one in items if one is not None))


def _after_findings(outline: Outline, note: Note) -> Outline:
    if note.action is Action.CHECKED:
        return replace(outline, findings=note.findings)
    if note.action is Action.ACKNOWLEDGED:
        answered = {one.id: one for one in note.findings}
        return replace(outline, findings=tuple(answered.get(one.id, one) for one in outline.findings))
    return outline


def _after_dispensation(outline: Outline, note: DispensationNote) -> Outline:
    if note.status is DispensationStatus.STARTED:
        if outline.live_dispensation_id not in (None, note.id):
            raise ValueError(f"dispensation {note.id} started beside {outline.live_dispensation_id}")
        return replace(outline, live_dispensation_id=note.id)
    completed = {id: lines for id, lines in outline.completed.items() if id != note.id}
    if note.status is DispensationStatus.COMPLETED:
        completed[note.id] = note.quantities
    live = None if outline.live_dispensation_id == note.id else outline.live_dispensation_id
    return replace(outline, completed=completed, live_dispensation_id=live)

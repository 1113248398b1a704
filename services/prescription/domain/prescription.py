"""The prescription: one frozen value, and the one door through which it becomes another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal, Self
from uuid import UUID

from services.prescription.domain.dispensation import Dispensation, EndedBy, used_up
from services.prescription.domain.history import Action, Entry, Note, Occasion
from services.prescription.domain.items import Item
from services.prescription.domain.refusal import Detail, Refused, read_as
from services.prescription.domain.requests import Answer, Issue, Shown, SignRequest, Waiting
from services.prescription.domain.safety import Acknowledgement, AskedWith, Finding, Verdict
from services.prescription.domain.signature import Signature, SignatureStatus
from services.prescription.domain.state_table import STATE_TABLE, Cell, Column, Move, Status, allowed

PublicStatus = Literal["issued", "partially_dispensed", "dispensed", "cancelled", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """Why and by whom it was called off."""

    reason: str
    reason_code: str
    doctor_id: UUID | None = None
    at: datetime


class CheckStatus(StrEnum):
    """How the stored check stands to what it was made of (delphos-dialect 4.4)."""

    NEVER_RUN = "never_run"
    PENDING = "pending"
    STALE = "stale"
    CURRENT = "current"


class Said(StrEnum):
    """What pharmacies are told."""

    RELEASED = "released"
    STARTED = "started"
    CHANGED = "changed"
    COMPLETED = "completed"
    STOPPED = "stopped"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One public event about a prescription, with a version of its own (rulings 6.1)."""

    said: Said
    version: int
    status: PublicStatus
    in_dispensing: bool
    valid_until: datetime
    dispensation_id: UUID | None = None
    expires_at: datetime | None = None
    stopped_by: EndedBy | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """That pharmacies are to be told, and of which dispensation."""

    said: Said
    dispensation: Dispensation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prescription:
    """What a doctor ordered for a patient, and what became of it.

    `version` is what clients see. `revision` counts the history: every change writes at least one entry.
    `content_version` moves with what the safety check looks at. `particulars` (people, diagnoses and notes
    as they were when it was ordered) are carried for those who print, seal and show them; no rule reads them.
    `outdated`: something that the stored check was made with has changed since. `waiting` are the requests
    that end with the check under way; `answers` what those that have ended are told.
    """

    tenant_id: UUID
    id: UUID
    patient_id: UUID
    doctor_id: UUID
    api_version: str = "v1"
    dialect: str = "osigu"
    origin: str = "manual"
    consultation_id: UUID | None = None
    template_id: UUID | None = None
    prescription_type: str = "standard"
    status: Status = Status.DRAFT
    version: int = 0
    revision: int = 0
    content_version: int = 1
    created_at: datetime
    updated_at: datetime
    items: tuple[Item, ...] = ()
    last_position: int = 0
    particulars: object = None
    notes: str | None = None
    valid_until: datetime | None = None
    code: str | None = None
    check: Verdict | None = None
    check_asked: AskedWith | None = None
    outdated: bool = False
    waiting: tuple[Waiting, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()
    unmatched_keys: tuple[str, ...] = ()
    signature: Signature | None = None
    sign_request: SignRequest | None = None
    signed_document_id: UUID | None = None
    dispensations: tuple[Dispensation, ...] = ()
    cancellation: Cancellation | None = None
    issued_at: datetime | None = None
    dispensed_at: datetime | None = None
    expired_at: datetime | None = None
    resent_at: tuple[datetime, ...] = ()
    issue: Issue | None = None
    unsaved: tuple[Entry, ...] = ()
    unsaid: tuple[Notice, ...] = ()
    answers: tuple[Answer, ...] = ()

    @property
    def column(self) -> Column:
        """Where the state table looks it up."""
        if self.status is Status.VALIDATED and self.signing:
            return Column.SIGNING
        if self.status is Status.SUBMITTED and self.live_dispensation:
            return Column.DISPENSING
        return Column(self.status.value)

    @property
    def hidden(self) -> bool:
        """Whether it is still being issued: nobody sees it, and a refusal leaves only its history."""
        return self.issue is not None

    @property
    def assembling(self) -> bool:
        """Whether it is a draft that is hidden until it is checked."""
        return self.issue is not None and self.issue.shown is Shown.CHECKED

    @property
    def issuing(self) -> bool:
        """Whether it is on its hidden way to its release."""
        return self.hidden and not self.assembling

    @property
    def signing(self) -> bool:
        return self.signature is not None and self.signature.status is SignatureStatus.PENDING

    @property
    def unsigned(self) -> bool:
        """Whether checks of it go by what is so now: visible, and nobody has signed it."""
        return not self.hidden and self.status in _UNSIGNED

    @property
    def signed(self) -> bool:
        """Whether it has ever been signed, whatever became of it."""
        return self.signature is not None and self.signature.signed_at is not None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Those of the last stored check."""
        return self.check.findings if self.check else ()

    @property
    def check_status(self) -> CheckStatus:
        """From the signature on it is frozen as current, and a cancellation leaves it as it was."""
        if self.signed or self.status in _FROZEN:
            return CheckStatus.CURRENT
        if self.check_asked is not None:
            return CheckStatus.PENDING
        if self.check is None:
            return CheckStatus.NEVER_RUN
        fits = self.check.asked_with.content_version == self.content_version and not self.outdated
        return CheckStatus.CURRENT if fits else CheckStatus.STALE

    @property
    def live_dispensation(self) -> Dispensation | None:
        """The one claim that holds it, if any."""
        return next((one for one in self.dispensations if one.live), None)

    def dispensation(self, dispensation_id: UUID) -> Dispensation | None:
        return next((one for one in self.dispensations if one.id == dispensation_id), None)

    def item(self, item_id: UUID) -> Item | None:
        return next((one for one in self.items if one.id == item_id), None)

    def dispensed_quantity(self, item: Item) -> int:
        """What was handed over and not taken back."""
        return sum(
            used_up(line.quantity)
            for one in self.dispensations
            if one.counts
            for line in one.lines
            if line.item_id == item.id
        )

    def remaining_quantity(self, item: Item) -> int | None:
        """What can still be dispensed. An item without quantity: None until it is dispensed, then 0."""
        dispensed = self.dispensed_quantity(item)
        if item.quantity is None:
            return 0 if dispensed else None
        return item.quantity - dispensed

    @property
    def outstanding(self) -> tuple[Item, ...]:
        """The items of which something can still be dispensed."""
        return tuple(item for item in self.items if self.remaining_quantity(item) != 0)

    @property
    def ended(self) -> bool:
        """Whether pharmacies have been told that it is over."""
        return self.status in (Status.CANCELLED, Status.EXPIRED)

    def past_validity(self, now: datetime) -> bool:
        return self.valid_until is not None and now >= self.valid_until

    @property
    def public_status(self) -> PublicStatus:
        """What pharmacies call the state of something that was released."""
        if self.status is Status.SUBMITTED:
            return "partially_dispensed" if any(one.counts for one in self.dispensations) else "issued"
        if self.status is Status.DISPENSED:
            return "dispensed"
        return "cancelled" if self.status is Status.CANCELLED else "expired"

    def read_as(self, version: int | None) -> None:
        """Raise Refused unless it still stands as whoever asks has read it; None: they did not say."""
        read_as(self.version, version)

    def cell(self, move: Move) -> Cell:
        """What the state table says of a move from here."""
        return STATE_TABLE[move, self.column]

    def admit(self, move: Move, *, asked_for: Status | None = None) -> Column:
        """Where the move leads. Raises Refused when the table forbids it."""
        cell = self.cell(move)
        if cell.target is None:
            raise self.refused(cell.refusals[0] if cell.refusals else "-", asked_for=asked_for)
        return cell.target

    def refused(self, word: str, *, asked_for: Status | None = None) -> Refused:
        """The refusal that a word of the table stands for."""
        code, message = WORDS[word]
        details: dict[str, Detail] = {}
        if word == "N":
            details["status"] = self.status.value
        if word == "T" and asked_for is not None:
            details |= {"from": self.status.value, "to": asked_for.value, "allowed": [*allowed(self.status)]}
        if word in ("R2", "D") and (live := self.live_dispensation):
            details["claim_expires_at"] = live.expires_at
        return Refused(code, message, details=details, cell=word)

    def becomes(self, changed: Self, occasion: Occasion, *notes: Note, say: Sequence[Say] = ()) -> Self:
        """The changed prescription with its history told and its notices made, each with its own version."""
        if changed.status is not self.status and not any(n.action is Action.STATUS_CHANGED for n in notes):
            notes = (*notes, Note(action=Action.STATUS_CHANGED))
        version = self.version + max(1, len(say))
        entries = tuple(
            self._entry(changed, occasion, note, version=version, revision=self.revision + place)
            for place, note in enumerate(notes, start=1)
        )
        notices = tuple(
            changed._notice(one, version=self.version + place) for place, one in enumerate(say, start=1)
        )
        return replace(
            changed,
            version=version,
            revision=self.revision + len(entries),
            updated_at=occasion.at,
            unsaved=self.unsaved + entries,
            unsaid=self.unsaid + notices,
        )

    def noted(self, occasion: Occasion, note: Note) -> Self:
        """The same prescription, with one more line in its history that clients' versions do not count."""
        return self.besides(self, occasion, note)

    def besides(self, changed: Self, occasion: Occasion, note: Note) -> Self:
        """The changed prescription under the version that it has: one more line of the same commit."""
        entry = Entry(revision=self.revision + 1, version=self.version, occasion=occasion, note=note)
        return replace(changed, revision=self.revision + 1, unsaved=(*self.unsaved, entry))

    def _entry(self, changed: Self, occasion: Occasion, note: Note, *, version: int, revision: int) -> Entry:
        moved = note.action is Action.STATUS_CHANGED
        return Entry(
            revision=revision,
            version=version,
            occasion=occasion,
            note=note,
            from_status=self.status if moved else None,
            to_status=changed.status if moved else None,
        )

    def _notice(self, say: Say, *, version: int) -> Notice:
        told = say.dispensation
        assert (
            self.valid_until is not None
        )  # Nothing is released without it, and nothing unreleased is told of.
        return Notice(
            said=say.said,
            version=version,
            status=self.public_status,
            in_dispensing=self.live_dispensation is not None,
            valid_until=self.valid_until,
            dispensation_id=told.id if told else None,
            expires_at=told.expires_at if told and say.said is Said.STARTED else None,
            stopped_by=told.ended_by if told and say.said is Said.STOPPED else None,
        )


_UNSIGNED = frozenset({Status.DRAFT, Status.PENDING_REVIEW, Status.VALIDATED})
_FROZEN = frozenset({Status.SIGNED, Status.SUBMITTED, Status.DISPENSED, Status.EXPIRED})

# The words of the state table, as a client hears them.
WORDS = {
    "N": ("not_editable", "It can be changed in draft and pending_review only."),
    "T": ("invalid_transition", "The prescription cannot take this status from where it is."),
    "Z": ("terminal_state", "The prescription has come to its end."),
    "S": ("signing_in_progress", "It is being signed."),
    "D": ("already_being_dispensed", "A pharmacy holds the prescription."),
    "R1": ("code_not_found", "No issued prescription has this code."),
    "R2": ("already_being_dispensed", "Another pharmacy holds the prescription."),
    "R3": ("prescription_dispensed", "The prescription has been dispensed in full."),
    "R4": ("prescription_voided", "The prescription was voided."),
    "R5": ("prescription_expired", "The prescription has expired."),
    "R6": ("dispensation_ended", "The dispensation has ended."),
    "-": ("invalid_transition", "This cannot happen in the present state."),
}

"""The published state table: which command meets which state, and what comes of it. Nothing else decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    DRAFT = "draft"
    PENDING_REVIEW = "pending_review"
    VALIDATED = "validated"
    SIGNED = "signed"
    SUBMITTED = "submitted"
    DISPENSED = "dispensed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Column(StrEnum):
    """A status, told apart further while a signature is under way or a pharmacy holds the prescription."""

    DRAFT = "draft"
    PENDING_REVIEW = "pending_review"
    VALIDATED = "validated"
    SIGNING = "validated+sig"
    SIGNED = "signed"
    SUBMITTED = "submitted"
    DISPENSING = "submitted+disp"
    DISPENSED = "dispensed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def status(self) -> Status:
        return Status(self.value.partition("+")[0])


class Move(StrEnum):
    """Whatever may be asked of a prescription or happen to it, in the words of the table's first column."""

    EDIT = "edit"
    REMOVE_ITEM = "remove item"
    ASK_CHECK = "ask check"
    ACKNOWLEDGE = "acknowledge"
    SAVE_AS_TEMPLATE = "save as template"
    TO_DRAFT_OR_EXPIRED = "to draft or expired"
    TO_PENDING_REVIEW = "to pending_review"
    TO_VALIDATED = "to validated"
    TO_SIGNED = "to signed"
    TO_SUBMITTED = "to submitted"
    TO_DISPENSED = "to dispensed"
    TO_CANCELLED = "to cancelled"
    SIGNATURE_MADE = "signature made"
    SIGNING_FAILED = "signing failed"
    CHECKED = "checked"
    VALIDITY_PASSES = "validity passes"
    START = "start"
    CHANGE_LINES = "change lines"
    COMPLETE_PART = "complete part"
    COMPLETE_ALL = "complete all"
    END_LIVE = "end live"
    CANCEL_COMPLETED = "cancel completed"


@dataclass(frozen=True, slots=True)
class Cell:
    """What comes of a move: a state (the same one for `=`), a refusal, or nothing at all (`-`)."""

    target: Column | None
    refusals: tuple[str, ...]
    conditions: frozenset[str]

    @property
    def accepted(self) -> bool:
        return self.target is not None

    @property
    def ignored(self) -> bool:
        return self.target is None and not self.refusals


# `=` accepted, same state; `>x` accepted, new state x. Refused: N not editable, T invalid transition,
# Z terminal state, S signing in progress, D already being dispensed, R1 not released, R2 another claim is
# live, R3 dispensed, R4 cancelled, R5 expired, R6 the dispensation ended before. `=/R2`: accepted for the
# pharmacy that holds it, refused to another; `R4/R6`: R4 for the dispensation that the cancellation ended, R6
# for any other. `-`: a late or impossible message.
#
# Conditions, checked where the move is made: a not the last item; b at least one item; c items complete;
# d `valid_until` given, in the future; e policies; f the steps of signing; g `valid_until` not past;
# h no unacknowledged blocking finding; i reason given; j `expired` instead of `submitted` once `valid_until`
# is past, which waits for a live dispensation; k the live dispensation ends in the same commit, by the
# prescriber's hand.
PUBLISHED: Final = """
move                | draft              | pending_review | validated         | validated+sig | signed         | submitted       | submitted+disp | dispensed    | cancelled | expired
edit                | =                  | =              | N                 | N             | N              | N               | N              | N            | N         | N
remove item         | =                  | = a            | N                 | N             | N              | N               | N              | N            | N         | N
ask check           | =                  | =              | =                 | =             | =              | =               | =              | Z            | Z         | Z
acknowledge         | =                  | =              | =                 | =             | =              | =               | =              | Z            | Z         | Z
save as template    | = b                | = b            | = b               | = b           | = b            | = b             | = b            | = b          | = b       | = b
to draft or expired | T                  | T              | T                 | T             | T              | T               | T              | T            | T         | T
to pending_review   | >pending_review bc | T              | T                 | T             | T              | T               | T              | T            | T         | T
to validated        | T                  | >validated de  | T                 | T             | T              | T               | T              | T            | T         | T
to signed           | T                  | T              | >validated+sig ef | S             | T              | T               | T              | T            | T         | T
to submitted        | T                  | T              | T                 | T             | >submitted egh | T               | T              | T            | T         | T
to dispensed        | T                  | T              | T                 | T             | T              | >dispensed      | D              | T            | T         | T
to cancelled        | >cancelled i       | >cancelled i   | >cancelled i      | >cancelled i  | >cancelled i   | >cancelled i    | >cancelled ik  | T            | T         | T
signature made      | -                  | -              | -                 | >signed       | -              | -               | -              | -            | -         | -
signing failed      | -                  | -              | -                 | >validated    | -              | -               | -              | -            | -         | -
checked             | =                  | =              | =                 | =             | =              | =               | =              | -            | -         | -
validity passes     | =                  | =              | =                 | =             | =              | >expired        | = j            | -            | -         | -
start               | R1                 | R1             | R1                | R1            | R1             | >submitted+disp | =/R2           | R3           | R4        | R5
change lines        | R1                 | R1             | R1                | R1            | R1             | R6              | =              | R6           | R4/R6     | R6
complete part       | R1                 | R1             | R1                | R1            | R1             | R6              | >submitted j   | R6           | R4/R6     | R6
complete all        | R1                 | R1             | R1                | R1            | R1             | R6              | >dispensed     | R6           | R4/R6     | R6
end live            | -                  | -              | -                 | -             | -              | -               | >submitted j   | -            | -         | -
cancel completed    | -                  | -              | -                 | -             | -              | =               | =              | >submitted j | =         | =
"""  # noqa: E501


def _cell(text: str, column: Column) -> Cell:
    outcome, _, conditions = text.strip().partition(" ")
    accepted, _, refused = outcome.partition("/") if outcome.startswith("=") else (outcome, "", "")
    target: Column | None = None
    if accepted == "=":
        target = column
    elif accepted.startswith(">"):
        target = Column(accepted[1:])
    elif accepted != "-":
        refused = accepted
    return Cell(target, tuple(refused.split("/")) if refused else (), frozenset(conditions.strip()))


def _read(published: str) -> Mapping[tuple[Move, Column], Cell]:
    heading, *rows = [[part.strip() for part in line.split("|")] for line in published.strip().splitlines()]
    columns = [Column(name) for name in heading[1:]]
    return {
        (Move(move), column): _cell(text, column)
        for move, *cells in rows
        for column, text in zip(columns, cells, strict=True)
    }


STATE_TABLE: Final = _read(PUBLISHED)

# The targets a client may name; `draft` and `expired` are names that are never reached by asking.
ASKED_FOR: Final[Mapping[Status, Move]] = {
    Status.DRAFT: Move.TO_DRAFT_OR_EXPIRED,
    Status.PENDING_REVIEW: Move.TO_PENDING_REVIEW,
    Status.VALIDATED: Move.TO_VALIDATED,
    Status.SIGNED: Move.TO_SIGNED,
    Status.SUBMITTED: Move.TO_SUBMITTED,
    Status.DISPENSED: Move.TO_DISPENSED,
    Status.CANCELLED: Move.TO_CANCELLED,
    Status.EXPIRED: Move.TO_DRAFT_OR_EXPIRED,
}


def allowed(status: Status) -> tuple[Status, ...]:
    """The statuses that can be asked for from this one, whatever the other conditions."""
    column = Column(status.value)
    return tuple(target for target, move in ASKED_FOR.items() if STATE_TABLE[move, column].accepted)

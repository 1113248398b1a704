"""The published state table, transcribed from its document, against the commands: a case a cell."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.prescription.domain import (
    cancelling,
    checking,
    clock,
    dispensing,
    editing,
    signing,
    state_table,
)
from services.prescription.domain.prescription import Prescription
from services.prescription.domain.refusal import Refused
from services.prescription.domain.signature import SignatureStatus
from services.prescription.domain.state_table import Column, Status
from tests.unit import prescriptions as some
from tests.unit.prescriptions import FIRST, MOON, SECOND, SUN, TERMS, VALID_UNTIL, at, later

# The cells of delphos-dialect 3.6, row by row; a hash names the cases that it tells apart in words.
TRANSCRIBED = """
PATCH metadata              = = N N N N N N N N
POST item                   = = N N N N N N N N
PATCH item                  = = N N N N N N N N
DELETE item                 = = N N N N N N N N
POST safety-check           = = = = = = = Z Z Z
acknowledge                 = = = = = = = Z Z Z
acknowledge-all             = = = = = = = Z Z Z
POST save-as-template       = = = = = = = = = =
status draft                T T T T T T T T T T
status expired              T T T T T T T T T T
status pending_review       >pending_review T T T T T T T T T
status validated            T >validated T T T T T T T T
status signed               T T >validated+sig S T T T T T T
status submitted            T T T T >submitted T T T T T
status dispensed            T T T T T >dispensed D T T T
status cancelled            >cancelled >cancelled >cancelled >cancelled >cancelled >cancelled >cancelled T T T
signature made              - - - >signed - - - - - -
signing refused             - - - >validated - - - - - -
check result                = = = = = = = - - -
valid_until passes          = = = = = >expired = - - -
start#same                  R1 R1 R1 R1 R1 >submitted+disp = R3 R4 R5
start#another               R1 R1 R1 R1 R1 >submitted+disp R2 R3 R4 R5
change lines                R1 R1 R1 R1 R1 R6 = R6 R4 R6
change lines#ended earlier  R1 R1 R1 R1 R1 R6 R6 R6 R6 R6
complete, part              R1 R1 R1 R1 R1 R6 >submitted R6 R4 R6
complete, part#ended        R1 R1 R1 R1 R1 R6 R6 R6 R6 R6
complete, all               R1 R1 R1 R1 R1 R6 >dispensed R6 R4 R6
cancel a live one           - - - - - - >submitted - - -
time-out                    - - - - - - >submitted - - -
cancel a completed one      - - - - - = = >submitted = =
"""

COLUMNS = tuple(Column)
NEW_ITEM = some.item(SECOND, position=3)
VERDICT = some.verdict(asked_with=replace(some.ASKED, content_version=1))
PART = (some.line(some.TABLETS, 20, price=None),)
OTHER_RECEIPT = replace(some.RECEIPT, document_number="F-2")

# A command, in the words of the table, on a prescription.
COMMANDS: dict[str, Callable[[Prescription], Prescription]] = {
    "PATCH metadata": lambda p: editing.change_metadata(
        p, notes="Before meals.", valid_until=p.valid_until, prescription_type="standard", occasion=at()
    ),
    "POST item": lambda p: editing.add_item(p, NEW_ITEM, items_max=30, occasion=at()),
    "PATCH item": lambda p: editing.change_item(p, some.item(quantity=10), occasion=at()),
    "DELETE item": lambda p: editing.remove_item(p, some.SYRUP, occasion=at()),
    "POST safety-check": lambda p: checking.ask(p, some.ASKED, at()),
    "acknowledge": lambda p: checking.acknowledge(p, [], doctor_id=some.DOCTOR, reason="x", occasion=at()),
    "acknowledge-all": lambda p: checking.acknowledge(
        p, None, doctor_id=some.DOCTOR, reason="x", occasion=at()
    ),
    "POST save-as-template": lambda p: editing.ready_as_template(p) or p,
    "status draft": lambda p: editing.refuse_target(p, Status.DRAFT),
    "status expired": lambda p: editing.refuse_target(p, Status.EXPIRED),
    "status pending_review": lambda p: editing.submit_for_review(p, occasion=at()),
    "status validated": lambda p: editing.validate(p, valid_until=VALID_UNTIL, occasion=at()),
    "status signed": lambda p: signing.begin(p, signed_by=some.DOCTOR, occasion=at()),
    "status submitted": lambda p: signing.release(p, document_id=some.DOCUMENT, occasion=at()),
    "status dispensed": lambda p: dispensing.dispensed_elsewhere(
        p, dispensation_id=SECOND, pharmacy=SUN, terms=TERMS, occasion=at()
    ),
    "status cancelled": lambda p: cancelling.cancel(p, reason="Rash.", occasion=at()),
    "signature made": lambda p: signing.after_seal(p, some.SEAL, number=1, occasion=at()),
    "signing refused": lambda p: signing.after_failure(p, "seal_refused", number=1, occasion=at()),
    "check result": lambda p: checking.store_verdict(p, VERDICT, some.KEYS, at()),
    "valid_until passes": lambda p: clock.expire(p, at(VALID_UNTIL + timedelta(seconds=1))),
    "start#same": lambda p: dispensing.start(
        p, dispensation_id=SECOND, pharmacy=SUN, terms=TERMS, occasion=at()
    ),
    "start#another": lambda p: dispensing.start(
        p, dispensation_id=SECOND, pharmacy=MOON, terms=TERMS, occasion=at()
    ),
    "change lines": lambda p: dispensing.change_lines(
        p, dispensation_id=FIRST, pharmacy=SUN, lines=PART, occasion=at()
    ),
    "complete, part": lambda p: dispensing.complete(
        with_lines(p, PART), dispensation_id=FIRST, pharmacy=SUN, receipt=OTHER_RECEIPT, occasion=at()
    ),
    "complete, all": lambda p: dispensing.complete(
        p, dispensation_id=FIRST, pharmacy=SUN, receipt=OTHER_RECEIPT, occasion=at()
    ),
    "cancel a live one": lambda p: dispensing.cancel(p, dispensation_id=FIRST, pharmacy=SUN, occasion=at()),
    "time-out": lambda p: dispensing.time_out(p, later(minutes=31)),
    "cancel a completed one": lambda p: dispensing.cancel(
        p,
        dispensation_id=FIRST,
        pharmacy=SUN,
        void_reason="WRONG_PATIENT_IDENTIFICATION",
        occasion=later(hours=1),
    ),
}
# Commands about a dispensation that had ended before the prescription came to where it is.
COMMANDS["change lines#ended earlier"] = lambda p: dispensing.change_lines(
    p, dispensation_id=SECOND, pharmacy=SUN, lines=PART, occasion=at()
)
COMMANDS["complete, part#ended"] = lambda p: dispensing.complete(
    p, dispensation_id=SECOND, pharmacy=SUN, receipt=OTHER_RECEIPT, occasion=at()
)


def with_lines(prescription: Prescription, lines: tuple) -> Prescription:
    return replace(
        prescription,
        dispensations=tuple(replace(one, lines=lines) for one in prescription.dispensations),
    )


def with_an_earlier_one(prescription: Prescription) -> Prescription:
    """SECOND timed out before anything else happened."""
    held = some.in_column(Column.DISPENSING).dispensations[0]
    ended = replace(dispensing.time_out(some.in_column(Column.DISPENSING), later(hours=1)).dispensations[0])
    assert held.id == ended.id
    return replace(prescription, dispensations=(replace(ended, id=SECOND), *prescription.dispensations))


def with_a_completed_one(prescription: Prescription) -> Prescription:
    """FIRST was handed over in part before the prescription came to where it is."""
    done = some.completed(with_lines(some.in_column(Column.DISPENSING), PART)).dispensations[0]
    others = [replace(one, id=SECOND) for one in prescription.dispensations if one.live]
    return replace(prescription, dispensations=(done, *others))


def prepared(row: str, column: Column) -> Prescription:
    prescription = some.in_column(column)
    if "#ended" in row:
        return with_an_earlier_one(prescription)
    released = column.status in (Status.SUBMITTED, Status.CANCELLED, Status.EXPIRED)
    if row == "cancel a completed one" and released:
        return with_a_completed_one(prescription)
    return prescription


ROWS = {line[:28].strip(): line[28:].split() for line in TRANSCRIBED.strip().splitlines()}
CASES = [
    (row, column, cell) for row, cells in ROWS.items() for column, cell in zip(COLUMNS, cells, strict=True)
]
ANSWERS = {
    "N": {"not_editable"},
    "T": {"invalid_transition"},
    "Z": {"terminal_state"},
    "S": {"signing_in_progress"},
    "D": {"already_being_dispensed"},
    "R1": {"code_not_found"},
    "R2": {"already_being_dispensed"},
    "R3": {"prescription_dispensed"},
    "R4": {"prescription_voided"},
    "R5": {"prescription_expired"},
    "R6": {"dispensation_completed", "dispensation_cancelled", "dispensation_expired"},
}


@pytest.mark.parametrize(("row", "column", "cell"), CASES, ids=[f"{r} on {c}" for r, c, _ in CASES])
def test_a_command_does_what_its_cell_says(row, column, cell):
    before = prepared(row, column)
    command = COMMANDS[row]

    if cell in ANSWERS:
        with pytest.raises(Refused) as refused:
            command(before)
        assert refused.value.code in ANSWERS[cell]
        assert refused.value.cell == cell
        return
    if cell == "-" and row.startswith("cancel a"):
        assert_nothing_to_cancel(command, before)
        return
    after = command(before)

    assert after.column is (Column(cell[1:]) if cell.startswith(">") else column)
    if cell == "-":
        assert after == before


def assert_nothing_to_cancel(command, before):
    """`-`: it cannot occur; a pharmacy that speaks of a claim that it does not hold is told so."""
    if before.column is Column.CANCELLED:
        assert command(before) == before
        return
    with pytest.raises(Refused) as refused:
        command(before)
    assert refused.value.code in ("resource_not_found", "dispensation_expired", "validation_failed")


def test_a_seal_of_what_was_cancelled_meanwhile_is_archived_and_never_valid():
    cancelled = cancelling.cancel(some.in_column(Column.SIGNING), reason="Rash.", occasion=at())

    archived = signing.after_seal(cancelled, some.SEAL, number=1, occasion=at())

    assert archived.column is Column.CANCELLED
    assert archived.signature.status is SignatureStatus.VOID
    assert archived.signature.seal == some.SEAL
    assert archived.version == cancelled.version


def test_a_seal_that_comes_when_the_attempt_had_been_given_up_and_all_was_cancelled_changes_no_read():
    failed = signing.after_failure(some.in_column(Column.SIGNING), "refused", number=1, occasion=at())
    cancelled = cancelling.cancel(failed, reason="Rash.", occasion=at())

    archived = signing.after_seal(cancelled, some.SEAL, number=1, occasion=at())

    assert (archived.signature.status, archived.signed) == (SignatureStatus.FAILED, False)
    assert (archived.signature.seal, archived.version) == (some.SEAL, cancelled.version)


def test_a_seal_made_for_an_earlier_attempt_is_not_taken_for_the_present_one():
    failed = signing.after_failure(some.in_column(Column.SIGNING), "refused", number=1, occasion=at())
    again = signing.begin(failed, signed_by=some.DOCTOR, occasion=at())

    assert signing.after_seal(again, some.SEAL, number=1, occasion=at()) == again
    assert signing.after_seal(again, some.SEAL, number=2, occasion=at()).column is Column.SIGNED


def test_the_table_that_the_code_executes_is_the_published_one():
    moves = {
        "PATCH metadata": "edit",
        "DELETE item": "remove item",
        "POST safety-check": "ask check",
        "acknowledge": "acknowledge",
        "POST save-as-template": "save as template",
        "status draft": "to draft or expired",
        "status pending_review": "to pending_review",
        "status validated": "to validated",
        "status signed": "to signed",
        "status submitted": "to submitted",
        "status dispensed": "to dispensed",
        "status cancelled": "to cancelled",
        "signature made": "signature made",
        "signing refused": "signing failed",
        "check result": "checked",
        "valid_until passes": "validity passes",
        "start#same": "start",
        "change lines": "change lines",
        "complete, part": "complete part",
        "complete, all": "complete all",
        "time-out": "end live",
        "cancel a completed one": "cancel completed",
    }
    for row, move in moves.items():
        for column, transcribed in zip(COLUMNS, ROWS[row], strict=True):
            cell = state_table.STATE_TABLE[state_table.Move(move), column]
            target = cell.target
            shown = "-" if cell.ignored else cell.refusals[0] if target is None else "="
            if (target is not None and target is not column) or transcribed.startswith(">"):
                shown = f">{target}"
            assert shown == transcribed, (row, column)
    assert set(moves.values()) == {move.value for move in state_table.Move}


def test_what_may_be_asked_for_is_one_step_forward_or_cancelled():
    assert state_table.allowed(Status.DRAFT) == (Status.PENDING_REVIEW, Status.CANCELLED)
    assert state_table.allowed(Status.SUBMITTED) == (Status.DISPENSED, Status.CANCELLED)
    assert state_table.allowed(Status.DISPENSED) == ()


def test_an_illegal_target_is_refused_with_what_would_be_legal():
    with pytest.raises(Refused) as refused:
        signing.begin(some.draft(), signed_by=some.DOCTOR, occasion=at())

    assert refused.value.details == {
        "from": "draft",
        "to": "signed",
        "allowed": [Status.PENDING_REVIEW, Status.CANCELLED],
    }


AFTER_THE_END = at(VALID_UNTIL + timedelta(minutes=10))
LATE = VALID_UNTIL - timedelta(minutes=5)


def held_at_the_end() -> Prescription:
    return dispensing.start(
        some.in_column(Column.SUBMITTED), dispensation_id=SECOND, pharmacy=SUN, terms=TERMS, occasion=at(LATE)
    )


@pytest.mark.parametrize(
    "ending",
    [
        lambda p: dispensing.time_out(p, at(VALID_UNTIL + timedelta(hours=1))),
        lambda p: dispensing.cancel(p, dispensation_id=SECOND, pharmacy=SUN, occasion=AFTER_THE_END),
        lambda p: dispensing.complete(
            with_lines(p, PART),
            dispensation_id=SECOND,
            pharmacy=SUN,
            receipt=some.RECEIPT,
            occasion=AFTER_THE_END,
        ),
    ],
)
def test_expiry_waits_for_a_live_dispensation_and_follows_its_end(ending):
    held = clock.as_of(held_at_the_end(), AFTER_THE_END.at)
    assert held.column is Column.DISPENSING

    assert ending(held).column is Column.EXPIRED


def test_what_comes_back_after_the_validity_is_expired():
    done = dispensing.complete(
        held_at_the_end(), dispensation_id=SECOND, pharmacy=SUN, receipt=some.RECEIPT, occasion=at(LATE)
    )
    assert done.column is Column.DISPENSED

    back = dispensing.cancel(
        done, dispensation_id=SECOND, pharmacy=SUN, void_reason="REFUND", occasion=AFTER_THE_END
    )

    assert back.column is Column.EXPIRED

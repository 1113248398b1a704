"""The pages that are written from the code say what the code says today."""

from __future__ import annotations

import re

from dev import state_page, wiring
from services.prescription.domain.prescription import WORDS
from services.prescription.domain.state_table import STATE_TABLE, Column, Move

ROWS = [line for line in state_page.page().splitlines() if line.startswith("|")]


def test_the_page_of_the_state_table_is_the_table_that_is_executed() -> None:
    assert state_page.written() == state_page.page(), "run `make golden` and read the diff"


def test_the_wiring_of_the_architecture_page_is_the_catalogue() -> None:
    text = wiring.PAGE.read_text(encoding="utf-8")

    assert wiring.page(text) == text, "run `make golden` and read the diff"


def test_every_move_has_its_row_and_every_state_its_column() -> None:
    by_move = {row.split(" | ")[0].removeprefix("| "): row for row in ROWS}

    for move in Move:
        assert len(by_move[state_page.asked(move)].split(" | ")) == len(Column) + 1


def test_every_refusal_and_every_condition_of_the_table_is_explained() -> None:
    cells = STATE_TABLE.values()

    assert set(state_page.REFUSALS) == {word for cell in cells for word in cell.refusals}
    assert set(state_page.CONDITIONS) == {letter for cell in cells for letter in cell.conditions}


def test_the_answers_to_refusals_are_those_that_the_domain_gives() -> None:
    for word in state_page.REFUSALS:
        code, _ = WORDS[word]
        told = re.findall(r"`(\w+)`", state_page.REFUSALS[word][1])
        # How a dispensation ended is told where the claim is known.
        assert code in told or (word, code) == ("R6", "dispensation_ended")

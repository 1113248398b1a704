"""The state table (3.6), one test a cell: the table as published, read, and played over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from dev.platform import Platform
from tests import problems
from tests.clients import RECEIPT, Pharmacy
from tests.infrastructure import until
from tests.journey.delphos.desk import AMOXICILLIN, Desk, refusal, word
from tests.journey.delphos.stage import SIGNING, Case, Stage

TABLE = """
| Command | draft | pending_review | validated | validated+sig | signed | submitted | submitted+disp | dispensed | cancelled | expired |
|---|---|---|---|---|---|---|---|---|---|---|
| PATCH metadata, POST item, PATCH item | = | = | N | N | N | N | N | N | N | N |
| DELETE item | = | = (a) | N | N | N | N | N | N | N | N |
| POST safety-check | = | = | = | = | = | = | = | Z | Z | Z |
| acknowledge, acknowledge-all | = | = | = | = | = | = | = | Z | Z | Z |
| POST save-as-template (b) | = | = | = | = | = | = | = | = | = | = |
| status `draft`, `expired` | T | T | T | T | T | T | T | T | T | T |
| status `pending_review` | >pending_review (b,c) | T | T | T | T | T | T | T | T | T |
| status `validated` | T | >validated (d,e) | T | T | T | T | T | T | T | T |
| status `signed` | T | T | >validated+sig, then >signed (e,f) | S | T | T | T | T | T | T |
| status `submitted` | T | T | T | T | >submitted (e,g,h) | T | T | T | T | T |
| status `dispensed` | T | T | T | T | T | >dispensed | D | T | T | T |
| status `cancelled` (i) | >cancelled | >cancelled | >cancelled | >cancelled | >cancelled | >cancelled | >cancelled (k) | T | T | T |
| internal: signature made | - | - | - | >signed | - | - | - | - | - | - |
| internal: signing refused or given up | - | - | - | >validated | - | - | - | - | - | - |
| internal: check result for the present content | = | = | = | = | = | = | = | - | - | - |
| internal: `valid_until` passes | = | = | = | = | = | >expired | = (j) | - | - | - |
| dispensing: start | R1 | R1 | R1 | R1 | R1 | >submitted+disp | = the same pharmacy gets its own back, else R2 | R3 | R4 | R5 |
| dispensing: change the lines of a live one | R1 | R1 | R1 | R1 | R1 | R6 | = | R6 | R4, R6 | R6 |
| dispensing: complete, something outstanding | R1 | R1 | R1 | R1 | R1 | R6 | >submitted (j) | R6 | R4, R6 | R6 |
| dispensing: complete, nothing outstanding | R1 | R1 | R1 | R1 | R1 | R6 | >dispensed | R6 | R4, R6 | R6 |
| dispensing: cancel a live one, or time-out | - | - | - | - | - | - | >submitted (j) | - | - | - |
| dispensing: cancel a completed one, inside its window | - | - | - | - | - | = | = | >submitted (j) | = | = |
"""  # noqa: E501
CODES = {
    "N": "409 not_editable",
    "T": "409 invalid_transition",
    "Z": "409 terminal_state",
    "S": "409 signing_in_progress",
    "D": "409 already_being_dispensed",
}
AT_PHARMACIES = {
    "R1": "404 code_not_found",
    "R2": "409 already_being_dispensed",
    "R3": "409 prescription_dispensed",
    "R4": "409 prescription_voided",
    "R5": "409 prescription_expired",
}
ALLOWED = {
    "draft": ["pending_review", "cancelled"],
    "pending_review": ["validated", "cancelled"],
    "validated": ["signed", "cancelled"],
    "validated+sig": ["signed", "cancelled"],
    "signed": ["submitted", "cancelled"],
    "submitted": ["dispensed", "cancelled"],
    "submitted+disp": ["dispensed", "cancelled"],
    "dispensed": [],
    "cancelled": [],
    "expired": [],
}


Command = Callable[[Stage, Case], Awaitable[Any]]


def call(method: str, path: str, body: Any = None) -> Command:
    async def command(stage: Stage, case: Case) -> Any:
        where = path.format(id=case.id, item=case.item, finding=case.finding)
        sent = body(stage) if callable(body) else body
        return await stage.desk.call(method, f"/prescriptions/{where}", *([] if sent is None else [sent]))

    return command


def to(status: str) -> Command:
    async def command(stage: Stage, case: Case) -> Any:
        return await stage.desk.step(case.id, status)

    return command


def doctor(stage: Stage) -> dict[str, str]:
    return {"acknowledged_by": stage.desk.doctor}


COMMANDS: dict[str, tuple[Command, ...]] = {
    "PATCH metadata, POST item, PATCH item": (
        call("PATCH", "{id}", {"notes": "Seen."}),
        call("POST", "{id}/items", AMOXICILLIN),
        call("PATCH", "{id}/items/{item}", {"dosage": "250mg"}),
    ),
    "DELETE item": (call("DELETE", "{id}/items/{item}"),),
    "POST safety-check": (call("POST", "{id}/safety-check"),),
    "acknowledge, acknowledge-all": (
        call("POST", "{id}/interactions/{finding}/acknowledge", doctor),
        call("POST", "{id}/interactions/acknowledge-all", doctor),
    ),
    "POST save-as-template (b)": (
        call("POST", "{id}/save-as-template", lambda _: {"name": f"Set {uuid4()}"}),
    ),
    "status `draft`, `expired`": (to("draft"), to("expired")),
    **{f"status `{one}`": (to(one),) for one in ("pending_review", "validated", "signed", "submitted")},
    "status `dispensed`": (to("dispensed"),),
    "status `cancelled` (i)": (to("cancelled"),),
}
SPENDING = COMMANDS["DELETE item"] + COMMANDS["acknowledge, acknowledge-all"]
"""What they are made on is used up, or must not have been changed before."""
DISPENSING = {
    "dispensing: start",
    "dispensing: change the lines of a live one",
    "dispensing: complete, something outstanding",
    "dispensing: complete, nothing outstanding",
    "dispensing: cancel a live one, or time-out",
    "dispensing: cancel a completed one, inside its window",
}
INTERNAL = {
    "internal: signature made",
    "internal: signing refused or given up",
    "internal: check result for the present content",
    "internal: `valid_until` passes",
}


def read_table() -> list[tuple[str, str, str]]:
    """(command, column, cell) of every cell."""
    head, _, *rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in TABLE.strip().splitlines()]
    return [(row[0], column, cell) for row in rows for column, cell in zip(head[1:], row[1:], strict=True)]


CELLS = read_table()


def commands(*, signing: bool) -> list[Any]:
    """A command over this dialect that meets a column, and what the cell says."""
    return [
        pytest.param(command, column, cell, id=f"{row} {number}, {column}")
        for row, column, cell in CELLS
        for number, command in enumerate(COMMANDS.get(row, ()), 1)
        if (column == SIGNING) == signing
    ]


def dispensings(*, signing: bool) -> list[Any]:
    return [
        pytest.param(row.removeprefix("dispensing: "), column, cell, id=f"{row}, {column}")
        for row, column, cell in CELLS
        if row in DISPENSING and cell != "-" and (column == SIGNING) == signing
    ]


def meaning(cell: str) -> str:
    """Without its conditions: `=`, `>signed`, `N` …"""
    return cell.split(" ")[0] if "then >" not in cell else cell.rpartition("then ")[2].split(" ")[0]


@pytest.fixture(scope="module")
def standing() -> dict[str, Case]:
    return {}


@pytest.fixture
async def stage(desk: Desk, pharmacy: Pharmacy, other_pharmacy: Pharmacy, standing: dict[str, Case]) -> Stage:
    return Stage(desk, pharmacy, other_pharmacy, standing)


def test_every_row_of_the_table_is_played() -> None:
    assert {row for row, _, _ in CELLS} == set(COMMANDS) | DISPENSING | INTERNAL
    assert len(CELLS) == 22 * 10


async def assert_meets(stage: Stage, command: Command, column: str, cell: str) -> None:
    said = meaning(cell)
    refused = said in CODES
    spent = said.startswith(">") or (command in SPENDING and column in ("draft", "pending_review"))
    case = await stage.case(column, shared=not spent)
    before = await stage.version(case)

    answer = await command(stage, case)

    after = await stage.version(case)
    if refused:
        assert word(answer) == CODES[said]
        assert after == before
        tell_of_refusal(refusal(answer), column, before[0])
    else:
        assert answer.status_code in (200, 201, 204), answer.text
        assert after[0] == (said[1:] if said.startswith(">") else before[0])
        assert after[1] >= before[1] + said.startswith(">")


def tell_of_refusal(body: dict[str, Any], column: str, status: str) -> None:
    if body["error"] == "invalid_transition":
        assert (body["from"], body["allowed"]) == (status, ALLOWED[column])
    if body["error"] == "not_editable":
        assert body["status"] == status
    assert body["retryable"] is (body["error"] in ("signing_in_progress", "already_being_dispensed"))


@pytest.mark.parametrize(("command", "column", "cell"), commands(signing=False))
async def test_a_command_meets_a_prescription(stage: Stage, command: Command, column: str, cell: str) -> None:
    await assert_meets(stage, command, column, cell)


@pytest.mark.parametrize(("row", "column", "cell"), dispensings(signing=False))
async def test_a_pharmacy_meets_a_prescription(stage: Stage, row: str, column: str, cell: str) -> None:
    await assert_pharmacy_meets(stage, row, column, cell)


async def assert_pharmacy_meets(stage: Stage, row: str, column: str, cell: str) -> None:
    if meaning(cell) == "R1":
        await assert_not_released(stage, await stage.case(column, shared=True))
    elif row == "start":
        await assert_start(stage, column, cell)
    elif row == "cancel a completed one, inside its window":
        await assert_taken_back(stage, column, cell)
    elif row == "cancel a live one, or time-out":
        case = await stage.case(column, shared=False)
        assert (await stage.pharmacy.cancel(case.dispensation)).status_code == 200
        assert await stage.is_at(case, "submitted")
    else:
        await assert_changed(stage, row, column, cell)


async def assert_not_released(stage: Stage, case: Case) -> None:
    """There is nothing that a pharmacy could name, but for a signed one's code, which says nothing yet."""
    read = await stage.desk.read(case.id)
    assert read["dispensations"] == []
    assert bool(read["prescription_code"]) == (read["status"] == "signed")
    if read["prescription_code"]:
        assert problems.word(await stage.pharmacy.start(read["prescription_code"])) == AT_PHARMACIES["R1"]


async def assert_start(stage: Stage, column: str, cell: str) -> None:
    case = await stage.case(column, shared=not cell.startswith(">"))
    if cell.startswith("="):
        own = await stage.pharmacy.start(case.code)
        assert (own.status_code, own.json()["dispensation_id"]) == (200, case.dispensation)
        assert problems.word(await stage.other_pharmacy.start(case.code)) == AT_PHARMACIES["R2"]
        return
    answer = await stage.pharmacy.start(case.code)
    if cell.startswith(">"):
        assert answer.status_code == 201
        assert (await stage.desk.read(case.id))["dispensations"][-1]["status"] == "started"
        return
    assert problems.word(answer) == AT_PHARMACIES[cell]


async def assert_taken_back(stage: Stage, column: str, cell: str) -> None:
    """What was completed, in part unless all was dispensed, is cancelled."""
    if column == "expired":
        case = await stage.expired(completed=True)
    elif column == "dispensed":
        case = await stage.case(column, shared=False)
    else:
        case = await stage.case("submitted+disp", shared=False)
        await stage.part(case)
        assert (await stage.pharmacy.complete(case.dispensation)).status_code == 200
        if column == "cancelled":
            await stage.desk.step(case.id, "cancelled")
        if column == "submitted+disp":
            assert (await stage.other_pharmacy.start(case.code)).status_code == 201
    before = (await stage.version(case))[0]

    answer = await stage.pharmacy.cancel(case.dispensation, void_reason="REFUND")

    assert answer.status_code == 200, answer.text
    assert await stage.is_at(case, "submitted" if cell.startswith(">") else before)
    assert {one["dispensed_quantity"] for one in (await stage.desk.read(case.id))["items"]} == {0}


async def assert_changed(stage: Stage, row: str, column: str, cell: str) -> None:
    accepted = column == "submitted+disp"
    case = await stage.case(column, shared=not accepted)
    line = {"id": case.line, "price": 0, "taxes": 0, "quantity": 1}
    if accepted and row == "complete, something outstanding":
        await stage.part(case)
    if row == "change the lines of a live one":
        answer = await stage.pharmacy.update(case.dispensation, line)
    else:
        other = RECEIPT if accepted else {"document_number": "F-OTHER"}
        answer = await stage.pharmacy.complete(case.dispensation, **other)
    if accepted:
        assert answer.status_code == 200, answer.text
        assert await stage.is_at(case, "dispensed" if cell == ">dispensed" else "submitted")
        return
    ended = {"dispensed": "409 dispensation_completed", "cancelled": AT_PHARMACIES["R4"]}
    assert problems.word(answer) == ended.get(column, "409 dispensation_cancelled")


@pytest.fixture(scope="module")
def unsigned(platform: Platform) -> Iterator[Callable[[], None]]:
    """Nothing is signed until the function is called."""
    platform.hold_down("signing-0")
    held = True

    def let_go() -> None:
        nonlocal held
        if held:
            held = False
            platform.restart("signing-0")

    yield let_go
    let_go()


@pytest.mark.parametrize(("command", "column", "cell"), commands(signing=True))
@pytest.mark.usefixtures("unsigned")
async def test_a_command_meets_a_prescription_that_is_being_signed(
    stage: Stage, command: Command, column: str, cell: str
) -> None:
    await assert_meets(stage, command, column, cell)


@pytest.mark.parametrize(("row", "column", "cell"), dispensings(signing=True))
@pytest.mark.usefixtures("unsigned")
async def test_a_pharmacy_meets_a_prescription_that_is_being_signed(
    stage: Stage, row: str, column: str, cell: str
) -> None:
    await assert_pharmacy_meets(stage, row, column, cell)


async def test_a_cancel_overtakes_a_signature(stage: Stage, unsigned: Callable[[], None]) -> None:
    """3.7: the signer is told of the cancel, and a signature made late is never shown as valid."""
    case = await stage.case("validated", shared=False)
    desk = stage.desk
    body = {"status": "signed", "signed_by": desk.doctor}
    path = f"/prescriptions/{case.id}/status"
    signer = asyncio.create_task(desk.call("PATCH", path, body, prefer="wait=60"))

    async def pending() -> bool:
        return ((await desk.read(case.id))["signature"] or {}).get("status") == "pending"

    await until(pending, 20)
    assert (await desk.step(case.id, "cancelled")).status_code == 200
    told = await signer
    assert (word(told), told.json()["from"]) == ("409 invalid_transition", "cancelled")
    waiting = await stage.case(SIGNING, shared=True)
    assert (await desk.read(waiting.id))["can_sign"] is True

    await asyncio.to_thread(unsigned)
    await until(lambda: stage.is_at(waiting, "signed"), 60)
    read = await desk.read(case.id)
    assert (read["status"], read["signed_at"], read["prescription_code"]) == ("cancelled", None, None)
    assert (read["signature"] or {"status": "void"})["status"] != "completed"
    assert (await desk.read(waiting.id))["signature"]["status"] == "completed"

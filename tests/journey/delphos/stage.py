"""Prescriptions brought to each column of the state table by public calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.clients import Pharmacy
from tests.infrastructure import until
from tests.journey.delphos.desk import AMOXICILLIN, Desk, soon

SIGNING = "validated+sig"
DOUBLED = (AMOXICILLIN, AMOXICILLIN | {"instructions": "Com agua."})
"""Twice the same ingredient: there is a finding to acknowledge, and it does not block."""


@dataclass
class Case:
    """A prescription as it stands in a column, and the pharmacy's dispensation of it, if there is one."""

    id: str
    finding: str
    item: str
    code: str = ""
    dispensation: str = ""
    line: str = ""


@dataclass
class Stage:
    """The prescriptions of the columns; refusals change nothing, so they share one."""

    desk: Desk
    pharmacy: Pharmacy
    other_pharmacy: Pharmacy
    standing: dict[str, Case] = field(default_factory=dict)

    async def case(self, column: str, *, shared: bool) -> Case:
        if not shared:
            return await self.make(column)
        if column not in self.standing:
            self.standing[column] = await self.make(column)
        return self.standing[column]

    async def make(self, column: str) -> Case:
        if column == "expired":
            return await self.expired()
        case = await self.draft()
        chain = ["pending_review", "validated", "signed", "submitted"]
        released = column in ("submitted", "submitted+disp", "dispensed", "cancelled")
        reached = "submitted" if released else column.removesuffix("+sig")
        await self.walk(case, chain[: chain.index(reached) + 1] if reached in chain else [])
        if column == SIGNING:
            await self.sign_without_end(case)
        if released:
            await self.hold(case)
        await self.leave_at(case, column)
        return case

    async def draft(self) -> Case:
        id = await self.desk.draft(*DOUBLED)
        (finding,) = (await self.desk.checked(id))["interactions"]
        return Case(id, finding["id"], finding["item_ids"][0])

    async def walk(self, case: Case, chain: list[str], **more: Any) -> None:
        for status in chain:
            answer = await self.desk.step(case.id, status, **(more if status == "validated" else {}))
            assert answer.status_code == 200, answer.text
            case.code = answer.json()["prescription_code"] or ""

    async def sign_without_end(self, case: Case) -> None:
        path, body = f"/prescriptions/{case.id}/status", {"status": "signed", "signed_by": self.desk.doctor}
        answer = await self.desk.call("PATCH", path, body, prefer="respond-async")
        assert answer.status_code == 202, answer.text

        async def pending() -> bool:
            return ((await self.desk.read(case.id))["signature"] or {}).get("status") == "pending"

        await until(pending, 20)

    async def hold(self, case: Case) -> None:
        started = (await self.pharmacy.start(case.code)).json()
        case.dispensation, case.line = started["dispensation_id"], started["products"][0]["id"]

    async def leave_at(self, case: Case, column: str) -> None:
        if column == "submitted":
            assert (await self.pharmacy.cancel(case.dispensation)).status_code == 200
        if column == "dispensed":
            assert (await self.pharmacy.complete(case.dispensation)).status_code == 200
        if column == "cancelled":
            assert (await self.desk.step(case.id, column)).status_code == 200

    async def expired(self, *, completed: bool = False) -> Case:
        """Its validity is made as short as this machine can be quick."""
        for seconds in (2, 4, 8, 16, 32):
            case = await self.draft()
            until_then = soon(seconds / 86400)
            await self.walk(case, ["pending_review", "validated"], valid_until=until_then)
            last = [await self.desk.step(case.id, status) for status in ("signed", "submitted")][-1]
            if last.status_code == 200:
                case.code = last.json()["prescription_code"]
                started = await self.pharmacy.start(case.code)
                if started.status_code == 201:
                    await self.end(case, started.json(), completed=completed)
                    return await self.after_its_end(case)
        raise AssertionError("half a minute is not enough to release a prescription here")

    async def end(self, case: Case, started: dict[str, Any], *, completed: bool) -> None:
        case.dispensation, case.line = started["dispensation_id"], started["products"][0]["id"]
        if completed:
            await self.part(case)
        ended = self.pharmacy.complete if completed else self.pharmacy.cancel
        assert (await ended(case.dispensation)).status_code == 200

    async def part(self, case: Case) -> None:
        line = {"id": case.line, "price": 0, "taxes": 0, "quantity": 1}
        answer = await self.pharmacy.update(case.dispensation, line)
        assert answer.status_code == 200, answer.text

    async def after_its_end(self, case: Case) -> Case:
        """Reads see the end at once, by the clock; the history when it is stored."""

        async def stored() -> bool:
            return bool((await self.desk.history(case.id))[-1]["to_status"] == "expired")

        await until(stored, 40)
        return case

    async def is_at(self, case: Case, status: str) -> bool:
        return bool((await self.desk.read(case.id))["status"] == status)

    async def version(self, case: Case) -> tuple[str, int]:
        read = await self.desk.read(case.id)
        return read["status"], read["version"]

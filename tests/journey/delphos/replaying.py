"""A history read line by line, and the prescription that its lines alone lead to (delphos-dialect 11.1)."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from tests.journey.delphos.desk import Desk

COUNTED: Final = ("contraindicated", "critical", "major", "moderate", "minor")
BLOCKING: Final = ("contraindicated", "critical")
BEFORE_SIGNATURE: Final = ("draft", "pending_review", "validated")
REQUIRED: Final = ("dosage", "route", "frequency")
NOTHING: Final[dict[str, Any]] = {
    "status": "draft",
    **dict.fromkeys(("consultation_id", "template_id", "notes", "valid_until", "cancel_reason")),
    **dict.fromkeys(("signed_by", "signed_at", "signature", "prescription_code")),
    **dict.fromkeys(("submitted_at", "dispensed_at", "cancelled_at")),
    "interactions": [],
}
SEAL: Final = ("profile", "algorithm", "document_sha256", "certificate_sha256", "timestamped_at", "failure")


class Replay:
    """What the lines so far have told."""

    def __init__(self, prescription_id: str) -> None:
        self.told: dict[str, Any] = {"id": prescription_id, "version": 0} | NOTHING
        self.check: dict[str, Any] = dict.fromkeys(
            ("checked_at", "knowledge_base_version", "coverage", "not_evaluated")
        )
        self.items: dict[str, dict[str, Any]] = {}
        self.claims: dict[str, dict[str, Any]] = {}

    def follow(self, line: dict[str, Any]) -> None:
        if line["version"] > self.told["version"]:
            self.told |= {"version": line["version"], "updated_at": line["at"]}
        if line["action"] == "created":
            self.told["created_at"] = line["at"]
        for change in line["changes"]:
            self._change(change["field"].split("."), change, line["at"])
        if line["action"] == "checked":
            self.told["interactions"] = line["findings"]
            self.check |= {name: line[name] for name in ("coverage", "not_evaluated")}
        if line["action"] == "acknowledged":
            answered = {one["id"]: one for one in line["findings"]}
            self.told["interactions"] = [answered.get(one["id"], one) for one in self.told["interactions"]]
        if line["action"] == "signing_failed" and (signature := self.told["signature"]):
            failed = signature["status"] == "failed"
            signature["failure"] = {"error": line["error"], "at": line["at"]} if failed else None
        if line["to_status"] is not None:
            self._step(line)

    def _step(self, line: dict[str, Any]) -> None:
        assert line["from_status"] == self.told["status"], line
        self.told["status"] = line["to_status"]
        if line["to_status"] == "cancelled":
            self.told["cancelled_at"] = line["at"]
        else:
            self.told["dispensed_at"] = line["at"] if line["to_status"] == "dispensed" else None

    def _change(self, path: list[str], change: dict[str, Any], at: str) -> None:
        match path:
            case ["items", id]:
                self._line(id, change["new"], at)
            case ["items", id, name]:
                assert self.items[id][name] == change["old"], change
                self.items[id] |= {name: change["new"], "updated_at": at}
            case ["dispensations", id]:
                self.claims[id] = {"id": id} | change["new"]
            case ["dispensations", id, name]:
                assert self.claims[id][name] == change["old"], change
                self.claims[id][name] = change["new"]
            case ["signature", "status"] if change["new"] is None:
                self.told["signature"] = None
            case ["signature", name]:
                self.told["signature"] = (self.told["signature"] or dict.fromkeys(SEAL)) | {
                    name: change["new"]
                }
            case ["safety_check", name]:
                self.check[name] = change["new"]
            case [name]:
                assert self.told.get(name) == change["old"], change
                self.told[name] = change["new"]

    def _line(self, id: str, new: dict[str, Any] | None, at: str) -> None:
        if new is None:
            del self.items[id]
        else:
            self.items[id] = new | {"created_at": at, "updated_at": at}

    def detail(self, check_status: str) -> dict[str, Any]:
        """As a read would show it: what was told, and what follows from it.

        Whether a check is under way is the one thing that no line tells.
        """
        unanswered = [one for one in self.told["interactions"] if not one["acknowledged"]]
        severities = Counter(one["severity"] for one in self.told["interactions"])
        blocking = sum(one["severity"] in BLOCKING for one in unanswered)
        current = check_status == "current"
        told = {name: value for name, value in self.told.items() if name not in NOT_SHOWN}
        if told["signature"] is not None:
            told["signature"] = {name: v for name, v in told["signature"].items() if name != "signed_by"}
        return told | {
            "items": [self._shown(one) for one in self.items.values()],
            "dispensations": list(self.claims.values()),
            "safety_check": {"status": check_status} | self.check,
            "safety_summary": {f"{name}_count": severities[name] for name in COUNTED}
            | {"passed": current and not any(severities[name] for name in BLOCKING)},
            "blocking_interactions_count": blocking,
            "pending_acknowledgements_count": len(unanswered),
            "can_sign": current and bool(self.items) and not blocking and told["status"] in BEFORE_SIGNATURE,
        }

    def _shown(self, item: dict[str, Any]) -> dict[str, Any]:
        """An item with what was handed over of it; one without quantity counts as one."""
        handed_over = [
            1 if line["quantity"] is None else line["quantity"]
            for claim in self.claims.values()
            if claim["status"] == "completed"
            for line in claim["items"]
            if line["item_id"] == item["id"]
        ]
        return item | {
            "prescription_id": self.told["id"],
            "missing_fields": [name for name in REQUIRED if item[name] is None],
            "dispensed_quantity": sum(handed_over),
        }


NOT_SHOWN: Final = ("reason_code", "consultation_version")
"""What the history tells beside the state: the other dialect's word, and what it was made from."""


def assert_tells_the_same(history: list[dict[str, Any]], read: dict[str, Any]) -> None:
    """Every member of a read follows from the lines of its history."""
    replay = Replay(read["id"])
    for line in history:
        replay.follow(line)
    told = replay.detail(read["safety_check"]["status"])
    assert told.keys() == read.keys()
    # That a check was asked for counts as a change, and its line is the one that tells the result.
    unfinished = ("version", "updated_at") if read["safety_check"]["status"] == "pending" else ()
    for name in read.keys() - set(unfinished):
        assert told[name] == _without_detail(read[name]), name


async def histories_lead_to_reads(desk: Desk) -> None:
    """Whatever a test did to prescriptions: the history of each leads to what a read shows."""
    for id in desk.seen:
        before, lines, read = None, [], await desk.read(id)
        while read != before:
            before, lines, read = read, await desk.history(id), await desk.read(id)
        if len(lines) < 100:
            assert_tells_the_same(lines, read)


def _without_detail(member: Any) -> Any:
    """A failure in the words of its code alone."""
    if isinstance(member, dict) and isinstance(member.get("failure"), dict):
        failure = {name: value for name, value in member["failure"].items() if name != "detail"}
        return member | {"failure": failure}
    return member

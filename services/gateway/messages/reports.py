"""The outcome of a report, from the answer that HTTP would have given; nothing in it helps a stranger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import orjson

from contracts.dispense_report_outcomes import DispenseReportOutcome, ReportError
from services.gateway.messages import ids
from services.gateway.messages.errors import Problem

# Bodies of reports name ids in this dialect's spelling or as UUIDs: these members, with these prefixes.
_IDS: Final = {"beneficiary_id": "bnf", "branch_id": "branch", "dispensation_id": "dsp"}


def outcome(report_id: str, status: int, body: bytes | Mapping[str, Any]) -> DispenseReportOutcome:
    """What became of a report: `applied` for a 2xx, else `refused` with codes."""
    members = orjson.loads(body) if isinstance(body, bytes) else body
    applied = status < 300
    return DispenseReportOutcome(
        report_id=report_id,
        outcome="applied" if applied else "refused",
        http_status=status,
        prescription_id=_id("rx", members.get("prescription_id")) if applied else None,
        dispensation_id=_id("dsp", members.get("dispensation_id")) if applied else None,
        code=None if applied else members["code"],
        retryable=bool(members.get("retryable", False)),
        errors=tuple(
            ReportError(path=error["path"], code=error["code"]) for error in members.get("errors", ())
        ),
    )


def refusal(report_id: str, problem: Problem) -> DispenseReportOutcome:
    """The same for a refusal that no request was recorded for."""
    return outcome(report_id, problem.status, problem.body(base_url="", request_id=""))


def spelled(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with every id in this dialect's spelling, as HTTP would have brought it."""
    found = {name: _spell(_IDS[name], value) if name in _IDS else value for name, value in body.items()}
    lines = found.get("products")
    if isinstance(lines, list):
        found["products"] = [
            line | {"id": _spell("rxi", line["id"])} if isinstance(line, dict) and "id" in line else line
            for line in lines
        ]
    return found


def _spell(prefix: str, value: Any) -> Any:
    try:
        return ids.spell(prefix, UUID(value)) if isinstance(value, str) and len(value) == 36 else value
    except ValueError:
        return value


def _id(prefix: str, text: str | None) -> UUID | None:
    return None if text is None else ids.find(prefix, text)

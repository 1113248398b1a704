"""Whatever code refuses with is a row of the error table, or a word for one entry (osigu-dialect 9)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from services.gateway.messages.delphos import errors as delphos
from services.gateway.messages.errors import ENTRY_WORDS, TABLE

ROOT = Path(__file__).parents[2]
# Which argument of a call is the code.
RAISING = {"Problem": 0, "Refused": 0, "refused": 0, "Entry": 1, "Refusal": 1, "fail": 1}
# The rows of the state table (R1 to R6) are named beside codes.
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
FOLDERS = ("services/gateway", "services/prescription/domain")

# The other dialect has a table of its own, and types of a 422.
OTHER_DIALECT = frozenset({*delphos.TABLE, *delphos.PLACES})


def raise_sites() -> Iterator[tuple[str, str]]:
    """Each code that is spelled out where something is refused, and where."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield from ((code, f"{path.relative_to(ROOT)}:{node.lineno}") for code in spelled(node))


def spelled(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    place = RAISING.get(name)
    if place is None or len(call.args) <= place:
        return
    for node in ast.walk(call.args[place]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
            yield node.value


def test_every_raise_site_is_a_row_of_the_table():
    found = list(raise_sites())

    assert len(found) > 100
    assert [site for site in found if site[0] not in {*TABLE, *ENTRY_WORDS, *OTHER_DIALECT}] == []


NOT_YET = {
    "cursor_expired": "the event feed of webhooks is not served yet",
    "unknown_event_type": "webhooks are not served yet",
    "webhook_url_not_allowed": "webhooks are not served yet",
    "registration_rejected": "no national repository is connected",
    **dict.fromkeys(
        (
            *("prepared_expired", "prepared_id_required", "prepared_content_mismatch"),
            *("signed_hash_required", "signed_hash_invalid"),
            *("signing_key_not_enrolled", "signing_authorization_failed"),
            *("national_repository_not_configured", "national_repository_mismatch"),
        ),
        "v2 is not served yet",
    ),
}
"""Rows that nothing can raise today, each with its reason."""


def test_every_row_is_raised_somewhere_or_says_why_it_is_not():
    raised = {
        node.value
        for folder in ("services", "shared")
        for path in (ROOT / folder).rglob("*.py")
        # The other dialect names its errors where it describes them.
        if path.name != "errors.py" and "delphos" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    assert {code for code in TABLE if code not in raised} == set(NOT_YET)

"""Whatever code refuses with is a row of the error table, or a word for one entry (osigu-dialect 9)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from services.gateway.messages.errors import ENTRY_WORDS, TABLE

ROOT = Path(__file__).parents[2]
# Which argument of a call is the code.
RAISING = {"Problem": 0, "Refused": 0, "refused": 0, "Entry": 1, "Failing": 1, "fail": 1}
FOLDERS = ("services/gateway", "services/prescription/domain")

# Drafts are edited, validated and signed in the other dialect alone, and refused in its words.
OTHER_DIALECT = frozenset(
    {"reason_required", "items_limit", "last_item", "items_incomplete", "missing", "items_required"}
    | {"not_in_future", "unacknowledged_interactions", "policy_refused"}
)


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
        # A capital is a cell of the state table, which chooses between codes.
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.islower():
            yield node.value


def test_every_raise_site_is_a_row_of_the_table():
    found = list(raise_sites())

    assert len(found) > 100
    assert [site for site in found if site[0] not in {*TABLE, *ENTRY_WORDS, *OTHER_DIALECT}] == []


def test_every_row_is_raised_somewhere():
    """What is offered now; the rows of v2, of one-time passwords and of webhooks come with them."""
    raised = {
        node.value
        for folder in ("services", "shared")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "errors.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    later = (
        *("signed_hash", "prepared", "signing_", "national_repository", "registration_rejected", "otp_"),
        *("verification_", "unknown_event_type", "webhook_url", "cursor_expired", "doctor_exists"),
    )

    assert [code for code in TABLE if code not in raised and not code.startswith(later)] == []

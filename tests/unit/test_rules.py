"""What `tests/README.md` says of rules and tests: every test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def defined(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_test_that_holds_a_rule_is_there():
    named = NAMED.findall((TESTS / "README.md").read_text(encoding="utf-8"))

    assert len(named) > 40
    assert [one for one in named if one[1] not in defined(TESTS / one[0])] == []

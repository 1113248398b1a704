"""The domain has never heard of Kafka, Postgres, HTTP or contracts."""

import ast
import sys
from pathlib import Path

import services.prescription.domain as domain

ALLOWED = ("services.prescription.domain", "contracts.drug_names")


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_it_imports_the_standard_library_and_itself():
    modules = sorted(Path(domain.__file__).parent.glob("*.py"))
    strangers = {
        (path.name, name)
        for path in modules
        for name in imported(path)
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith(ALLOWED)
    }

    assert len(modules) > 10
    assert strangers == set()

"""Whoever reads our topics installs `contracts/` alone, and pydantic is all that it brings."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from contracts.catalog import TOPICS

ROOT = Path(__file__).parents[2]

READ_THE_CATALOG = """
import importlib.metadata, json, pathlib, contracts
from contracts.catalog import TOPICS
from contracts.dispense_events import DispenseReleased

here = pathlib.Path(contracts.__file__).parent
example = next((here / "examples" / DispenseReleased.ce_type).glob("*.json"))
print(json.dumps({
    "requires": importlib.metadata.requires("recepta-contracts"),
    "topics": sorted(TOPICS),
    "schemas": sorted(path.stem for path in (here / "schemas").glob("*.json")),
    "examples": sorted(path.name for path in (here / "examples").iterdir()),
    "documents": sorted(path.name for path in here.glob("asyncapi*.json")),
    "read": DispenseReleased.model_validate_json(example.read_bytes()).status,
}))
"""


def _with_all_it_needs(name: str) -> set[str]:
    """A distribution and, through it, all that it requires without any extra."""
    wanted = {name}
    for line in importlib.metadata.requires(name) or ():
        if ";" not in line:
            wanted |= _with_all_it_needs(re.split(r"[^A-Za-z0-9_.-]", line)[0])
    return wanted


def _lend(name: str, site: Path) -> None:
    """Put a distribution that is installed here into another environment, without asking a registry."""
    files = importlib.metadata.files(name) or []
    for top in {file.parts[0] for file in files if ".." not in file.parts}:
        if not (site / top).exists():
            (site / top).symlink_to(importlib.metadata.distribution(name).locate_file(top))


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, object]:
    """What a program finds in an environment that has contracts, pydantic and nothing else."""
    home = tmp_path_factory.mktemp("alone")
    source = home / "contracts"
    shutil.copytree(ROOT / "contracts", source, ignore=shutil.ignore_patterns("__pycache__", "build"))
    venv.create(home / "venv", with_pip=False)
    python = str(home / "venv" / "bin" / "python")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python)
    options = ("--no-deps", "--no-index", "--no-build-isolation")
    site = next((home / "venv").glob("lib/python*/site-packages"))
    _lend("setuptools", site)  # It builds, and is not there when the program runs.
    subprocess.run((*pip, "install", *options, str(source)), check=True, capture_output=True)
    for lent in [path for path in site.iterdir() if path.is_symlink()]:
        lent.unlink()
    for name in _with_all_it_needs("pydantic"):
        _lend(name, site)
    done = subprocess.run(
        (python, "-c", READ_THE_CATALOG), cwd=home, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_contracts_require_pydantic_and_nothing_else(found):
    assert [re.split(r"[^a-z]", line)[0] for line in found["requires"]] == ["pydantic"]


def test_the_catalog_and_its_messages_are_read_there(found):
    assert found["topics"] == sorted(TOPICS)
    assert found["read"]


def test_schemas_examples_and_documents_come_with_them(found):
    types = sorted(message.ce_type for topic in TOPICS.values() for message in topic.messages)

    assert found["schemas"] == types
    assert found["examples"] == types
    assert found["documents"] == ["asyncapi-public.json", "asyncapi.json"]

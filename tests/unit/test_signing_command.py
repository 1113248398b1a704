"""The verifier at a terminal: exit codes, words, and no network."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.signing import operator
from tests.unit.signing_vectors import stored

BUNDLE: dict[str, Any] = stored()["prescriptions"][0]["bundle"]


@pytest.fixture
def anchors(tmp_path: Path) -> Path:
    directory = tmp_path / "anchors"
    directory.mkdir()
    (directory / "root.pem").write_text(stored()["certificates"]["root_pem"])
    return directory


def written(tmp_path: Path, bundle: Any) -> str:
    file = tmp_path / "bundle.json"
    file.write_text(bundle if isinstance(bundle, str) else json.dumps(bundle))
    return str(file)


def altered(item: int) -> dict[str, Any]:
    file: dict[str, Any] = json.loads(json.dumps(BUNDLE))
    file["disclosures"][2 + item]["data"]["units"] = "300"
    return file


def test_an_untouched_prescription_passes(
    tmp_path: Path, anchors: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = operator.verify([written(tmp_path, BUNDLE), "--anchors", str(anchors), "--json"])

    result = json.loads(capsys.readouterr().out)
    assert (code, result["result"], result["code"], result["findings"]) == (0, "TOTAL_PASSED", None, [])
    assert (result["time_trusted"], result["status_checked"]) == (False, False)


def test_the_altered_group_is_named_in_words(
    tmp_path: Path, anchors: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = operator.verify([written(tmp_path, altered(2)), "--anchors", str(anchors)])

    said = capsys.readouterr().out
    assert code == 1
    assert said.startswith("TOTAL_FAILED")
    assert "E_HASH(item/2)" in said
    assert "unaltered     document, patient, prescriber, item/1, diagnosis\n" in said


def test_a_code_is_a_secret_and_is_not_shown(
    tmp_path: Path, anchors: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in ([], ["--json"]):
        operator.verify([written(tmp_path, BUNDLE), "--anchors", str(anchors), *options])

    assert "9182407133560285" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["nowhere.json"], ["--anchors", "."], ["a", "--anchors", "b", "--mode"]]
)
def test_a_wrong_call_ends_with_three(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        operator.verify(arguments)

    assert ended.value.code == 3


def test_an_unreadable_file_or_a_directory_without_anchors_ends_with_three(
    tmp_path: Path, anchors: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "root.pem").write_text("no certificate")

    assert operator.verify([str(tmp_path / "absent.json"), "--anchors", str(anchors)]) == 3
    for directory in ("empty", "broken", "absent"):
        assert operator.verify([written(tmp_path, BUNDLE), "--anchors", str(tmp_path / directory)]) == 3


def test_a_file_that_is_no_bundle_fails_and_is_not_a_wrong_call(tmp_path: Path, anchors: Path) -> None:
    assert operator.verify([written(tmp_path, "scribble"), "--anchors", str(anchors)]) == 1


def test_the_command_verifies_where_no_network_can_be_opened(tmp_path: Path, anchors: Path) -> None:
    without_network = (
        "import runpy, sys\n"
        "def watch(event, _):\n"
        "    if event.startswith('socket.') and event != 'socket.__new__': sys.exit(f'network: {event}')\n"
        "sys.addaudithook(watch)\n"
        "sys.argv = ['services.signing', *sys.argv[1:]]\n"
        "runpy.run_module('services.signing', run_name='__main__')\n"
    )

    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            without_network,
            "verify",
            written(tmp_path, altered(1)),
            "--anchors",
            str(anchors),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ended.returncode, "E_HASH(item/1)" in ended.stdout, ended.stderr) == (1, True, "")

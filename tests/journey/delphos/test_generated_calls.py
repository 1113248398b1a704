"""What `/openapi.json` says is what the whole platform does: found by calls that are generated."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from dev.platform import Platform
from tests.journey.delphos.conftest import Desks, Made
from tests.journey.delphos.desk import ASPIRIN, WARFARIN, Desk

SECONDS_MAX = {"generated": 35, "generated read": 10}
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


async def known(desk: Desk) -> str:
    """Ids of what there is, for the places of all paths: else nearly every call would end in 404."""
    doctor_id, patient_id = await desk.a_doctor(), await desk.patient()
    prescription_id = await desk.draft(WARFARIN, ASPIRIN, patient_id=patient_id, doctor_id=doctor_id)
    (finding,) = (await desk.checked(prescription_id))["interactions"]
    item, *_ = (await desk.read(prescription_id))["items"]
    ids = {
        "prescription_id": prescription_id,
        "item_id": item["id"],
        "interaction_id": finding["id"],
        "patient_id": patient_id,
        "doctor_id": doctor_id,
    }
    return "\n".join(("[parameters]", *(f'"path.{name}" = "{id}"' for name, id in ids.items()), ""))


@pytest.mark.parametrize("key", SECONDS_MAX)
async def test_no_generated_call_meets_a_fault_or_an_undocumented_answer(
    platform: Platform, desks: Desks, made: Made, key: str, tmp_path: Path
) -> None:
    (tmp_path / "schemathesis.toml").write_text(await known(await desks("generated")), encoding="utf-8")
    command = (
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{platform.url}/openapi.json"),
        *("--url", platform.url, "--header", f"x-api-key: {made.keys[key]}"),
        *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "8", "--workers", "1"),
        *("--checks", CHECKS, "--seed", "11", "--generation-database", "none", "--no-color"),
        *("--request-timeout", "60", "--max-time", str(SECONDS_MAX[key])),
    )
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout[-8000:]

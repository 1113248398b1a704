"""What `/ehr/openapi.json` says is what is served: found by generated calls, in a minute at most."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

SECONDS_MAX = 60


async def generated(platform, token, folder, *which):
    """What schemathesis finds in a minute."""
    command = (
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{platform.url}/ehr/openapi.json"),
        *("--header", f"Authorization: Bearer {token}"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "8", "--workers", "1", "--seed", "7"),
        *(
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ),
        *which,
        *("--generation-database", "none", "--no-color"),
        *("--request-timeout", "20", "--max-time", str(SECONDS_MAX)),
    )
    return await asyncio.to_thread(
        subprocess.run, command, cwd=folder, capture_output=True, text=True, check=False
    )


async def test_no_generated_call_meets_a_fault_or_an_undocumented_answer(platform, whole, tmp_path):
    done = await generated(
        platform, await whole.token(), tmp_path, "--exclude-path-regex", "oauth|well-known|/v2/"
    )

    assert done.returncode == 0, done.stdout[-8000:]


async def test_no_generated_call_of_a_pharmacy_does_either(platform, clinics, tmp_path):
    explorer = await clinics.pharmacy("explorer")
    done = await generated(
        platform, await explorer.token(), tmp_path, "--include-path-regex", "^/dispensing/|otp|^/v1/requests"
    )

    assert done.returncode == 0, done.stdout[-8000:]
    assert "startDispensation" in done.stdout or "/dispensing/v1/dispensations" in done.stdout

"""What `/ehr/openapi.json` says is what is served: found by generated calls, in a minute at most."""

from __future__ import annotations

import subprocess
import sys

SECONDS_MAX = 60


async def test_no_generated_call_meets_a_fault_or_an_undocumented_answer(platform, whole, tmp_path):
    command = (
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{platform.url}/ehr/openapi.json"),
        *("--header", f"Authorization: Bearer {await whole.token()}"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "8", "--workers", "4", "--seed", "7"),
        *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"),
        *("--exclude-path-regex", "oauth|well-known|/v2/"),
        *("--generation-database", "none", "--no-color"),
        *("--request-timeout", "20", "--max-time", str(SECONDS_MAX)),
    )  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-8000:]

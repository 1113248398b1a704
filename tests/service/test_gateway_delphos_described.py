"""What `/openapi.json` says of the second dialect is what is served: found by calls that are generated."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from tests.gateway import KEY, NAMED, PRODUCTS, Serving, released, serving
from tests.infrastructure import Database, until

SECONDS_MAX = 25
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@asynccontextmanager
async def over_http(gateway: Serving) -> AsyncIterator[str]:
    """The same application on a port of its own; its parts are the test's."""
    config = uvicorn.Config(gateway.app, port=0, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: started(server), seconds=10)
        (port,) = {socket.getsockname()[1] for one in server.servers for socket in one.sockets}
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


async def started(server: uvicorn.Server) -> bool:
    return server.started


async def test_no_generated_call_meets_a_fault_or_an_undocumented_answer(
    database: Callable[[str], Awaitable[Database]], tmp_path: Path
) -> None:
    async with serving(await database("gateway")) as gateway, over_http(gateway) as url:
        await gateway.deliver(*PRODUCTS, *NAMED, released())
        command = (
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"),
            *("--url", url, "--header", f"x-api-key: {gateway.keys[KEY]}"),
            # Nobody executes commands here: a write that is accepted has been answered with 202.
            *("--header", "Prefer: respond-async"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--workers", "1"),
            *("--checks", CHECKS, "--seed", "7", "--generation-database", "none", "--no-color"),
            *("--request-timeout", "20", "--max-time", str(SECONDS_MAX)),
        )
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert done.returncode == 0, done.stdout[-8000:]

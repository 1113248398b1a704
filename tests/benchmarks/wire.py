"""An HTTP client that costs next to nothing, so that what is measured is the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

PERCENTILES: Final = {"p50": 0.50, "p99": 0.99}


@dataclass
class Wire:
    """One keep-alive connection that sends prepared bytes and reads the answer."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, url: str) -> Wire:
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = await self.reader.readexactly(length) if length else b""
        return int(head[9:12]), body

    def close(self) -> None:
        self.writer.close()


def request(method: str, path: str, token: str, body: bytes = b"", **headers: str) -> bytes:
    """By a token of the first dialect."""
    return _request(method, path, body, {"authorization": f"Bearer {token}"} | headers)


def request_with_key(method: str, path: str, key: str, body: bytes = b"") -> bytes:
    """By an API key of the second dialect."""
    return _request(method, path, body, {"x_api_key": key})


def _request(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: recepta",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Measured:
    """What a run of requests took: seconds each, and for all of them together."""

    seconds: list[float]
    elapsed: float
    failed: int

    def row(self) -> dict[str, float]:
        ordered = sorted(self.seconds)
        row = {
            name: round(ordered[int(len(ordered) * share)] * 1000, 1) for name, share in PERCENTILES.items()
        }
        return row | {"rate": round(len(ordered) / self.elapsed, 1), "failed": self.failed}


async def at_rate(
    url: str, requests: Sequence[bytes], rate: float, *, expect: int, connections: int
) -> Measured:
    """Send at a steady rate, whatever the answers take: latency counts from when each was due."""
    wires: asyncio.Queue[Wire] = asyncio.Queue()
    for _ in range(connections):
        wires.put_nowait(await Wire.open(url))
    seconds: list[float] = []
    failed = 0
    began = time.perf_counter()

    async def one(number: int, sent: bytes) -> None:
        nonlocal failed
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        wire = await wires.get()
        status, _ = await wire.send(sent)
        wires.put_nowait(wire)
        failed += status != expect
        seconds.append(time.perf_counter() - due)

    await asyncio.gather(*(one(number, sent) for number, sent in enumerate(requests)))
    elapsed = time.perf_counter() - began
    while not wires.empty():
        wires.get_nowait().close()
    return Measured(seconds, elapsed, failed)


async def flat_out(url: str, requests: Sequence[bytes], *, expect: int, connections: int) -> Measured:
    """Send as fast as answers come, on so many connections."""
    todo = iter(requests)
    seconds: list[float] = []
    failed = 0

    async def worker() -> None:
        nonlocal failed
        wire = await Wire.open(url)
        for sent in todo:
            at = time.perf_counter()
            status, _ = await wire.send(sent)
            seconds.append(time.perf_counter() - at)
            failed += status != expect
        wire.close()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(connections)))
    return Measured(seconds, time.perf_counter() - began, failed)

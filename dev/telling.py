"""How the demo tells its steps: what was sent, what came back, how long it took."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


def bold(text: str) -> str:
    """So on a terminal; in a file the marks would be in the way."""
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


class Failed(Exception):
    """A step did not do what it should; the text says what came instead."""


@dataclass
class Teller:
    """Prints each step: what was sent, what came back, which events flowed, how long it took."""

    number: int = 0
    began: float = field(default_factory=time.monotonic)

    async def step(self, title: str, act: Callable[[], Awaitable[T]]) -> T:
        self.number += 1
        print(f"\n{bold(f'{self.number}. {title}')}", flush=True)
        started = time.perf_counter()
        result = await act()
        print(f"   took {(time.perf_counter() - started) * 1000:.0f} ms", flush=True)
        return result

    @staticmethod
    def say(mark: str, text: str) -> None:
        print(f"   {mark} {text}", flush=True)


@dataclass
class Caller:
    """One client of the gateway, by token or by API key, whose requests and answers are told."""

    teller: Teller
    http: httpx.AsyncClient
    credentials: str
    token: str = ""

    async def log_in(self) -> None:
        client_id, _, secret = self.credentials.partition(":")
        form = {"grant_type": "client_credentials"}
        self.teller.say("→", f"POST /v1/oauth/token as {client_id}")
        answer = await self.http.post("/v1/oauth/token", data=form, auth=(client_id, secret))
        self._check(answer, 200)
        self.token = answer.json()["access_token"]
        self.teller.say("←", f"200, a token for {answer.json()['scope']}")

    async def call(
        self, method: str, path: str, body: Any = None, *, expect: int | tuple[int, ...] = 200
    ) -> Any:
        """One request; raises Failed when another status comes back."""
        shown = f" {json.dumps(body, ensure_ascii=False)}" if body is not None else ""
        self.teller.say("→", f"{method} {path}{shown}")
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {"x-api-key": self.credentials}
        answer = await self.http.request(method, path, json=body, headers=headers)
        self._check(answer, expect)
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.content

    def _check(self, answer: httpx.Response, expect: int | tuple[int, ...]) -> None:
        if answer.status_code not in (expect if isinstance(expect, tuple) else (expect,)):
            raise Failed(f"{answer.request.url.path} answered {answer.status_code}: {answer.text[:2000]}")

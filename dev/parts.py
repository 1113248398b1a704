"""One program of the platform as a running process: started, watched, killed, stopped."""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dev.places import ROOT

TETHER = Path(__file__).with_name("tether.py")
LINES_KEPT_MAX = 200
LINES_SHOWN = 20
LINE_LENGTH_MAX = 4_000
POLL_SECONDS = 0.05
READY_SECONDS_MAX = 120.0


class Died(Exception):
    """A part ended when it should not have; the text is its cause, as it told it itself."""


def _nothing() -> None:
    """Most parts have nothing to prepare and leave nothing behind."""


def _at_once() -> bool:
    return True


@dataclass(frozen=True)
class Part:
    """How one program of the platform is started, recognised as ready, and ended."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    ready: Callable[[], bool] = _at_once
    before: Callable[[], None] = _nothing
    # Run once it has ended, however it ended.
    after: Callable[[], None] = _nothing
    stop_signal: signal.Signals = signal.SIGTERM
    # What it gets from the system when the supervisor itself is killed.
    orphan_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = 15.0


Listener = Callable[[str, str], None]


class Running:
    """A started part. Its output goes to `listen` line by line; the last ones tell the cause of its death."""

    def __init__(self, part: Part, listen: Listener) -> None:
        self.part = part
        self._listen = listen
        self._last: collections.deque[str] = collections.deque(maxlen=LINES_KEPT_MAX)
        self._process = subprocess.Popen(
            (*self._tethered(part), *part.command),
            # Another user may not be able to enter ours.
            cwd="/" if part.user else ROOT,
            env=part.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A Ctrl-C at the terminal reaches the supervisor alone, which stops its parts in order.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"log of {part.name}", daemon=True)
        self._reader.start()

    @staticmethod
    def _tethered(part: Part) -> tuple[str, ...]:
        return (sys.executable, "-ES", str(TETHER), str(os.getpid()), str(int(part.orphan_signal)), part.user)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def until_ready(self, seconds: float = READY_SECONDS_MAX) -> None:
        """Wait until the part does its work. Raises Died, with its last words, when it will not."""
        give_up = time.monotonic() + seconds
        while True:
            # In this order: what a predecessor left behind may look ready.
            if not self.alive:
                raise Died(self.last_words())
            if self.part.ready():
                return
            if time.monotonic() > give_up:
                raise Died(f"{self.part.name} was not ready after {seconds:.0f} s\n{self.last_words()}")
            time.sleep(POLL_SECONDS)

    def until_done(self, seconds: float) -> None:
        """Wait until it has ended by itself. Raises Died when it failed or takes longer."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process.wait(seconds) == 0:
                return
        raise Died(self.last_words())

    def kill(self) -> None:
        """End it as a power cut would."""
        self._signal_all(signal.SIGKILL)
        self._process.wait()
        self.part.after()

    def ask_to_stop(self) -> None:
        if self.alive:
            self._process.send_signal(self.part.stop_signal)

    def stop(self) -> None:
        """End it in order, or by force when it takes longer than it may."""
        self.ask_to_stop()
        try:
            self._process.wait(self.part.stop_seconds)
        except subprocess.TimeoutExpired:
            self._listen(self.part.name, f"did not stop within {self.part.stop_seconds:.0f} s and is killed")
        # What it had started itself goes with it.
        self._signal_all(signal.SIGKILL)
        self._process.wait()
        self.part.after()
        self._reader.join(timeout=1)

    def last_words(self) -> str:
        self._reader.join(timeout=0.5)
        return "\n".join(
            (f"{self.part.name} {self.ended()}; its last lines:", *list(self._last)[-LINES_SHOWN:])
        )

    def ended(self) -> str:
        code = self._process.poll()
        return "is running" if code is None else f"ended with {_named(code)}"

    def _signal_all(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip()[:LINE_LENGTH_MAX]
            if line:
                self._last.append(line)
                self._listen(self.part.name, line)


def _named(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

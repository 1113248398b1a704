"""Keep a set of parts running: start them in order, restart whatever dies, stop them in reverse order."""

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterable

from dev.parts import POLL_SECONDS, READY_SECONDS_MAX, Died, Listener, Part, Running

DEATHS_MAX = 5
DEATHS_WITHIN_SECONDS = 60.0


class Supervisor:
    """Holds the running parts by name. Safe to use from several threads, such as a test beside the watch."""

    def __init__(self, listen: Listener, failed: Callable[[Died], None] | None = None) -> None:
        self._listen = listen
        self._failed = failed
        self._running: dict[str, Running] = {}
        self._held_down: set[str] = set()
        self._deaths: dict[str, collections.deque[float]] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._watch: threading.Thread | None = None
        self.failure: Died | None = None

    def start(self, parts: Iterable[Part], seconds: float = READY_SECONDS_MAX) -> None:
        """Start them side by side; return when all are ready. Raises Died with the cause when one will not be."""
        started = [self._start(part) for part in parts]
        for one in started:
            one.until_ready(seconds)

    def keep_alive(self) -> None:
        """From now on restart what dies; what dies too often ends the watch and is told to `failed`."""
        self._watch = threading.Thread(target=self._keep_watching, name="supervisor", daemon=True)
        self._watch.start()

    def kill(self, name: str) -> None:
        """End a part as a power cut would; the watch, if there is one, brings it back."""
        self._running[name].kill()

    def hold_down(self, name: str) -> None:
        """End a part as a power cut would and keep it down until `restart`."""
        with self._lock:
            self._held_down.add(name)
            self._running[name].kill()

    def restart(self, name: str, seconds: float = READY_SECONDS_MAX) -> None:
        """Stop a part in order if it runs, start it again and wait until it is ready."""
        with self._lock:
            old = self._running[name]
            old.stop()
            self._held_down.discard(name)
            new = self._start(old.part)
        new.until_ready(seconds)

    def until_ready(self, name: str, seconds: float = READY_SECONDS_MAX) -> None:
        """Wait until a part that the watch brings back does its work again."""
        give_up = time.monotonic() + seconds
        while True:
            with contextlib.suppress(Died):
                self._running[name].until_ready(max(0.0, give_up - time.monotonic()))
                return
            if time.monotonic() > give_up:
                raise Died(self._running[name].last_words())
            time.sleep(POLL_SECONDS)

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def stop(self) -> None:
        """Stop everything, the last started first. Never raises, may be called twice."""
        self._stopping.set()
        # The lock waits for a restart under way; what it starts is stopped here too.
        with self._lock:
            parts = list(reversed(self._running.values()))
            for one in parts:
                one.stop()
            self._running.clear()
        self._stopped.set()
        if self._watch is not None and self._watch is not threading.current_thread():
            self._watch.join()

    def _start(self, part: Part) -> Running:
        with self._lock:
            if self._stopping.is_set():
                raise Died("the platform is being stopped")
            one = self._running[part.name] = Running(part, self._listen)
            return one

    def _keep_watching(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            try:
                with self._lock:
                    for one in list(self._running.values()):
                        self._revive(one)
            except Died as died:
                self.failure = died
                if self._failed is not None:
                    self._failed(died)
                break
        # What this thread has started is tied to it (tether.py) and would end with it.
        self._stopped.wait()

    def _revive(self, one: Running) -> None:
        name = one.part.name
        if one.alive or name in self._held_down or self._stopping.is_set():
            return
        self._count_death(one)
        self._listen(name, f"{one.ended()}; starting it again")
        one.part.after()
        self._start(one.part)

    def _count_death(self, one: Running) -> None:
        deaths = self._deaths.setdefault(one.part.name, collections.deque(maxlen=DEATHS_MAX))
        deaths.append(time.monotonic())
        if len(deaths) == DEATHS_MAX and deaths[-1] - deaths[0] < DEATHS_WITHIN_SECONDS:
            raise Died(f"{one.part.name} died {DEATHS_MAX} times within a minute\n{one.last_words()}")

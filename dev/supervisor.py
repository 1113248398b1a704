"""Keep a set of parts running: start them in order, restart what dies, stop them in reverse order."""

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from dev.parts import POLL_SECONDS, READY_SECONDS_MAX, Died, Listener, Part, Running

DEATHS_MAX = 5
DEATHS_WITHIN_SECONDS = 60.0
# The first restart is immediate; later ones leave what the part depends on some time to come back itself.
PAUSE_SECONDS = 0.8


class Supervisor:
    """Holds the running parts by name. Safe to use from several threads, such as a test beside the watch."""

    def __init__(self, listen: Listener, failed: Callable[[], None] = lambda: None) -> None:
        self._listen = listen
        self._failed = failed
        self._running: dict[str, Running] = {}
        self._order: list[tuple[str, ...]] = []
        self._held_down: set[str] = set()
        self._excused: set[Running] = set()
        self._deaths: dict[str, collections.deque[float]] = {}
        self._due: dict[str, float] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._watch: threading.Thread | None = None
        self.failure: Died | None = None

    def start(self, parts: Iterable[Part], seconds: float = READY_SECONDS_MAX) -> None:
        """Start them side by side; return when all are ready. Raises Died when one will not be."""
        for one in self.launch(parts):
            one.until_ready(seconds)

    def launch(self, parts: Iterable[Part]) -> list[Running]:
        """Start them side by side without waiting until they are ready."""
        group = tuple(parts)
        self._order.append(tuple(part.name for part in group))
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda part: part.before(), group))
        return [self._start(part) for part in group]

    def run(self, part: Part, seconds: float = READY_SECONDS_MAX) -> None:
        """Start a part that has an end and wait for it. Raises Died when that is not a good one."""
        (one,) = self.launch((part,))
        try:
            one.until_done(seconds)
        finally:
            one.stop()
            self._running.pop(part.name)

    def check(self) -> None:
        """Raises Died when a part has ended."""
        for one in self._running.values():
            if not one.alive:
                raise Died(one.last_words())

    def keep_alive(self) -> None:
        """From now on restart what dies; what dies too often becomes `failure` and is told to `failed`."""
        self._watch = threading.Thread(target=self._keep_watching, name="supervisor", daemon=True)
        self._watch.start()

    def kill(self, name: str) -> None:
        """End a part as a power cut would; the watch, if there is one, brings it back."""
        with self._lock:
            self._excused.add(self._running[name])
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
            old.part.before()
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
        """Stop everything, the last started first, what was started together at once. May be called twice."""
        self._stopping.set()
        # The lock waits for a restart under way; what that starts is stopped here too.
        with self._lock:
            for names in reversed(self._order):
                self._stop([self._running[name] for name in names if name in self._running])
            self._running.clear()
        self._stopped.set()
        if self._watch is not None:
            self._watch.join()

    @staticmethod
    def _stop(group: list[Running]) -> None:
        for one in group:
            one.ask_to_stop()
        for one in group:
            one.stop()

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
                self._failed()
                break
        # What this thread has started is tied to it (tether.py) and would end with it.
        self._stopped.wait()

    def _revive(self, one: Running) -> None:
        name = one.part.name
        if one.alive or name in self._held_down or self._stopping.is_set():
            return
        if name not in self._due:
            self._due[name] = time.monotonic() + self._pause_after_death(one)
            self._listen(name, f"{one.ended()}; starting it again")
        if time.monotonic() >= self._due[name]:
            del self._due[name]
            one.part.after()
            one.part.before()
            self._start(one.part)

    def _pause_after_death(self, one: Running) -> float:
        if one in self._excused:
            self._excused.discard(one)
            return 0.0
        deaths = self._deaths.setdefault(one.part.name, collections.deque(maxlen=DEATHS_MAX))
        deaths.append(time.monotonic())
        recent = [death for death in deaths if deaths[-1] - death < DEATHS_WITHIN_SECONDS]
        if len(recent) == DEATHS_MAX:
            raise Died(f"{one.part.name} died {DEATHS_MAX} times within a minute\n{one.last_words()}")
        return PAUSE_SECONDS if len(recent) > 1 else 0.0

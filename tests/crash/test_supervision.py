"""The supervisor of the platform, over small programs that die on purpose."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.parts import Died, Part
from dev.supervisor import DEATHS_MAX, Supervisor
from tests.infrastructure import until

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
DIES = "import sys; print('no ink left', flush=True); sys.exit(3)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
TELLS = """
import signal, sys, time
def stop(*_):
    signal.signal(15, signal.SIG_IGN)
    print(sys.argv[1], "stops", flush=True)
    sys.exit()
signal.signal(15, stop)
print(sys.argv[1], "up", flush=True)
time.sleep(60)
"""
SUPERVISES = """
import os, sys, time
from dev.parts import Part
from dev.supervisor import Supervisor
supervisor = Supervisor(lambda name, line: None)
supervisor.start([Part("patient", (sys.executable, "-c", "import time; time.sleep(60)"), dict(os.environ))])
print(supervisor.pid("patient"), flush=True)
time.sleep(60)
"""


def part(program: str, name: str = "patient", stop_seconds: float = 5) -> Part:
    return Part(name, (sys.executable, "-c", program), dict(os.environ), stop_seconds=stop_seconds)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    one = Supervisor(lambda name, line: said.append(line))
    yield one
    one.stop()


def lives(process: int) -> bool:
    try:
        # A killed process stays in the table until its new parent has looked.
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


async def test_what_dies_is_back_within_a_second(supervisor: Supervisor) -> None:
    supervisor.start([part(SLEEPS)])
    supervisor.keep_alive()
    first = supervisor.pid("patient")

    os.kill(first, signal.SIGKILL)

    await until(lambda: supervisor.pid("patient") != first, seconds=1)


async def test_what_keeps_dying_ends_the_run_with_its_last_words(supervisor: Supervisor) -> None:
    supervisor.start([part(DIES)])

    supervisor.keep_alive()

    await until(lambda: supervisor.failure is not None, seconds=20)
    assert "patient died 5 times within a minute" in str(supervisor.failure)
    assert "exit code 3" in str(supervisor.failure)
    assert "no ink left" in str(supervisor.failure)


async def test_a_test_may_kill_a_part_more_often(supervisor: Supervisor) -> None:
    supervisor.start([part(SLEEPS)])
    supervisor.keep_alive()

    for _ in range(DEATHS_MAX + 1):
        killed = supervisor.pid("patient")
        supervisor.kill("patient")
        await until(lambda: supervisor.pid("patient") != killed, seconds=2)  # noqa: B023

    assert supervisor.failure is None


def test_a_start_that_fails_tells_why_and_leaves_nothing(supervisor: Supervisor) -> None:
    never_ready = Part("pharmacist", (sys.executable, "-c", DIES), dict(os.environ), ready=lambda: False)

    with pytest.raises(Died, match="no ink left"):
        supervisor.start([part(SLEEPS), never_ready])
    process = supervisor.pid("patient")
    supervisor.stop()

    assert not lives(process)


async def test_what_will_not_stop_is_killed(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start([part(STUBBORN, stop_seconds=0.2)])
    await until(lambda: "up" in said, seconds=5)
    process = supervisor.pid("patient")

    supervisor.stop()

    assert not lives(process)


def test_what_was_started_last_is_stopped_first(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start([telling("store", said)])
    supervisor.start([telling("service", said)])

    supervisor.stop()

    assert said == ["store up", "service up", "service stops", "store stops"]


def telling(name: str, said: list[str]) -> Part:
    command = (sys.executable, "-c", TELLS, name)
    return Part(name, command, dict(os.environ), ready=lambda: f"{name} up" in said)


async def test_a_killed_supervisor_leaves_nothing_running(supervising: subprocess.Popen[str]) -> None:
    assert supervising.stdout is not None
    process = int(supervising.stdout.readline())
    assert lives(process)

    supervising.kill()

    await until(lambda: not lives(process), seconds=2)


@pytest.fixture
def supervising() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen((sys.executable, "-c", SUPERVISES), stdout=subprocess.PIPE, text=True) as parent:
        yield parent
        parent.kill()


def test_a_part_that_waits_for_itself_is_given_up(supervisor: Supervisor) -> None:
    started = time.monotonic()

    with pytest.raises(Died, match="was not ready after 0 s"):
        supervisor.start([Part("patient", (sys.executable, "-c", SLEEPS), ready=lambda: False)], seconds=0.3)

    assert time.monotonic() - started < 5

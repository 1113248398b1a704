"""The commands of the development platform: `python -m dev run | demo | follow | reset`."""

import argparse
import contextlib
import fcntl
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from dev import containers, kafka, secrets
from dev.parts import Died
from dev.places import RUN, port_is_free
from dev.platform import Platform, forget
from dev.services import SERVICES
from dev.setup import Missing
from dev.tether import end_with_make
from dev.welcome import addresses, welcome

ENV = RUN / "env"
OPERATOR_ENV = RUN / "operator.env"
GATEWAY_PORT = 8080
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AlreadyRunning(Exception):
    """Another process of this checkout runs the platform."""


def run(chosen: list[str], instances: dict[str, int]) -> int:
    """Start the platform and keep it up until somebody stops it, or until it cannot be kept up."""
    ended = threading.Event()
    with _only_one(), _stoppable():
        platform = Platform(
            RUN,
            chosen=chosen,
            instances=instances,
            environment=_gateway_port(),
            stream=sys.stdout,
            failed=ended.set,
        )
        with _started(platform):
            print(welcome(platform) if chosen else addresses(platform), flush=True)
            ended.wait()
            if platform.supervisor.failure is not None:
                raise platform.supervisor.failure
    return 0


def demo(*, in_containers: bool) -> int:
    """Drive the journey over the platform that runs, or over one started for it."""
    if in_containers:
        return _drive(containers.env())
    if ENV.is_file() and _is_running():
        print("demo: using the platform that is running here", flush=True)
        return _drive(_read_env())
    with _only_one(), _stoppable():
        platform = Platform(RUN, environment=_gateway_port())
        print(f"demo: starting the platform (its logs: {platform.logs.folder})", flush=True)
        with _started(platform):
            return _drive(platform.env)


def follow(topic: str, arguments: list[str]) -> NoReturn:
    """Become Kafka's own console consumer, which shows a topic from its beginning."""
    bootstrap = os.environ.get("RECEPTA_KAFKA") or (_read_env()["RECEPTA_KAFKA"] if ENV.is_file() else "")
    if not bootstrap:
        raise RuntimeError("nothing runs here: say `make run` first, or set RECEPTA_KAFKA")
    command = kafka.console_consumer(bootstrap, "--topic", topic, "--from-beginning", *arguments)
    os.execvp(command[0], command)


def reset() -> int:
    """Forget databases, messages, keys and mail."""
    with _only_one():
        forget(RUN)
    return 0


def _drive(env: dict[str, str]) -> int:
    return subprocess.run((sys.executable, "-m", "dev.demo"), env=os.environ | env, check=False).returncode


@contextlib.contextmanager
def _started(platform: Platform) -> Iterator[None]:
    """The platform from its start to its stop, come what may; `.run/env` is there while it is ready."""
    try:
        platform.start()
        # This one first: whoever sees `.run/env` may use both.
        quoted = {name: shlex.quote(value) for name, value in platform.operator_env.items()}
        secrets.write_private(OPERATOR_ENV, _lines(quoted))
        secrets.write_private(ENV, _lines(platform.env))
        yield
    finally:
        for file in (ENV, OPERATOR_ENV):
            file.unlink(missing_ok=True)
        platform.stop()


def _lines(variables: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in variables.items())


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Hold the lock of this checkout's platform. Raises AlreadyRunning."""
    RUN.mkdir(exist_ok=True)
    # Not inherited by the parts: the lock ends with this process, however it ends.
    with (RUN / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRunning(
                f"the platform of this checkout is running already, as process {lock.read().strip()}"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _is_running() -> bool:
    try:
        with _only_one():
            return False
    except AlreadyRunning:
        return True


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Let the first signal end the block, and none disturb the stop that follows."""

    def stop(number: int, frame: FrameType | None) -> None:
        for one in STOP_SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        print("\nstopping", flush=True)
        raise KeyboardInterrupt

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    end_with_make()
    yield


def _gateway_port() -> dict[str, str]:
    wanted = "GATEWAY_PORT" not in os.environ and port_is_free(GATEWAY_PORT)
    return {"GATEWAY_PORT": str(GATEWAY_PORT)} if wanted else {}


def _read_env() -> dict[str, str]:
    return dict(line.split("=", 1) for line in ENV.read_text(encoding="utf-8").splitlines())


def _chosen(text: str) -> list[str]:
    if text in ("all", "none"):
        return list(SERVICES) if text == "all" else []
    names = [name.replace("-", "_") for name in text.split(",")]
    for name in names:
        if name not in SERVICES:
            raise argparse.ArgumentTypeError(f"there is no service {name}; there are {', '.join(SERVICES)}")
    return names


def _instances(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    if _chosen(name) != [name.replace("-", "_")] or not count.isdigit():
        raise argparse.ArgumentTypeError("say for example prescription=2")
    return name.replace("-", "_"), int(count)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("run", aliases=["up"], help="start the platform and stay up")
    start.add_argument(
        "--services", type=_chosen, default=list(SERVICES), help="all, none, or names with commas"
    )
    start.add_argument(
        "--instances", type=_instances, action="append", default=[], help="for example prescription=2"
    )
    tell = commands.add_parser("demo", help="two prescriptions, one in each dialect, told step by step")
    tell.add_argument("--containers", action="store_true", help="over what `make up` has started")
    hear = commands.add_parser("follow", help="show a topic with Kafka's own console consumer")
    hear.add_argument("topic")
    hear.add_argument("arguments", nargs=argparse.REMAINDER, help="for example --timeout-ms 5000")
    commands.add_parser("reset", help="forget databases, messages, keys and mail")
    return parser


def main() -> int:
    asked = _parser().parse_args()
    try:
        match asked.command:
            case "demo":
                return demo(in_containers=asked.containers)
            case "follow":
                follow(asked.topic, asked.arguments)
            case "reset":
                return reset()
            case _:
                return run(asked.services, dict(asked.instances))
    except (Died, AlreadyRunning, Missing, RuntimeError, OSError) as failed:
        print(f"\n{asked.command}: {failed}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing is left running", flush=True)
        return 0


if __name__ == "__main__":
    sys.exit(main())

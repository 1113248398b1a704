"""Where the development platform keeps what, who may reach it, on which ports it listens."""

import os
import pwd
import random
import socket
from pathlib import Path

from dev.setup import CACHE, ROOT, VENV

__all__ = ["CACHE", "ROOT", "RUN", "VENV", "free_port", "home_for", "reachable", "unprivileged_user"]

RUN = Path(os.environ.get("RECEPTA_RUN_DIR", ROOT / ".run")).resolve()

# Below the range from which systems take the ports of outgoing connections. A client that dials a stopped
# server in that range may be given the server's own port, talk to itself, and keep the server from returning.
PORTS = range(20_000, 32_000)
PORT_ATTEMPTS_MAX = 200


def free_port() -> int:
    for port in random.sample(PORTS, PORT_ATTEMPTS_MAX):
        if port_is_free(port):
            return port
    raise RuntimeError(f"no free port found between {PORTS.start} and {PORTS.stop}")


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def unprivileged_user() -> str:
    """The account for a program that refuses to run as root; empty when we are not root."""
    if os.geteuid() != 0:
        return ""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise RuntimeError(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`."
    )


def reachable(path: Path) -> bool:
    """Can every user pass through the folders above `path`?"""
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents if folder.exists())


def home_for(wanted: Path) -> Path:
    """`wanted`, or a stand-in that the unprivileged user can reach, when we are root in a closed folder."""
    if not unprivileged_user() or reachable(wanted):
        return wanted
    ours = Path("/var/tmp") / f"recepta-{os.geteuid()}"
    ours.mkdir(exist_ok=True)
    if ours.is_symlink() or ours.stat().st_uid != os.geteuid():
        raise RuntimeError(f"{ours} is not ours: somebody else has put it there")
    return ours / wanted.resolve().relative_to("/")

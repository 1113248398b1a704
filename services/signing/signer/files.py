"""Key files that many processes may want to make at once: the first writer wins, nobody sees half a file."""

import os
import secrets
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
PUBLIC: Final = 0o644


def write_once(path: Path, data: bytes, *, mode: int) -> bool:
    """Write a whole file durably, or leave the one that is there and return False."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(unfinished, path)  # Unlike a rename it fails when the name is taken.
    except FileExistsError:
        return False
    finally:
        unfinished.unlink()
    _sync_directory(path.parent)
    return True


def is_private(path: Path) -> bool:
    """Whether nobody but its owner may read or write it."""
    return not path.stat().st_mode & 0o077


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

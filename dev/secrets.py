"""Passwords and keys of the development platform: random, made once, for their owner's eyes only."""

import base64
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def keep(folder: Path, name: str) -> str:
    """The secret of that name, the same at every start."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    if not path.is_file():
        write_private(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
    return path.read_text()


def keep_password(folder: Path, name: str) -> str:
    """A secret that may stand in a URL."""
    return keep(folder, name).translate(str.maketrans("+/", "-_")).rstrip("=")


def write_private(path: Path, text: str) -> None:
    """Put a whole file in place at once, readable by its owner alone."""
    arriving = path.with_name(f".{path.name}")
    arriving.unlink(missing_ok=True)
    descriptor = os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    arriving.rename(path)

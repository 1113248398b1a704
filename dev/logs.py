"""One readable stream of what all parts say, with a file for each."""

import os
import threading
import zlib
from pathlib import Path
from typing import TextIO

FILE_BYTES_MAX = 16 * 1024 * 1024
NAME_WIDTH = 15
COLOURS = (31, 32, 33, 34, 35, 36, 91, 92, 93, 94, 95, 96)


class LogBook:
    """Puts what a part says into its file, and under a coloured prefix on the stream where there is one."""

    def __init__(self, folder: Path, stream: TextIO | None) -> None:
        self.folder = folder
        self._stream = stream
        self._coloured = stream is not None and "NO_COLOR" not in os.environ and stream.isatty()
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, name: str, line: str) -> None:
        with self._lock:
            self._keep(name, line)
            self._show(name, line)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _keep(self, name: str, line: str) -> None:
        path = self.path(name)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            full = file.tell() > FILE_BYTES_MAX
        if full:
            path.replace(path.with_suffix(".log.old"))

    def _show(self, name: str, line: str) -> None:
        if self._stream is None:
            return
        try:
            print(f"{self._prefix(name)} {line}", file=self._stream, flush=True)
        except OSError:
            # Whoever read the stream has gone (`make run | head`); the parts go on, and so do their files.
            self._stream = None

    def _prefix(self, name: str) -> str:
        padded = f"{name:<{NAME_WIDTH}}|"
        colour = COLOURS[zlib.crc32(name.encode()) % len(COLOURS)]
        return f"\x1b[{colour}m{padded}\x1b[0m" if self._coloured else padded

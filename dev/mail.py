"""A real SMTP server that keeps each mail it accepts as an .eml file; `python -m dev.mail PORT FOLDER`."""

import asyncio
import os
import signal
import sys
import time
import uuid
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

MAIL_BYTES_MAX = 32 * 1024 * 1024


class Catcher:
    """Says "accepted" once the mail is on the disk under its final name: a reader never sees half of one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.original_content, bytes)
        await asyncio.to_thread(self._keep, envelope.original_content)
        return "250 2.0.0 kept"

    def _keep(self, content: bytes) -> None:
        name = f"{time.time_ns()}-{uuid.uuid4().hex}"
        arriving = self._folder / f".{name}"
        with arriving.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        arriving.rename(self._folder / f"{name}.eml")
        # The name, too, is only safe when the folder is.
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


async def serve(port: int, folder: Path) -> None:
    """Accept mail until the process is asked to stop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    catcher = Catcher(folder)
    server = await loop.create_server(
        lambda: SMTP(catcher, data_size_limit=MAIL_BYTES_MAX, enable_SMTPUTF8=True, loop=loop),
        host="127.0.0.1",
        port=port,
    )
    print(f"accepts mail on port {port}", flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    kept = Path(sys.argv[2])
    kept.mkdir(parents=True, exist_ok=True)
    asyncio.run(serve(int(sys.argv[1]), kept))

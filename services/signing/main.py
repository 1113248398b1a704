"""Seals every prescription that is to be signed, and publishes the keys by which its seals are verified."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from services.signing import messages, store
from services.signing.handlers import handlers, use
from services.signing.settings import Settings
from services.signing.signer.authority import Unfit
from services.signing.signer.pkcs12 import Pkcs12Keys
from shared import clock, outbox
from shared.database import Pool, transaction
from shared.service import run


@cache
def settings() -> Settings:
    """Read once, when they are first asked for."""
    return Settings.from_environment("SIGNING")


def main() -> None:
    """Runs the service until it is told to stop."""
    _open_keys()
    run(handlers, settings(), resources=keys_published)


@asynccontextmanager
async def keys_published(pool: Pool) -> AsyncIterator[None]:
    """Tells of all keys again at each start: a reader that lost its copy has it back."""
    async with transaction(pool) as conn:
        async for keys in store.keys(conn):
            await outbox.send(conn, *map(messages.key_published, keys))
    yield


@asynccontextmanager
async def keys_opened(_: Pool) -> AsyncIterator[None]:
    """What replaying a buried request needs besides the database."""
    _open_keys()
    yield


def _open_keys() -> None:
    try:
        keys = Pkcs12Keys.opened(
            settings().key_dir,
            settings().key_password.get_secret_value().encode(),
            environment=settings().environment,
            clock=clock.now,
        )
    except (Unfit, OSError) as error:
        raise SystemExit(f"signing does not start: {error}") from error
    use(keys)

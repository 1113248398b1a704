"""The operator's commands: `python -m services.gateway WORD …`; each may be repeated without harm."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from services.gateway.messages.provider_settings import WrongSetting
from services.gateway.operator.words import parser
from services.gateway.settings import Settings
from services.gateway.store import data_keys
from services.gateway.store.data_keys import WrongDataKey
from shared import clock, database, migrations
from shared.errors import Rejected, Unavailable


def main(arguments: Sequence[str]) -> int:
    """Do what the words say; 0, or 1 with one sentence."""
    asked = parser().parse_args(arguments)
    settings = Settings.from_environment("GATEWAY")
    try:
        asyncio.run(_act(asked, settings))
    except (Rejected, Unavailable, WrongSetting, WrongDataKey) as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1
    return 0


async def _act(asked: object, settings: Settings) -> None:
    await migrations.migrate(settings.database_url, "gateway", role=settings.database_role)
    pool = await database.open_pool(
        settings.database_url, max_size=2, role=settings.database_role, application_name="gateway operator"
    )
    try:
        async with database.transaction(pool) as conn:
            await data_keys.read(conn, settings.data_key.get_secret_value(), now=clock.now())
        await asked.act(asked, pool, settings)  # type: ignore[attr-defined]  # argparse's namespace
    finally:
        await pool.close()

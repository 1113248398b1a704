"""The notification service: documents on paper's terms, and mails that arrive once as far as mail can."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from services.notification import pdf
from services.notification.handlers import handlers
from services.notification.mailer import Sender, SmtpMailer
from services.notification.settings import Settings
from services.notification.work import Tools, works
from shared.database import Pool
from shared.service import run

LOAD_AFTER_SECONDS = 2.0


def main() -> None:
    """Run until told to stop."""
    settings = Settings.from_environment("NOTIFICATION")
    run(handlers, settings, works=works, resources=tools_of(settings))


def tools_of(settings: Settings) -> Callable[[Pool], AbstractAsyncContextManager[Tools]]:
    """What the work is done with, for as long as the service runs."""

    @asynccontextmanager
    async def tools(pool: Pool) -> AsyncIterator[Tools]:
        sender = Sender(settings.mail_name, settings.mail_address)
        mailer = SmtpMailer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            sender=sender,
            tls=settings.smtp_tls,
            username=settings.smtp_user,
            password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
            seconds_max=settings.smtp_seconds_max,
        )
        loading = asyncio.create_task(_load_engine())
        try:
            yield Tools(pool, mailer, sender.domain, settings.verify_url)
        finally:
            loading.cancel()

    return tools


async def _load_engine() -> None:
    """Once the start is over: it would share its core with what the service needs to be ready."""
    await asyncio.sleep(LOAD_AFTER_SECONDS)
    await asyncio.to_thread(pdf.load)

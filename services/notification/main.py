"""The notification service: documents on paper's terms, and mails that arrive once as far as mail can."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.notification.handlers import handlers
from services.notification.mailer import Sender, SmtpMailer
from services.notification.settings import Settings
from services.notification.work import Tools, works
from shared.database import Pool
from shared.service import run


def main() -> None:
    """Run until told to stop."""
    settings = Settings.from_environment("NOTIFICATION")

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
        yield Tools(pool, mailer, sender.domain, settings.verify_url)

    run(handlers, settings, works=works, resources=tools)

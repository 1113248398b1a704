"""Mails, with a document or a code: how they are composed, and how they are handed to an SMTP server."""

import asyncio
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as LINES
from email.policy import SMTPUTF8 as UTF8_LINES
from email.utils import format_datetime
from html import escape
from typing import Final, Literal, Protocol, TypeAlias

import aiosmtplib

from services.notification.domain.delivery import Refusal
from services.notification.domain.one_time_password import OneTimePassword
from services.notification.domain.printed import PrintedPrescription, grouped
from services.notification.domain.texts import TEXTS, Texts
from shared.errors import Unavailable

ADDRESS_MAX: Final = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
ADDRESS: Final = re.compile(r"[^\s@<>()\[\],;:\"\\]{1,64}@[^\s@<>()\[\],;:\"\\]+")
PERMANENT: Final = range(500, 600)

Tls = Literal["auto", "required", "implicit"]


@dataclass(frozen=True)
class Letter:
    """One delivery, ready to be written; every repeat of it is the same letter."""

    message_id: str
    to: str
    written_at: datetime
    printed: PrintedPrescription
    document: bytes


@dataclass(frozen=True)
class Note:
    """A one-time password, ready to be written."""

    message_id: str
    password: OneTimePassword

    @property
    def to(self) -> str:
        return self.password.email_address

    @property
    def written_at(self) -> datetime:
        return self.password.requested_at


Mail: TypeAlias = Letter | Note


@dataclass(frozen=True)
class Sender:
    """From whom the mails come."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        """What follows the @: Message-IDs end with it."""
        return self.address.rpartition("@")[2]


class Undeliverable(Exception):
    """It can never arrive."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Mailer(Protocol):
    """What takes mails. Raises Undeliverable, or Unavailable where a later attempt may succeed."""

    async def send(self, mail: Mail) -> None: ...


@dataclass(frozen=True)
class SmtpMailer:
    """Hands mails to one SMTP server, a connection each."""

    host: str
    port: int
    sender: Sender
    tls: Tls = "auto"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    seconds_max: float = 30.0
    # None: the certificates that this machine trusts.
    trust: ssl.SSLContext | None = None

    async def send(self, mail: Mail) -> None:
        """Return when the server has taken it."""
        if isinstance(mail, Letter):
            message = composed(mail, self.sender)
        else:
            message = composed_note(mail, self.sender)
        smtp = self._connection()
        try:
            # The library's limit is for each step, and there are eight.
            with translated():
                async with asyncio.timeout(self.seconds_max):
                    await smtp.connect()
                    await smtp.sendmail(
                        self.sender.address,
                        [message["To"].addresses[0].addr_spec],
                        message.as_bytes(),
                        mail_options=["SMTPUTF8"] if message.policy is UTF8_LINES else [],
                    )
        finally:
            # Without QUIT: after the server's answer to the text nothing may turn a success into a failure.
            smtp.close()

    def _connection(self) -> aiosmtplib.SMTP:
        # A password is never sent in the clear: with one, encryption is demanded where it was welcome.
        demanded = self.tls == "required" or (self.tls == "auto" and self.username is not None)
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            # The default asks the name service for this machine's name, and blocks on it.
            local_hostname=self.sender.domain,
            timeout=self.seconds_max,
            use_tls=self.tls == "implicit",
            # None: where the server offers it.
            start_tls=False if self.tls == "implicit" else (True if demanded else None),
            tls_context=self.trust,
        )


@contextmanager
def translated() -> Iterator[None]:
    """What the server says, as never or not now; its text may quote the address and is dropped."""
    try:
        yield
    except aiosmtplib.SMTPRecipientsRefused as error:
        status = error.recipients[0].code
        raise _verdict("recipient_refused", status) from None
    except aiosmtplib.SMTPDataError as error:
        raise _verdict("message_refused", error.code) from None
    except aiosmtplib.SMTPNotSupported:
        raise Undeliverable(Refusal("address_not_supported")) from None
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        # Among them a refused sender or login: ours to repair, so the delivery waits for that.
        raise Unavailable(f"the mail server cannot be used: {type(error).__name__}") from None


def _verdict(code: str, status: int) -> Exception:
    if status in PERMANENT:
        return Undeliverable(Refusal(code, status))
    return Unavailable(f"the mail server answers {status} for now")


def composed(letter: Letter, sender: Sender) -> EmailMessage:
    """The mail as it goes out: text, the same in HTML, and the document. Raises Undeliverable."""
    printed, texts = letter.printed, TEXTS[letter.printed.language]
    # No clinic, no medicine: a subject is read on lock screens.
    subject = texts.mail_subject.format(ending=(printed.code or "")[-4:])
    message = _written(letter, sender, texts, subject, _paragraphs(printed, texts))
    message.add_attachment(
        letter.document,
        maintype="application",
        subtype="pdf",
        filename=f"{texts.file_name}-{(printed.code or 'x')[-4:]}.pdf",
    )
    return message


def composed_note(note: Note, sender: Sender) -> EmailMessage:
    """The mail with a code; the code is not in its subject. Raises Undeliverable."""
    password = note.password
    texts = TEXTS[password.language]
    until = texts.at(password.expires_at, password.time_zone)
    paragraphs = [
        texts.otp_asked.format(pharmacy=_line(password.asked_by)),
        password.code,
        texts.otp_once.format(moment=until),
        texts.otp_warning,
        texts.mail_private,
    ]
    return _written(note, sender, texts, texts.otp_subject, paragraphs)


def _written(mail: Mail, sender: Sender, texts: Texts, subject: str, paragraphs: list[str]) -> EmailMessage:
    message = EmailMessage(policy=LINES if mail.to.isascii() else UTF8_LINES)
    message["From"] = Address(sender.name, addr_spec=sender.address)
    message["To"] = _address(mail.to)
    message["Subject"] = subject
    message["Message-ID"] = mail.message_id
    message["Date"] = format_datetime(mail.written_at)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: so that nobody's absence note answers it
    message["X-Auto-Response-Suppress"] = "All"
    message["Content-Language"] = texts.tag
    message.set_content("\n\n".join(paragraphs) + "\n", cte="quoted-printable")
    message.add_alternative(_html(paragraphs, subject, texts), subtype="html", cte="quoted-printable")
    return message


def _address(text: str) -> Address:
    if len(text) > ADDRESS_MAX or ADDRESS.fullmatch(text) is None:
        raise Undeliverable(Refusal("invalid_address"))
    local, _, domain = text.rpartition("@")
    try:
        return Address(username=local, domain=domain.encode("idna").decode("ascii"))
    except ValueError:
        raise Undeliverable(Refusal("invalid_address")) from None


def _paragraphs(printed: PrintedPrescription, texts: Texts) -> list[str]:
    """What the mail says: which prescription, how to use it, and nothing that is prescribed."""
    facts = []
    if printed.code:
        facts.append(texts.mail_code.format(code=grouped(printed.code)))
    if printed.valid_until:
        moment = texts.at(printed.valid_until, printed.time_zone)
        facts.append(texts.mail_valid_until.format(moment=moment))
    attached = texts.mail_attached.format(
        provider=_line(printed.provider_name), prescriber=_line(printed.prescriber.name)
    )
    use = texts.mail_present
    if printed.ended:
        title, says = texts.endings[printed.status]
        use = texts.mail_ended.format(title=title, says=says)
    return [
        texts.mail_greeting.format(name=_line(printed.patient.name)),
        attached,
        "\n".join(facts),
        use,
        texts.mail_private,
    ]


def _html(paragraphs: list[str], title: str, texts: Texts) -> str:
    body = "\n".join(
        f'<p style="margin:0 0 16px">{"<br>".join(escape(line) for line in one.splitlines())}</p>'
        for one in paragraphs
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{texts.tag}">\n'
        f'<head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
        '<body style="margin:0;padding:24px;font:16px/1.5 sans-serif;color:#182026;max-width:36em">\n'
        f"{body}\n</body>\n</html>\n"
    )


def _line(text: str) -> str:
    """A name on one line: it may hold line breaks, which would begin a paragraph of the sender's choosing."""
    return " ".join(text.split())

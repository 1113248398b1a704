"""What the mail says, and what becomes of it at a real local SMTP server."""

import asyncio
import email
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from services.notification.domain.delivery import Refusal
from services.notification.domain.printed import Language, Patient, Status
from services.notification.mailer import Letter, Sender, SmtpMailer, Undeliverable, composed
from shared.errors import Unavailable
from tests.notification_builders import ENDED_AT, ISSUED_AT, printed

SENDER = Sender("Recepta", "no-reply@rx.example.org")
LETTER = Letter(
    message_id="<019eff82-7400-74a6-b57f-7c843a69c3b1@rx.example.org>",
    to="ana@mail.example",
    written_at=ISSUED_AT,
    printed=printed(),
    document=b"%PDF-1.7 invented",
)


def received(letter: Letter) -> EmailMessage:
    """The mail as its reader parses it."""
    return email.message_from_bytes(composed(letter, SENDER).as_bytes(), policy=default)


def text(mail: EmailMessage, kind: str = "plain") -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_it_carries_the_document_and_says_the_same_in_text_and_html():
    mail = received(LETTER)

    [attachment] = mail.iter_attachments()
    assert attachment.get_content() == LETTER.document
    assert (attachment.get_content_type(), attachment.get_filename()) == (
        "application/pdf",
        "receta-0285.pdf",
    )
    for kind in ("plain", "html"):
        for said in (
            "Ana López",
            "Clínica Norte",
            "Marta Ruiz Soler",
            "RX-2026-9182 4071 3356 0285",
            "23:59",
        ):
            assert said in text(mail, kind)


def test_its_headers_name_the_delivery_and_ask_for_no_answer():
    mail = received(LETTER)

    assert mail["Message-ID"] == LETTER.message_id
    assert mail["Date"].datetime == ISSUED_AT
    assert mail["Auto-Submitted"] == "auto-generated"
    assert (mail["From"], mail["To"]) == ("Recepta <no-reply@rx.example.org>", "ana@mail.example")


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        (Language.SPANISH, "Su receta electrónica …0285"),
        (Language.PORTUGUESE, "Sua receita eletrônica …0285"),
        (Language.ENGLISH, "Your electronic prescription …0285"),
    ],
)
def test_neither_subject_nor_text_says_what_was_prescribed(language, subject):
    mail = received(replace(LETTER, printed=printed(language=language)))

    assert mail["Subject"] == subject
    for secret in ("Paracetamol", "PARACETAMOL", "comprimido", "R51", "Cefalea", "1000000001"):
        assert secret not in text(mail)
        assert secret not in text(mail, "html")


def test_one_that_has_ended_says_so_and_sends_nobody_to_the_pharmacy():
    mail = received(replace(LETTER, printed=printed(status=Status.VOIDED, ended_at=ENDED_AT)))

    assert "Receta anulada" in text(mail)
    assert "Presente el documento" not in text(mail)


def test_a_name_cannot_add_a_header_a_paragraph_or_markup():
    name = "Ana\r\nBcc: x@evil.example\r\n\r\n<script>"
    letter = replace(LETTER, printed=printed(patient=Patient(name), provider_name=name))

    mail = received(letter)

    assert mail["Bcc"] is None
    assert "Hola, Ana Bcc: x@evil.example <script>:" in text(mail)
    assert "<script>" not in text(mail, "html")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ana",
        "@mail.example",
        "ana@",
        "ana@mail.example\r\nBcc: x@evil.example",
        "ana@mail.example, x@evil.example",
        "Ana <ana@mail.example>",
        "ana@" + "a" * 64 + ".example",
        "a" * 300 + "@mail.example",
    ],
)
def test_what_is_no_address_can_never_be_delivered(address):
    with pytest.raises(Undeliverable) as caught:
        composed(replace(LETTER, to=address), SENDER)

    assert caught.value.refusal == Refusal("invalid_address")


def test_an_address_in_letters_of_its_own_country_is_written_as_servers_know_it():
    mail = composed(replace(LETTER, to="ana@correo.españa.example"), SENDER)

    assert mail["To"].addresses[0].addr_spec == "ana@correo.xn--espaa-rta.example"


class Server:
    """A local SMTP server that answers as told, and keeps what it takes."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.kept: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.encrypted: list[bool] = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        self.recipients.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.encrypted.append(session.ssl is not None)
        self.kept.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 OK"


@pytest.fixture
def server():
    return Server()


@asynccontextmanager
async def listening(server: Server, **options: object) -> AsyncIterator[SmtpMailer]:
    """A mailer for a server on a free port of this machine."""
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(server, hostname="mail.example", enable_SMTPUTF8=True, loop=loop, **options)

    listener = await loop.create_server(session, "127.0.0.1", 0)
    yield SmtpMailer("127.0.0.1", listener.sockets[0].getsockname()[1], SENDER, seconds_max=2.0)
    listener.close()
    await listener.wait_closed()


@pytest.fixture
async def mailer(server):
    async with listening(server) as mailer:
        yield mailer


async def test_the_server_gets_the_mail_whole(mailer, server):
    await mailer.send(LETTER)

    [mail] = server.kept
    assert mail["Message-ID"] == LETTER.message_id
    assert [part.get_content() for part in mail.iter_attachments()] == [LETTER.document]


async def test_an_address_with_other_letters_before_the_at_is_delivered_too(mailer, server):
    await mailer.send(replace(LETTER, to="ñandú@mail.example"))

    assert server.recipients == ["ñandú@mail.example"]


@pytest.mark.parametrize(
    ("stage", "answer", "refusal"),
    [
        ("RCPT", "550 no ana@mail.example here", Refusal("recipient_refused", 550)),
        ("DATA", "554 not from you to ana@mail.example", Refusal("message_refused", 554)),
    ],
)
async def test_what_the_server_refuses_for_good_is_never_tried_again(mailer, server, stage, answer, refusal):
    server.answers[stage] = answer

    with pytest.raises(Undeliverable) as caught:
        await mailer.send(LETTER)

    assert caught.value.refusal == refusal
    assert "ana" not in str(caught.value)


@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
async def test_what_the_server_refuses_for_now_may_succeed_later(mailer, server, stage):
    server.answers[stage] = "451 greylisted ana@mail.example"

    with pytest.raises(Unavailable) as caught:
        await mailer.send(LETTER)

    assert "ana" not in str(caught.value)


async def test_a_server_that_is_not_there_may_come_back():
    with pytest.raises(Unavailable):
        await SmtpMailer("127.0.0.1", 1, SENDER, seconds_max=1.0).send(LETTER)


async def test_a_server_that_never_answers_holds_nobody_up():
    silent = await asyncio.start_server(lambda reader, writer: asyncio.sleep(10), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]

    with pytest.raises(Unavailable):
        await asyncio.wait_for(SmtpMailer("127.0.0.1", port, SENDER, seconds_max=0.2).send(LETTER), 5)

    silent.close()


async def test_a_password_is_never_sent_in_the_clear(server):
    heard = []

    def authenticator(smtp, session, envelope, mechanism, credentials):
        heard.append(mechanism)
        return AuthResult(success=True)

    async with listening(server, auth_require_tls=False, authenticator=authenticator) as mailer:
        with pytest.raises(Unavailable):
            await replace(mailer, username="recepta", password="secret").send(LETTER)

    assert (heard, server.kept) == ([], [])


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody trusts unless told to."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(built.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


async def test_mail_is_encrypted_where_the_server_offers_it_and_is_who_it_says(server, tmp_path):
    cert_file, key_file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)

    async with listening(server, tls_context=context) as stranger:
        with pytest.raises(Unavailable):
            await stranger.send(LETTER)
        await replace(stranger, trust=ssl.create_default_context(cafile=str(cert_file))).send(LETTER)

    assert server.encrypted == [True]

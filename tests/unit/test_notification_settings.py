"""What an operator may say of the mail server."""

import subprocess
import sys

import pytest

from services.notification.settings import Settings
from shared.settings import BadSetting

LEAST = {
    "NOTIFICATION_DATABASE_URL": "postgresql://notification@127.0.0.1/notification",
    "NOTIFICATION_KAFKA_BOOTSTRAP": "127.0.0.1:9092",
    "NOTIFICATION_SMTP_URL": "smtp://127.0.0.1:1025",
    "NOTIFICATION_MAIL_FROM": "Recepta <no-reply@rx.example.org>",
}


def read(**changes: str) -> Settings:
    return Settings.from_environment(
        "NOTIFICATION", LEAST | {f"NOTIFICATION_{k}": v for k, v in changes.items()}
    )


def test_a_server_and_a_sender_are_all_that_is_needed():
    settings = read()

    assert (settings.smtp_host, settings.smtp_port, settings.smtp_tls) == ("127.0.0.1", 1025, "auto")
    assert (settings.smtp_user, settings.smtp_password, settings.verify_url) == (None, None, None)
    assert (settings.mail_name, settings.mail_address) == ("Recepta", "no-reply@rx.example.org")


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("smtp://mail.example", 587, "auto"),
        ("smtps://mail.example", 465, "implicit"),
        ("smtps://mail.example:2465", 2465, "implicit"),
    ],
)
def test_the_address_of_the_server_says_how_it_is_reached(url, port, tls):
    settings = read(SMTP_URL=url)

    assert (settings.smtp_port, settings.smtp_tls) == (port, tls)


def test_a_user_stands_in_the_address_and_the_password_in_a_file(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")

    settings = read(SMTP_URL="smtp://recepta%40rx@mail.example", SMTP_PASSWORD_FILE=str(secret))

    assert settings.smtp_user == "recepta@rx"
    assert settings.smtp_password is not None
    assert settings.smtp_password.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


def test_encryption_can_be_demanded():
    assert read(SMTP_TLS_REQUIRED="true").smtp_tls == "required"


@pytest.mark.parametrize(
    "changes",
    [
        {"SMTP_URL": "mail.example:25"},
        {"SMTP_URL": "http://mail.example"},
        {"SMTP_URL": "smtp://mail.example/path"},
        {"SMTP_URL": "smtp://:25"},
        {"SMTP_URL": "smtp://mail.example:99999"},
        {"MAIL_FROM": "Recepta"},
        {"MAIL_FROM": ""},
        {"VERIFY_URL": "https://rx.example.org/verify"},
        {"SMTP_SECONDS_MAX": "0"},
    ],
)
def test_what_cannot_work_ends_the_start_without_quoting_it(changes):
    with pytest.raises(BadSetting) as caught:
        read(**changes)

    [(name, value)] = changes.items()
    assert str(caught.value).startswith(f"NOTIFICATION_{name} ")
    assert len(value) < 2 or value not in str(caught.value)


STARTS = """
import asyncio, sys
from services.notification import main
from tests.unit.test_notification_settings import read

async def starts():
    main.LOAD_AFTER_SECONDS = 0.1
    async with main.tools_of(read())(None):
        print("fpdf" in sys.modules)
        for _ in range(600):
            await asyncio.sleep(0.05)
            if "services.notification.pdf.sheet" in sys.modules:
                break
    print("services.notification.pdf.sheet" in sys.modules)

asyncio.run(starts())
"""


def test_the_start_does_not_wait_for_the_engine_of_documents_and_the_first_who_asks_does_not_either():
    done = subprocess.run([sys.executable, "-c", STARTS], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "True"]

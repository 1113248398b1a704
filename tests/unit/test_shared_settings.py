"""Settings from the environment: complete, frozen, and silent about their values."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.settings import BadSetting, Settings

GIVEN = {"SIGNING_DATABASE_URL": "postgresql://db", "SIGNING_KAFKA_BOOTSTRAP": "broker:9092"}


def test_what_is_given_is_read_and_the_rest_has_its_default() -> None:
    settings = Settings.from_environment("SIGNING", GIVEN | {"SIGNING_BATCH_MAX": "7"})

    assert (settings.database_url, settings.batch_max) == ("postgresql://db", 7)
    assert (settings.instance, settings.inbox_days) == ("signing-0", 8)


def test_a_service_of_two_words_has_its_one_spelling() -> None:
    given = {name.replace("SIGNING", "SAFETY_CHECK"): value for name, value in GIVEN.items()}

    assert Settings.from_environment("SAFETY_CHECK", given).instance == "safety-check-0"


def test_a_secret_may_come_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://secret\n")
    given = {"SIGNING_DATABASE_URL_FILE": str(file), "SIGNING_KAFKA_BOOTSTRAP": "broker:9092"}

    assert Settings.from_environment("SIGNING", given).database_url == "postgresql://secret"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"SIGNING_KAFKA_BOOTSTRAP": "b"}, "SIGNING_DATABASE_URL is not set"),
        (GIVEN | {"SIGNING_BATCH_MAX": "tausend"}, "SIGNING_BATCH_MAX has a value that is not allowed"),
        (
            {"SIGNING_DATABASE_URL_FILE": "/nowhere"},
            "SIGNING_DATABASE_URL_FILE names a file",
        ),
    ],
)
def test_what_is_wrong_is_named_and_never_shown(given: dict[str, str], told: str) -> None:
    with pytest.raises(BadSetting) as refused:
        Settings.from_environment("SIGNING", given)

    assert told in str(refused.value)
    assert "tausend" not in str(refused.value)


def test_settings_never_change() -> None:
    settings = Settings.from_environment("SIGNING", GIVEN)

    with pytest.raises(ValidationError):
        settings.batch_max = 1  # type: ignore[misc]

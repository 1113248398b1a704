"""The rules of a delivery, and how codes and dates are written."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.notification.domain.delivery import TRYING_MAX, Delivery, masked, message_id
from services.notification.domain.printed import Language, grouped
from services.notification.domain.texts import TEXTS
from tests.notification_builders import CODE, ISSUED_AT, printed

DELIVERY = UUID("019eff82-7400-74a6-b57f-7c843a69c3b1")


def attempted(times: int) -> Delivery:
    return Delivery(DELIVERY, DELIVERY, DELIVERY, "ana@mail.example", printed(), ISSUED_AT, attempts=times)


def test_a_delivery_has_one_message_id_for_ever():
    assert message_id(DELIVERY, "rx.example.org") == f"<{DELIVERY}@rx.example.org>"


def test_it_is_tried_again_soon_then_less_and_less_often_for_a_day():
    now, waits = ISSUED_AT, []

    while (due := attempted(len(waits) + 1).next_attempt(now)) is not None:
        waits.append(due - now)
        now = due

    assert waits[0] == timedelta(seconds=10)
    assert waits == sorted(waits)
    assert TRYING_MAX - timedelta(hours=2) < now - ISSUED_AT <= TRYING_MAX


def test_after_a_day_it_is_not_tried_again():
    assert attempted(1).next_attempt(ISSUED_AT + TRYING_MAX) is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ana@example.example", "a***@e***.example"),
        ("ana.lopez@mail.clinica.example", "a***@m***.example"),
        ("a@b", "a***@b***"),
        ("ñandú@españa.example", "ñ***@e***.example"),
    ],
)
def test_an_address_is_shown_so_that_only_its_owner_knows_it(address, shown):
    assert masked(address) == shown


@pytest.mark.parametrize(
    ("code", "read_aloud"),
    [
        (CODE, "RX-2026-9182 4071 3356 0285"),
        ("9182407133560285", "9182 4071 3356 0285"),
        ("RX-UNKNOWN", "RX-UNKNOWN"),
    ],
)
def test_a_code_is_written_in_groups_of_four(code, read_aloud):
    assert grouped(code) == read_aloud


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("es", Language.SPANISH),
        ("es-GT", Language.SPANISH),
        ("pt_BR", Language.PORTUGUESE),
        ("PT", Language.PORTUGUESE),
        ("en-GB", Language.ENGLISH),
        ("de", Language.ENGLISH),
        (None, Language.ENGLISH),
    ],
)
def test_a_patient_is_addressed_in_the_nearest_language(tag, language):
    assert Language.nearest(tag) is language


@pytest.mark.parametrize("language", list(Language))
def test_every_language_has_twelve_months_and_counts_days(language):
    texts = TEXTS[language]

    assert len(set(texts.months.split())) == 12
    assert texts.for_days(1).startswith("1 ")
    assert texts.for_days(2).startswith("2 ")
    assert texts.for_days(1).split()[1] != texts.for_days(2).split()[1]


@pytest.mark.parametrize(
    ("time_zone", "shown"),
    [
        ("America/Guatemala", "25 June 2026, 10:00 (UTC-06:00)"),
        ("Europe/Madrid", "25 June 2026, 18:00 (UTC+02:00)"),
        ("Asia/Kathmandu", "25 June 2026, 21:45 (UTC+05:45)"),
        ("America/St_Johns", "25 June 2026, 13:30 (UTC-02:30)"),
        ("UTC", "25 June 2026, 16:00 (UTC+00:00)"),
    ],
)
def test_a_moment_says_how_far_it_is_from_utc(time_zone, shown):
    assert TEXTS[Language.ENGLISH].at(ISSUED_AT, time_zone) == shown


@pytest.mark.parametrize("language", list(Language))
def test_every_language_names_the_same_units_for_one_and_for_several(language):
    units = TEXTS[language].units

    assert set(units) == set(TEXTS[Language.ENGLISH].units)
    assert all(name.count("|") == 1 and all(name.split("|")) for name in units.values())


@pytest.mark.parametrize(
    ("quantity", "unit", "shown"),
    [
        (1, "tablet", "1 comprimido"),
        (30, "tablet", "30 comprimidos"),
        (2, "caja azul", "2 caja azul"),
        (5, None, "5"),
    ],
)
def test_a_quantity_is_counted_in_the_patients_language(quantity, unit, shown):
    assert TEXTS[Language.SPANISH].amount(quantity, unit) == shown

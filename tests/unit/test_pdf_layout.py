"""Where things stand on the pages, before anything is drawn."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.notification.domain.printed import (
    Item,
    Language,
    Patient,
    Prescriber,
    PrintedPrescription,
    Status,
)
from services.notification.domain.texts import TEXTS
from services.notification.pdf import pages
from services.notification.pdf.marks import QrCode, Words
from services.notification.pdf.sheet import Sheet, clean
from services.notification.pdf.style import BOTTOM, FOOTER, MARGIN, PAGE_HEIGHT, PAGE_WIDTH
from tests.notification_builders import ENDED_AT, PARACETAMOL, items, printed

SLACK = 0.1  # millimetres; less is rounding
LONG = "Maximiliana Esperanza de los Ángeles " * 4
UNBROKEN = "Wolfeschlegelsteinhausenbergerdorff" * 4


def laid(prescription: PrintedPrescription) -> tuple[Sheet, list[pages.Page]]:
    sheet = Sheet()
    return sheet, pages.laid_out(sheet, prescription, TEXTS[prescription.language], prescription.code)


def overlaps(one: Words | QrCode, other: Words | QrCode) -> bool:
    return (
        min(one.x + one.width, other.x + other.width) - max(one.x, other.x) > SLACK
        and min(one.y + one.height, other.y + other.height) - max(one.y, other.y) > SLACK
    )


def assert_readable(sheet: Sheet, laid_out: list[pages.Page]) -> None:
    """No text runs into another, out of its column, or off the page."""
    for page in laid_out:
        texts = [mark for mark in page if isinstance(mark, Words | QrCode)]
        for one, other in combinations(texts, 2):
            assert not overlaps(one, other), (one, other)
        for one in texts:
            assert one.x >= MARGIN - SLACK
            assert one.x + one.width <= PAGE_WIDTH - MARGIN + SLACK
            in_footer = one.y >= PAGE_HEIGHT - FOOTER
            assert one.y + one.height <= (PAGE_HEIGHT - 5 if in_footer else BOTTOM) + SLACK
            if isinstance(one, Words):
                sheet.set_font("noto", "B" if one.style.bold else "", one.style.size)
                assert all(sheet.get_string_width(line) <= one.width + SLACK for line in one.lines)


WITH_LONG_NAMES = printed(
    patient=Patient(f"{LONG[:128]} {UNBROKEN[:128]}", "CC 1000000001"),
    prescriber=Prescriber(LONG + LONG, "Especialidad " * 8, LONG, "A" * 64, "B" * 64),
    provider_name=LONG * 2,
)
WITH_LONG_ITEMS = printed(
    items=tuple(
        Item(
            number=number,
            product_name="Producto de nombre muy largo con muchas palabras y sales diversas " * 3,
            posology=("Tomar una dosis y esperar. " * 20)[:500],
            ingredients=("INGREDIENTE LARGUISIMO",) * 8,
            quantity=9999,
            unit="comprimidos masticables de liberación prolongada",
            duration_days=366,
        )
        for number in (1, 2, 3)
    )
)


@pytest.mark.parametrize(
    "prescription",
    [
        pytest.param(printed(), id="ordinary"),
        pytest.param(WITH_LONG_NAMES, id="long names"),
        pytest.param(WITH_LONG_ITEMS, id="long items"),
        pytest.param(printed(items=items(30)), id="thirty items"),
        pytest.param(
            printed(items=(replace(PARACETAMOL, posology="1\n" * 250),)), id="250 lines of posology"
        ),
        pytest.param(printed(diagnoses=("R51 · " + "muy largo " * 25,) * 20), id="twenty long diagnoses"),
        pytest.param(printed(confidential=True, language=Language.PORTUGUESE), id="confidential"),
        pytest.param(printed(status=Status.DRAFT, code=None, seal_digest=None, issued_at=None), id="draft"),
    ],
)
def test_no_text_runs_into_another_or_off_the_page(prescription):
    assert_readable(*laid(prescription))


@pytest.mark.parametrize("status", [Status.VOIDED, Status.EXPIRED, Status.DISPENSED])
@pytest.mark.parametrize("language", list(Language))
def test_the_page_in_front_is_readable_in_every_language(status, language):
    prescription = replace(WITH_LONG_NAMES, status=status, language=language, ended_at=ENDED_AT)
    sheet = Sheet()

    assert_readable(sheet, [pages.notice(sheet, prescription, TEXTS[language])])


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=TEXT, product=TEXT, posology=st.text(st.characters(codec="utf-8"), min_size=1, max_size=500))
def test_whatever_people_write_stays_in_its_place(name, product, posology):
    one = replace(PARACETAMOL, product_name=product, posology=posology)

    _, laid_out = laid(printed(patient=Patient(name), items=(one,)))

    for page in laid_out:
        texts = [mark for mark in page if isinstance(mark, Words | QrCode)]
        assert not [pair for pair in combinations(texts, 2) if overlaps(*pair)]


def test_letters_that_would_reverse_or_hide_others_are_not_printed():
    assert clean("10 mg\u202e gm 01\u200b\x07\ttwice\nA\u030a") == "10 mg gm 01 twice\nÅ"


def test_a_heading_never_stands_alone_at_the_foot_of_a_page():
    many = printed(diagnoses=("R51 · Cefalea",) * 20, items=items(3))

    _, laid_out = laid(many)

    heading = [
        (page, mark)
        for page in laid_out
        for mark in page
        if isinstance(mark, Words) and mark.lines == ("Medicamentos (3)",)
    ]
    [(page, mark)] = heading
    assert any(isinstance(other, Words) and other.lines == ("1",) and other.y > mark.y for other in page)

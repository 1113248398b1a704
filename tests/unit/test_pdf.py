"""The document as whoever receives it sees it: read back, and rendered to an image."""

import hashlib
import io
import os
import subprocess
import sys
from dataclasses import replace

import pypdfium2
import pytest
import zxingcpp
from pypdfium2 import raw

from services.notification import pdf
from services.notification.domain.printed import Language, Patient, Status
from services.notification.pdf.style import MARGIN
from tests.notification_builders import CODE, ENDED_AT, PARACETAMOL, items, printed

DRAFT = printed(status=Status.DRAFT, code=None, seal_digest=None, issued_at=None)


def read(content: bytes) -> list[str]:
    """The text of each page, every run of white space as one space."""
    document = pypdfium2.PdfDocument(content)
    return [" ".join(page.get_textpage().get_text_bounded().split()) for page in document]


def picture(content: bytes, page: int = 0, scale: float = 2.0):
    return pypdfium2.PdfDocument(content)[page].render(scale=scale).to_pil()


def test_it_says_who_prescribed_what_to_whom_and_how_to_take_it():
    [page] = read(pdf.make(printed()))

    for said in (
        "Receta médica electrónica",
        "Clínica Norte",
        "Ana López",
        "CC 1000000001",
        "Fecha de nacimiento: 11 de abril de 1990",
        "Dra. Marta Ruiz Soler",
        "N.º de colegiado: 12345",
        "R51 · Cefalea",
        "Medicamentos (3)",
        "Paracetamol 500 mg comprimidos",
        "AMOXICILINA + ACIDO CLAVULANICO",
        "1 comprimido cada 8 horas, con un vaso de agua",
        "30 comprimidos",
        "10 días",
        "según necesidad",
        "NO SUSTITUIR",
        "RX-2026-9182 4071 3356 0285",
        CODE,
        "3f2a 9c1b e07d 445a … 6f5a 4b3c 2d1e 0f77",
        "3f2a9c1be07d445a8c11d2f09b7e6a5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f77",
        "1/1",
    ):
        assert said in page


@pytest.mark.parametrize(
    ("language", "issued", "valid_until"),
    [
        (Language.SPANISH, "25 de junio de 2026, 10:00", "25 de julio de 2026, 23:59"),
        (Language.PORTUGUESE, "25 de junho de 2026, 10:00", "25 de julho de 2026, 23:59"),
        (Language.ENGLISH, "25 June 2026, 10:00", "25 July 2026, 23:59"),
    ],
)
def test_dates_are_those_of_the_clock_on_the_clinics_wall(language, issued, valid_until):
    [page] = read(pdf.make(printed(language=language)))

    assert f"{issued} (UTC-06:00)" in page
    assert f"{valid_until} (UTC-06:00)" in page


def test_letters_of_other_scripts_are_printed_as_letters(caplog):
    name = "Łukasz Ștefan Ελένη Дмитрий"

    content = pdf.make(printed(patient=Patient(f"{name} שלום 王小明 김 a\u0331")))

    assert name in read(content)[0]
    assert "王小明 김" in read(content)[0]
    assert not [record for record in caplog.records if "missing" in record.getMessage()]


def test_every_font_is_embedded():
    document = pypdfium2.PdfDocument(pdf.make(printed(patient=Patient("Łukasz 王"))))

    fonts = [
        raw.FPDFTextObj_GetFont(found.raw)
        for page in document
        for found in page.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT])
    ]

    assert fonts
    assert all(raw.FPDFFont_GetIsEmbedded(font) == 1 for font in fonts)


@pytest.mark.parametrize("scale", [1.2, 2.0])
def test_the_qr_code_holds_the_prescription_code(scale):
    [found] = zxingcpp.read_barcodes(picture(pdf.make(printed()), scale=scale))

    assert found.text == CODE


def test_the_qr_code_leads_to_the_verify_page_where_there_is_one():
    content = pdf.make(printed(), verify_url="https://rx.example.org/verify/{code}")

    [found] = zxingcpp.read_barcodes(picture(content))

    assert found.text == f"https://rx.example.org/verify/{CODE}"


def test_thirty_medicines_are_all_there_with_code_and_page_number_on_every_page():
    content = pdf.make(printed(items=items(30)))

    read_pages = read(content)

    assert len(content) <= 512 * 1024
    assert sum(page.count("Cómo se toma") for page in read_pages) == 30
    for number, page in enumerate(read_pages, start=1):
        assert CODE in page
        assert "Ana López" in page
        assert page.count(f"{number}/{len(read_pages)}") == 1


def test_no_line_of_a_long_posology_is_lost():
    lines = [f"paso {number}" for number in range(90)]
    long = replace(PARACETAMOL, posology="\n".join(lines))

    whole = " ".join(read(pdf.make(printed(items=(long,)))))

    assert [line for line in lines if f"{line} " not in f"{whole} "] == []


@pytest.mark.parametrize("page", range(3))
def test_the_margins_are_white(page):
    content = pdf.make(printed(items=items(10), patient=Patient("Wolfeschlegelsteinhausenbergerdorff" * 7)))

    image = picture(content, page).convert("L")

    edge = int(MARGIN / 210 * image.width) - 3
    for left, right in ((0, edge), (image.width - edge, image.width)):
        assert image.crop((left, 0, right, image.height)).getextrema() == (255, 255)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (Status.VOIDED, "Receta anulada"),
        (Status.EXPIRED, "Receta caducada"),
        (Status.DISPENSED, "Receta dispensada"),
    ],
)
def test_what_has_ended_says_so_on_a_page_in_front_of_the_same_pages(status, says):
    first, *rest = read(pdf.make(printed(status=status, ended_at=ENDED_AT)))

    assert says in first
    assert CODE in first
    assert "2 de julio de 2026, 03:00" in first
    assert rest == read(pdf.make(printed()))


@pytest.mark.parametrize("status", [Status.ISSUED, Status.PARTIALLY_DISPENSED])
def test_what_can_still_be_dispensed_has_no_page_in_front(status):
    assert read(pdf.make(printed(status=status)))[0].startswith("Clínica Norte")


def test_every_page_of_a_draft_says_that_it_is_not_valid():
    read_pages = read(pdf.make(replace(DRAFT, items=items(8))))

    assert len(read_pages) > 1
    assert all("BORRADOR SIN VALIDEZ" in page for page in read_pages)
    assert not zxingcpp.read_barcodes(picture(pdf.make(DRAFT)))


def test_a_draft_that_was_cancelled_says_both():
    first, *rest = read(pdf.make(replace(DRAFT, status=Status.VOIDED)))

    assert "Receta anulada" in first
    assert all("BORRADOR SIN VALIDEZ" in page for page in rest)


def test_a_confidential_one_says_so():
    assert "CONFIDENCIAL" in read(pdf.make(printed(confidential=True)))[0]
    assert "CONFIDENCIAL" not in read(pdf.make(printed()))[0]


def test_the_same_prescription_gives_the_same_bytes_in_any_process():
    script = (
        "import hashlib; from services.notification import pdf; from tests.notification_builders import *;"
        "from services.notification.domain.printed import Patient;"
        "print(hashlib.sha256(pdf.make(printed(patient=Patient('Łukasz 王 שלום')))).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": os.getcwd()},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }

    here = hashlib.sha256(pdf.make(printed(patient=Patient("Łukasz 王 שלום")))).hexdigest()

    assert digests == {here}


def test_another_prescription_has_another_identity():
    assert pdf.make(printed()) != pdf.make(printed(seal_digest="0" * 64))


def test_the_reader_is_told_its_language_and_title():
    document = pypdfium2.PdfDocument(io.BytesIO(pdf.make(printed())))

    assert document.get_metadata_value("Title") == f"Receta médica electrónica {CODE}"
    assert document.get_metadata_value("CreationDate").startswith("D:20260625160000")


def test_what_cannot_travel_is_said_to_be_unprintable(monkeypatch):
    monkeypatch.setattr(pdf, "BYTES_MAX", 1024)

    with pytest.raises(pdf.Unprintable, match="bytes"):
        pdf.make(printed())

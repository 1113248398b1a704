"""The parts of a prescription, each measured and laid out as one block."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from services.notification.domain.printed import Item, PrintedPrescription, grouped
from services.notification.domain.texts import Texts
from services.notification.pdf import style
from services.notification.pdf.marks import Block, Mark, QrCode, Tint, Words, stacked
from services.notification.pdf.sheet import Sheet
from services.notification.pdf.style import MARGIN, WIDTH, Style

GAP: Final = 6.0
QR_WIDTH: Final = 38.0
QUANTITY_WIDTH: Final = 36.0
NUMBER_WIDTH: Final = 9.0
DOSE_LINES_MAX: Final = 20


class Column:
    """Words one below the other, each measured where it falls."""

    def __init__(self, sheet: Sheet, x: float, width: float, top: float = 0.0) -> None:
        self._sheet, self._x, self._width = sheet, x, width
        self.marks: list[Words] = []
        self.bottom = top

    def add(self, text: str | None, style: Style, *, gap: float = 0.0, align: str = "L") -> "Column":
        """Put text below what is there; nothing for nothing."""
        if text:
            y = self.bottom + gap
            words = self._sheet.words(text, style, x=self._x, y=y, width=self._width, align=align)
            self.marks.append(words)
            self.bottom = y + words.height
        return self


def letterhead(sheet: Sheet, printed: PrintedPrescription, texts: Texts) -> Block:
    """Who issued it, what it is, and whether it is confidential."""
    left = Column(sheet, MARGIN, 100)
    left.add(printed.provider_name, style.PROVIDER)
    right = Column(sheet, MARGIN + 104, WIDTH - 104)
    right.add(texts.title, style.TITLE, align="R")
    if printed.confidential:
        right.add(texts.confidential.upper(), style.WARNING, gap=0.5, align="R")
    rule = Tint(MARGIN, max(left.bottom, right.bottom) + 3, WIDTH, 0.9, style.ACCENT)
    return Block(rule.y + rule.height, (*left.marks, *right.marks, rule))


def code_panel(sheet: Sheet, printed: PrintedPrescription, texts: Texts, qr_content: str | None) -> Block:
    """The code in text and as QR, with the dates that say when it counts."""
    padding = 5.0
    inner = WIDTH - 2 * padding - (QR_WIDTH + 4 if qr_content else 0)
    left = Column(sheet, MARGIN + padding, inner, padding)
    if printed.code:
        left.add(texts.code, style.LABEL).add(grouped(printed.code), style.CODE, gap=0.3)
        left.add(texts.show_code, style.DETAIL, gap=0.8)
    top = left.bottom + (3.5 if printed.code else 0)
    half = (inner - 4) / 2
    dates = [
        Column(sheet, MARGIN + padding + at * (half + 4), half, top)
        .add(label, style.LABEL)
        .add(text, style.FACT)
        for at, (label, text) in enumerate(_dates(printed, texts))
    ]
    bottom = max([left.bottom, *(column.bottom for column in dates)]) + padding
    height = max(bottom, QR_WIDTH + 6) if qr_content else bottom
    marks: list[Mark] = [Tint(MARGIN, 0, WIDTH, height, style.PANEL, radius=2), *left.marks]
    marks += [mark for column in dates for mark in column.marks]
    if qr_content:
        x = MARGIN + WIDTH - padding - QR_WIDTH + 2
        marks.append(QrCode(x, (height - QR_WIDTH) / 2, QR_WIDTH, qr_content))
    return Block(height, tuple(marks))


def people(sheet: Sheet, printed: PrintedPrescription, texts: Texts) -> Block:
    """Patient and prescriber, side by side."""
    half = (WIDTH - 8) / 2
    patient, prescriber = printed.patient, printed.prescriber
    left = Column(sheet, MARGIN, half).add(texts.patient, style.LABEL).add(patient.name, style.NAME, gap=0.3)
    left.add(patient.document, style.DETAIL)
    if patient.born:
        left.add(texts.born.format(date=texts.on(patient.born)), style.DETAIL)
    if patient.guardian:
        left.add(texts.guardian.format(name=patient.guardian), style.DETAIL)
    right = Column(sheet, MARGIN + half + 8, half).add(texts.prescriber, style.LABEL)
    right.add(prescriber.name, style.NAME, gap=0.3).add(prescriber.specialty, style.DETAIL)
    right.add(prescriber.address, style.DETAIL)
    for form, number in ((texts.licence, prescriber.licence), (texts.registration, prescriber.registration)):
        right.add(form.format(number=number) if number else None, style.DETAIL)
    return Block(max(left.bottom, right.bottom), (*left.marks, *right.marks))


def diagnoses(sheet: Sheet, printed: PrintedPrescription, texts: Texts) -> list[Block]:
    """What it is prescribed for, a block a diagnosis: there may be twenty."""
    if not printed.diagnoses:
        return []
    first = Column(sheet, MARGIN, WIDTH).add(texts.diagnoses, style.LABEL)
    columns = [first, *(Column(sheet, MARGIN, WIDTH) for _ in printed.diagnoses[1:])]
    for column, diagnosis in zip(columns, printed.diagnoses, strict=True):
        column.add(diagnosis, Style(10))
    return [Block(column.bottom, tuple(column.marks)) for column in columns]


def heading(sheet: Sheet, printed: PrintedPrescription, texts: Texts) -> Block:
    """Says how many medicines follow, so that a lost page is missed."""
    text = f"{texts.medicines} ({len(printed.items)})"
    column = Column(sheet, MARGIN, WIDTH).add(text, Style(12, bold=True, colour=style.ACCENT))
    return Block(column.bottom, tuple(column.marks))


def item(sheet: Sheet, one: Item, texts: Texts) -> list[Block]:
    """A medicine: its name, how much of it, and above all how to take it, over several blocks if need be."""
    top, x = 2.5, MARGIN + NUMBER_WIDTH
    number = sheet.words(f"{one.number}", style.NUMBER, x=MARGIN, y=top, width=NUMBER_WIDTH - 1)
    left = Column(sheet, x, WIDTH - NUMBER_WIDTH - QUANTITY_WIDTH - 5, top)
    left.add(one.product_name, style.PRODUCT).add(one.translated_name, style.DETAIL)
    left.add(" + ".join(one.ingredients), style.DETAIL)
    if not one.substitution_allowed:
        left.add(texts.no_substitution.upper(), style.WARNING, gap=0.3)
    right = _quantity(sheet, one, texts, top)
    rule = Tint(MARGIN, 0, WIDTH, 0.25, style.FAINT)
    box_top = max(left.bottom, right.bottom) + 1.5
    about = Block(box_top, (rule, number, *left.marks, *right.marks))
    doses = _doses(sheet, one, texts)
    return [stacked((about, doses[0])), *doses[1:]]


def seal(sheet: Sheet, printed: PrintedPrescription, texts: Texts) -> Block:
    """What lets a reader check that nothing was altered."""
    digest = printed.seal_digest or ""
    column = (
        Column(sheet, MARGIN, WIDTH, 3)
        .add(texts.seal, style.LABEL)
        .add(texts.seal_says, style.SMALL, gap=0.3)
    )
    column.add(f"{texts.digest}: {shortened(digest)}", Style(9, bold=True), gap=1)
    column.add(digest, style.SMALL)
    return Block(column.bottom, (Tint(MARGIN, 0, WIDTH, 0.25, style.FAINT), *column.marks))


def running_head(sheet: Sheet, printed: PrintedPrescription) -> Block:
    """On each page after the first: whose prescription this is."""
    column = Column(sheet, MARGIN, WIDTH).add(
        f"{printed.patient.name} · {printed.provider_name}", style.DETAIL
    )
    rule = Tint(MARGIN, column.bottom + 1.5, WIDTH, 0.5, style.ACCENT)
    return Block(rule.y + rule.height, (*column.marks, rule))


def not_valid_band(sheet: Sheet, texts: Texts) -> Block:
    """On each page of what is not sealed: it is no prescription."""
    column = Column(sheet, MARGIN + 4, WIDTH - 8, 2).add(texts.not_valid, style.BAND, align="C")
    column.add(texts.not_valid_says, style.BAND_SMALL, align="C")
    height = column.bottom + 2
    return Block(height, (Tint(MARGIN, 0, WIDTH, height, style.RED, radius=1.5), *column.marks))


def shortened(digest: str) -> str:
    """Enough of a digest to compare by eye: its first and last sixteen characters in fours."""
    if len(digest) <= 32:
        return digest
    head, tail = (
        " ".join(part[at : at + 4] for at in range(0, 16, 4)) for part in (digest[:16], digest[-16:])
    )
    return f"{head} … {tail}"


def _dates(printed: PrintedPrescription, texts: Texts) -> Iterable[tuple[str, str]]:
    if printed.issued_at:
        yield texts.issued, texts.at(printed.issued_at, printed.time_zone)
    else:
        yield texts.drawn_up, texts.at(printed.drawn_up_at, printed.time_zone)
    if printed.valid_until:
        yield texts.valid_until, texts.at(printed.valid_until, printed.time_zone)


def _doses(sheet: Sheet, one: Item, texts: Texts) -> list[Block]:
    """How to take it and for how long, in boxes of so many lines that one always fits on a page."""
    x, width = MARGIN + NUMBER_WIDTH, WIDTH - NUMBER_WIDTH
    words = sheet.paragraphs(one.posology, style.POSOLOGY, x=x + 3.5, width=width - 7)
    boxes = []
    for start in range(0, len(words.lines), DOSE_LINES_MAX):
        label = f"{one.number} · {texts.posology}" if start else texts.posology
        left = Column(sheet, x + 3.5, 50, 2).add(label, style.LABEL)
        right = Column(sheet, x + 56, width - 59.5, 2)
        right.add(None if start else _duration(one, texts), style.DURATION, align="R")
        top = max(left.bottom, right.bottom) + 0.3
        part = replace(words, y=top, lines=words.lines[start : start + DOSE_LINES_MAX])
        height = top + part.height + 2.5
        box = Tint(x, 0, width, height, style.DOSE, radius=1.5)
        bar = Tint(x, 0, 1.1, height, style.ACCENT)
        boxes.append(Block(height + 2.5, (box, bar, *left.marks, *right.marks, part)))
    return boxes


def _duration(one: Item, texts: Texts) -> str | None:
    length = texts.for_days(one.duration_days) if one.duration_days else one.duration
    return f"{texts.duration}: {length}" if length else None


def _quantity(sheet: Sheet, one: Item, texts: Texts, top: float) -> Column:
    column = Column(sheet, MARGIN + WIDTH - QUANTITY_WIDTH, QUANTITY_WIDTH, top)
    if one.quantity is None:
        return column
    column.add(texts.quantity, style.LABEL, align="R")
    return column.add(texts.amount(one.quantity, one.unit), style.FACT, align="R")

"""Blocks laid on pages, so that none is cut and every page says whose it is."""

from services.notification.domain.printed import PrintedPrescription, Status
from services.notification.domain.texts import Texts
from services.notification.pdf import blocks, style
from services.notification.pdf.blocks import GAP, Column
from services.notification.pdf.marks import Block, Mark, Tint, stacked
from services.notification.pdf.sheet import Sheet
from services.notification.pdf.style import BOTTOM, MARGIN, PAGE_HEIGHT, TOP, WIDTH, Style

Page = tuple[Mark, ...]

COLOURS = {Status.VOIDED: style.RED, Status.EXPIRED: style.AMBER, Status.DISPENSED: style.ACCENT}


def laid_out(sheet: Sheet, printed: PrintedPrescription, texts: Texts, qr_content: str | None) -> list[Page]:
    """The pages of the prescription itself: the same whatever has happened to it since it was sealed."""
    pages = _flowed(_blocks(sheet, printed, texts, qr_content), _continued(sheet, printed, texts))
    return [
        (*page, *_footer(sheet, printed, f"{number}/{len(pages)}"))
        for number, page in enumerate(pages, start=1)
    ]


def notice(sheet: Sheet, printed: PrintedPrescription, texts: Texts) -> Page:
    """The page in front of a prescription that has ended: it says so before anything else can be read."""
    title, says = texts.endings[printed.status]
    colour = COLOURS[printed.status]
    head = blocks.letterhead(sheet, printed, texts)
    column = Column(sheet, MARGIN + 10, WIDTH - 20, 12).add(
        title, Style(24, bold=True, colour=colour, leading=1.2)
    )
    column.add(says, style.NOTICE, gap=4)
    if printed.ended_at:
        moment = texts.at(printed.ended_at, printed.time_zone)
        column.add(texts.ended_on.format(moment=moment), style.FACT, gap=3)
    column.add(printed.code, style.FACT, gap=6).add(
        f"{texts.patient}: {printed.patient.name}", style.NOTICE, gap=1
    )
    column.add(texts.behind, style.DETAIL, gap=8)
    height = column.bottom + 12
    panel = (Tint(MARGIN, 0, WIDTH, height, style.PANEL), Tint(MARGIN, 0, 2.2, height, colour))
    body = stacked((head, Block(height, (*panel, *column.marks))), gap=24)
    return (*body.at(TOP), *_footer(sheet, printed, ""))


def _blocks(
    sheet: Sheet, printed: PrintedPrescription, texts: Texts, qr_content: str | None
) -> list[tuple[Block, float]]:
    """Each with the space that belongs above it."""
    band = [] if printed.sealed else [(blocks.not_valid_band(sheet, texts), 0.0)]
    head = [
        (blocks.letterhead(sheet, printed, texts), 0.0 if printed.sealed else 4.0),
        (blocks.code_panel(sheet, printed, texts, qr_content), 5.0),
        (blocks.people(sheet, printed, texts), GAP),
    ]
    about = [(one, 0.0 if n else 4.5) for n, one in enumerate(blocks.diagnoses(sheet, printed, texts))]
    items = [block for one in printed.items for block in blocks.item(sheet, one, texts)]
    # A heading alone at the foot of a page would announce nothing.
    first = stacked((blocks.heading(sheet, printed, texts), *items[:1]), gap=2.0)
    tail = [(blocks.seal(sheet, printed, texts), 2.0)] if printed.sealed else []
    return [*band, *head, *about, (first, GAP), *((one, 0.0) for one in items[1:]), *tail]


def _continued(sheet: Sheet, printed: PrintedPrescription, texts: Texts) -> Block:
    head = blocks.running_head(sheet, printed)
    return head if printed.sealed else stacked((blocks.not_valid_band(sheet, texts), head), gap=4)


def _flowed(flow: list[tuple[Block, float]], continued: Block) -> list[Page]:
    pages: list[list[Mark]] = [[]]
    y = TOP
    for block, gap in flow:
        if y + gap + block.height > BOTTOM and pages[-1]:
            pages.append([*continued.at(TOP)])
            y, gap = TOP + continued.height, 4.0
        pages[-1].extend(block.at(y + gap))
        y += gap + block.height
    return [tuple(page) for page in pages]


def _footer(sheet: Sheet, printed: PrintedPrescription, number: str) -> Page:
    """The code in the form that machines read, the seal, and which page of how many."""
    y = PAGE_HEIGHT - style.FOOTER
    left = Column(sheet, MARGIN, WIDTH - 22, y + 2).add(printed.code, Style(8.5, bold=True))
    if printed.seal_digest:
        left.add(blocks.shortened(printed.seal_digest), style.SMALL)
    right = Column(sheet, MARGIN + WIDTH - 20, 20, y + 2).add(number, Style(8.5, bold=True), align="R")
    return (Tint(MARGIN, y, WIDTH, 0.25, style.FAINT), *left.marks, *right.marks)

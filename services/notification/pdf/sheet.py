"""The paper: it knows its fonts, how wide words are, how they break, and how marks are drawn."""

import unicodedata
from pathlib import Path
from typing import Final

import segno
from fpdf import FPDF
from fpdf.enums import MethodReturnValue
from fpdf.fonts import TTFFont

from services.notification.pdf.marks import Mark, QrCode, Tint, Words
from services.notification.pdf.style import WHITE, Style

FONTS: Final = Path(__file__).resolve().parent.parent / "fonts"
QUIET_ZONE: Final = 4  # modules; a reader may refuse a code with less (ISO/IEC 18004:2015, 6.3.8)
# Modules drawn edge to edge would show hairlines between them on a screen.
OVERLAP: Final = 0.01


def clean(text: str) -> str:
    """Text as it may be printed: composed, and without what would reverse or hide letters."""
    composed = unicodedata.normalize("NFC", text).replace("\t", " ")
    return "".join(
        letter
        for letter in composed
        if letter == "\n" or unicodedata.category(letter) not in {"Cc", "Cf", "Co", "Cs"}
    )


def needs_shaping(text: str) -> bool:
    """Whether letters must be joined, stacked or turned: combining marks, and scripts from right to left."""
    return any(
        unicodedata.category(letter).startswith("M") or unicodedata.bidirectional(letter) in {"R", "AL"}
        for letter in text
    )


class Sheet(FPDF):
    """A4 paper with embedded fonts; the same marks always give the same bytes."""

    def __init__(self) -> None:
        super().__init__(format="A4", unit="mm")
        self._wider = False
        self.set_auto_page_break(False)
        self.set_margin(0)
        self.c_margin = 0
        self.add_font("noto", "", FONTS / "NotoSans-Regular.ttf")
        self.add_font("noto", "B", FONTS / "NotoSans-Bold.ttf")
        regular = self.fonts["noto"]
        assert isinstance(regular, TTFFont)
        self._letters = frozenset(map(chr, regular.cmap)) | {"\n"}
        self.add_page()

    def words(self, text: str, style: Style, *, x: float, y: float, width: float, align: str = "L") -> Words:
        """Break text into lines of at most `width`, without regard to its own line breaks."""
        lines = self._broken(" ".join(clean(text).split()), style, width)
        return Words(x, y, width, lines, style, align)

    def paragraphs(self, text: str, style: Style, *, x: float, width: float) -> Words:
        """Break text into lines and keep its own, as its author meant it to be read."""
        return Words(x, 0, width, self._broken(clean(text).strip(), style, width), style)

    def _broken(self, text: str, style: Style, width: float) -> tuple[str, ...]:
        self._dress(text, style)
        lines = self.multi_cell(
            width, style.line_height, text, align="L", dry_run=True, output=MethodReturnValue.LINES
        )
        assert isinstance(lines, list)  # what LINES alone stands for
        return tuple(line.rstrip() for line in lines)

    def draw(self, marks: tuple[Mark, ...]) -> None:
        """Put marks on the present page, the first lowest."""
        for mark in marks:
            match mark:
                case Words():
                    self._draw_words(mark)
                case Tint():
                    self._draw_tint(mark)
                case QrCode():
                    self._draw_qr(mark)

    def _dress(self, text: str, style: Style) -> None:
        self.set_font("noto", "B" if style.bold else "", style.size)
        if not self._wider and not self._letters.issuperset(text):
            self._widen()
        self.set_text_shaping(needs_shaping(text))

    def _widen(self) -> None:
        # Loaded only for a text that needs them: they cost more time than a whole ordinary document.
        self._wider = True
        self.add_font("dejavu", "", FONTS / "DejaVuSans.ttf")
        self.add_font("dejavu", "B", FONTS / "DejaVuSans-Bold.ttf")
        self.add_font("droid", "", FONTS / "DroidSansFallback.ttf")
        # The widest has no bold; by default a bold text would then lose those letters.
        self.set_fallback_fonts(["dejavu", "droid"], exact_match=False)

    def _draw_words(self, words: Words) -> None:
        self.set_text_color(*words.style.colour)
        for number, line in enumerate(words.lines):
            self._dress(line, words.style)
            self.set_xy(words.x, words.y + number * words.style.line_height)
            self.cell(words.width, words.style.line_height, line, align=words.align)

    def _draw_tint(self, tint: Tint) -> None:
        self.set_fill_color(*tint.colour)
        rounded = bool(tint.radius)
        self.rect(
            tint.x,
            tint.y,
            tint.width,
            tint.height,
            style="F",
            round_corners=rounded,
            corner_radius=tint.radius,
        )

    def _draw_qr(self, code: QrCode) -> None:
        rows = [bytes(row) for row in segno.make_qr(code.content, error="m").matrix]
        module = code.width / (len(rows) + 2 * QUIET_ZONE)
        self._draw_tint(Tint(code.x, code.y, code.width, code.width, WHITE))
        self.set_fill_color(0, 0, 0)
        for down, row in enumerate(rows):
            for start, length in _runs(row):
                self.rect(
                    code.x + (start + QUIET_ZONE) * module,
                    code.y + (down + QUIET_ZONE) * module,
                    length * module + OVERLAP,
                    module + OVERLAP,
                    style="F",
                )


def _runs(row: bytes) -> list[tuple[int, int]]:
    """Where dark modules stand side by side: start and length of each run."""
    runs: list[tuple[int, int]] = []
    for at, dark in enumerate(row):
        if not dark:
            continue
        if runs and sum(runs[-1]) == at:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((at, 1))
    return runs

"""The measures, colours and letter sizes of a printed page, in millimetres and points."""

from dataclasses import dataclass
from typing import Final

Colour = tuple[int, int, int]

PAGE_WIDTH: Final = 210.0
PAGE_HEIGHT: Final = 297.0
MARGIN: Final = 18.0
TOP: Final = 15.0
FOOTER: Final = 17.0
WIDTH: Final = PAGE_WIDTH - 2 * MARGIN
BOTTOM: Final = PAGE_HEIGHT - FOOTER - 4

INK: Final[Colour] = (24, 32, 38)
GREY: Final[Colour] = (92, 103, 112)
FAINT: Final[Colour] = (214, 220, 225)
ACCENT: Final[Colour] = (11, 83, 99)
PANEL: Final[Colour] = (242, 246, 247)
DOSE: Final[Colour] = (230, 242, 241)
RED: Final[Colour] = (166, 34, 40)
AMBER: Final[Colour] = (138, 84, 0)
WHITE: Final[Colour] = (255, 255, 255)

POINT: Final = 25.4 / 72


@dataclass(frozen=True)
class Style:
    """How a line of text looks."""

    size: float
    bold: bool = False
    colour: Colour = INK
    leading: float = 1.32

    @property
    def line_height(self) -> float:
        """From one line to the next, in millimetres."""
        return self.size * POINT * self.leading


TITLE: Final = Style(15, bold=True, colour=ACCENT, leading=1.2)
PROVIDER: Final = Style(13, bold=True, leading=1.25)
LABEL: Final = Style(8, bold=True, colour=ACCENT)
NAME: Final = Style(11.5, bold=True)
DETAIL: Final = Style(9, colour=GREY)
CODE: Final = Style(18, bold=True, leading=1.25)
FACT: Final = Style(10.5, bold=True)
PRODUCT: Final = Style(11.5, bold=True)
DURATION: Final = Style(9, bold=True)
POSOLOGY: Final = Style(12)
NUMBER: Final = Style(11.5, bold=True, colour=ACCENT)
WARNING: Final = Style(8.5, bold=True, colour=RED)
SMALL: Final = Style(7.5, colour=GREY)
BAND: Final = Style(12, bold=True, colour=WHITE)
BAND_SMALL: Final = Style(8.5, colour=WHITE)
NOTICE: Final = Style(12)

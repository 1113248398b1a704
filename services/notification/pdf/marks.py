"""What a page is made of: words, tints and QR codes, placed before anything is drawn."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from services.notification.pdf.style import Colour, Style


@dataclass(frozen=True)
class Words:
    """Lines of text, already broken, from `y` downwards."""

    x: float
    y: float
    width: float
    lines: tuple[str, ...]
    style: Style
    align: str = "L"

    @property
    def height(self) -> float:
        """All lines together."""
        return len(self.lines) * self.style.line_height


@dataclass(frozen=True)
class Tint:
    """A filled rectangle: a background, a rule, a bar."""

    x: float
    y: float
    width: float
    height: float
    colour: Colour
    radius: float = 0.0


@dataclass(frozen=True)
class QrCode:
    """A square of modules with its quiet zone, on white."""

    x: float
    y: float
    width: float
    content: str

    @property
    def height(self) -> float:
        """It is a square."""
        return self.width


Mark = Words | Tint | QrCode


@dataclass(frozen=True)
class Block:
    """Marks that stay together on a page, measured from the block's own top."""

    height: float
    marks: tuple[Mark, ...]

    def at(self, y: float) -> tuple[Mark, ...]:
        """The same marks with the block's top at `y`."""
        return tuple(replace(mark, y=mark.y + y) for mark in self.marks)


def stacked(blocks: Iterable[Block], gap: float = 0.0) -> Block:
    """Blocks one below the other, as one that stays together."""
    marks: list[Mark] = []
    y = 0.0
    for block in blocks:
        y += gap if marks else 0.0
        marks.extend(block.at(y))
        y += block.height
    return Block(y, tuple(marks))

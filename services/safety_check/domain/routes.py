"""Routes of administration: the words for them, and which ATC codes speak for which (drug-safety.md 3)."""

import re
from typing import Final

from contracts.drug_names import fold

UNKNOWN: Final = ""

# The first word that a text holds decides; phrases stand before the words inside them.
_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("sublingual", "sublingual"),
    ("buccal", "buccal"),
    ("bucal", "buccal"),
    ("oromucosal", "buccal"),
    ("inhal", "inhaled"),
    ("inala", "inhaled"),
    ("nebuli", "inhaled"),
    ("intranasal", "nasal"),
    ("nasal", "nasal"),
    ("intravenos", "iv"),
    ("intravenous", "iv"),
    ("endovenos", "iv"),
    ("iv", "iv"),
    ("ev", "iv"),
    ("intramuscular", "im"),
    ("im", "im"),
    ("subcutane", "sc"),
    ("sc", "sc"),
    ("transderm", "transdermal"),
    ("patch", "transdermal"),
    ("rectal", "rectal"),
    ("retal", "rectal"),
    ("vaginal", "vaginal"),
    ("oftalm", "ophthalmic"),
    ("ophthalm", "ophthalmic"),
    ("ocular", "ophthalmic"),
    ("conjuntival", "ophthalmic"),
    ("eye", "ophthalmic"),
    ("otic", "otic"),
    ("auricular", "otic"),
    ("ear", "otic"),
    ("topic", "topical"),
    ("cutane", "topical"),
    ("dermatolog", "topical"),
    ("skin", "topical"),
    ("oral", "oral"),
    ("by mouth", "oral"),
    ("vo", "oral"),
    ("po", "oral"),
)
_PATTERN: Final = re.compile(
    r"\b(?:" + "|".join(f"({word}{'' if len(word) < 4 else '[a-z]*'})" for word, _ in _WORDS) + r")\b"
)
_LOCAL: Final = ("A01", "C05A", "D", "G01", "M02", "N01B", "P03", "R01A", "R02", "R03A", "R03B", "S", "A07A")
_SYSTEMIC_DESPITE_D: Final = ("D01B", "D05B", "D10B", "D11AH")
_SYSTEMIC: Final = "systemic"
_INJECTED: Final = (_SYSTEMIC, "N01B")
_SPEAKS_FOR: Final[dict[str, tuple[str, ...]]] = {
    "oral": (_SYSTEMIC, "A01", "A07A"),
    "sublingual": (_SYSTEMIC, "A01"),
    "buccal": (_SYSTEMIC, "A01", "R02"),
    "inhaled": ("R03A", "R03B"),
    "nasal": ("R01A",),
    "iv": _INJECTED,
    "im": _INJECTED,
    "sc": _INJECTED,
    "transdermal": (_SYSTEMIC,),
    "rectal": (_SYSTEMIC, "C05A"),
    "vaginal": ("G",),
    "topical": ("D", "M02", "C05A", "P03", "N01B"),
    "ophthalmic": ("S01", "S03"),
    "otic": ("S02", "S03"),
}


def route_of(text: str | None) -> str:
    """The route that a text in three languages names, UNKNOWN when it names none."""
    found = _PATTERN.search(fold(text).replace(".", "")) if text else None
    return _WORDS[found.lastindex - 1][1] if found and found.lastindex else UNKNOWN


def is_local(code: str) -> bool:
    """Whether a medicine under this code acts where it is applied, and hardly elsewhere."""
    return code.startswith(_LOCAL) and not code.startswith(_SYSTEMIC_DESPITE_D)


def fitting(codes: tuple[str, ...], route: str) -> tuple[str, ...]:
    """The codes that speak for a route; all of them when it is unknown or no code fits."""
    wanted = _SPEAKS_FOR.get(route)
    if wanted is None:
        return codes
    return tuple(code for code in codes if _speaks(code, wanted)) or codes


def _speaks(code: str, wanted: tuple[str, ...]) -> bool:
    named = tuple(prefix for prefix in wanted if prefix != _SYSTEMIC)
    return (bool(named) and code.startswith(named)) or (_SYSTEMIC in wanted and not is_local(code))

"""What stands beside a name in the text of a medicine: strengths, forms, routes (drug-safety.md 2.1)."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from contracts.drug_names.spelling import fold, lines

_NUMBER: Final = r"[0-9]+(?:[.,][0-9]+)*"
_UNIT: Final = r"(?:mg|mcg|\u03bcg|ug|g|kg|ng|ml|l|dl|ui|iu|u|meq|mmol|%|h|hr|doses?|dosis)(?![a-z0-9])"
_STRENGTH: Final = re.compile(
    rf"(?<![a-z0-9.,]){_NUMBER}(?:\s*/\s*{_NUMBER})*\s*{_UNIT}(?:\s*/\s*(?:{_NUMBER}\s*)?{_UNIT})*"
)
_NUMBER_AT_END: Final = re.compile(rf"(?:^|(?<=\s)){_NUMBER}(?:\s*/\s*{_NUMBER})*\s*$")
EDGES: Final = " \t,;.:+/-()[]"
_UNITS: Final[Mapping[str, str]] = {"\u03bcg": "mcg", "ug": "mcg", "iu": "ui", "u": "ui", "hr": "h"}
_THOUSANDS: Final = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")


def without_strength_and_form(folded: str) -> tuple[str, tuple[str, ...]]:
    """A folded text without what tells nothing of ingredients, and what that was."""
    removed: list[str] = []

    def note(match: re.Match[str]) -> str:
        removed.append(match.group().strip())
        return " "

    bare = _FORM_AND_ROUTE.sub(note, _STRENGTH.sub(note, folded))
    bare = _NUMBER_AT_END.sub(note, bare.strip(EDGES))
    return " ".join(bare.split()).strip(EDGES), tuple(removed)


def bare(text: str) -> str:
    """The folded text without strengths, forms and routes: what a product and its orders have in common."""
    return without_strength_and_form(fold(text))[0]


def strengths(text: str) -> tuple[str, ...]:
    """Each strength that a text names, spelled in one way: `0,5 g` as `500 mg` is `500mg`."""
    return tuple(_one_spelling(found.group()) for found in _STRENGTH.finditer(fold(text)))


def _one_spelling(strength: str) -> str:
    # The unit at the end speaks for the numbers before it, as in 875/125 mg.
    return "/".join(_amounts(part) for part in re.split(r"(?<=[a-z%\u03bc])\s*/\s*", strength))


def _amounts(part: str) -> str:
    unit = part.lstrip("0123456789.,/ ").strip()
    numbers = [one.strip().replace(",", ".") for one in part.removesuffix(unit).split("/") if one.strip()]
    if unit == "g" and all(map(_is_plain, numbers)):
        unit, numbers = "mg", [f"{(Decimal(number) * 1000).normalize():f}" for number in numbers]
    return "/".join(map(_plain, numbers)) + _UNITS.get(unit, unit)


def _is_plain(number: str) -> bool:
    """Whether it can be read in one way: 1.000 is one, or a thousand."""
    return number.replace(".", "", 1).isdecimal() and not _THOUSANDS.fullmatch(number)


def _plain(number: str) -> str:
    """Without zeros that say nothing."""
    return f"{Decimal(number).normalize():f}" if _is_plain(number) else number


def _form_and_route() -> re.Pattern[str]:
    words = {fold(line) for line in lines("drug_form_words.txt")}
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, longest_first))})(?![a-z0-9])")


_FORM_AND_ROUTE: Final = _form_and_route()

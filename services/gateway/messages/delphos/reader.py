"""In whose language, and by which names of ingredients, this dialect tells of a prescription."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from contracts.message import utc
from contracts.values import FindingText

LANGUAGES: Final = ("pt", "es", "en")
LANGUAGE_DEFAULT: Final = "en"
"""Of texts that lack the reader's language."""


@dataclass(frozen=True)
class Reader:
    """Who reads; `names` are those of the catalogue's ingredients, as they are always shown (ruling 3.3)."""

    language: str = LANGUAGE_DEFAULT
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, ingredient: str) -> str:
        """An ingredient by its name; one that the catalogue no longer has, by its row."""
        return self.names.get(ingredient) or shown(ingredient.replace("-", " "))

    def text(self, texts: Mapping[str, FindingText]) -> FindingText:
        found = texts.get(self.language) or texts.get(LANGUAGE_DEFAULT)
        return found or next(iter(texts.values()), FindingText(description=""))


def shown(name: str) -> str:
    """As names of drugs are written here: upper case, no accents."""
    letters = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).upper()


def moment(at: datetime) -> str:
    """In UTC, to the microsecond; a fraction of zero is left out (2.2)."""
    return utc(at).replace(tzinfo=None).isoformat() + "Z"


def moment_or_none(at: datetime | None) -> str | None:
    return None if at is None else moment(at)

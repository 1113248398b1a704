"""How names are folded for searching: without case, accents and punctuation, word by word."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

WORD_LETTERS_MAX: Final = 100


def words(*texts: str | None) -> list[str]:
    """The folded words of some texts, each once, in order."""
    found: dict[str, None] = {}
    for text in texts:
        letters = unicodedata.normalize("NFKD", (text or "").casefold())
        plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
        for word in "".join(letter if letter.isalnum() else " " for letter in plain).split():
            found[word[:WORD_LETTERS_MAX]] = None
    return list(found)


def code(text: str) -> str:
    """A code as it is compared: `MED-042`, `med 042` and `MED042` are one."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


@dataclass(frozen=True)
class Search:
    """A query for Postgres: every word must begin a word (`beginning`), or be one (`whole`)."""

    code: str
    whole: str
    beginning: str


def search(query: str) -> Search | None:
    """None for a query without a single letter or digit: it finds nothing."""
    wanted = words(query)
    if not wanted:
        return None
    # Words hold letters and digits alone, so quotes around them are all the quoting that is needed.
    return Search(
        code(query),
        " & ".join(f"'{word}'" for word in wanted),
        " & ".join(f"'{word}':*" for word in wanted),
    )

"""In whose language, and by which names of ingredients, this dialect tells of a prescription."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.gateway.messages import languages

_PREFERENCES_MAX: Final = 20


@dataclass(frozen=True)
class Reader:
    """Who reads; `names` are those of the catalogue's ingredients, as they are always shown (ruling 3.3)."""

    language: str = languages.DEFAULT
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, ingredient: str) -> str:
        """An ingredient by its name; one that the catalogue no longer has, by its row."""
        return self.names.get(ingredient) or shown(ingredient.replace("-", " "))


def shown(name: str) -> str:
    """As names of drugs are written here: upper case, no accents."""
    letters = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).upper()


def language(accept_language: str | None, tenant: str) -> str:
    """The language of `Accept-Language` that is preferred most of those we speak, else the tenant's."""
    wanted: list[tuple[float, str]] = []
    for one in (accept_language or "").split(",")[:_PREFERENCES_MAX]:
        tag, _, weight = one.partition(";")
        spoken = tag.strip().partition("-")[0].lower()
        if spoken in languages.ALL and (weighs := _weight(weight)) > 0:
            wanted.append((weighs, spoken))
    if not wanted:
        return tenant if tenant in languages.ALL else languages.DEFAULT
    return max(wanted, key=lambda one: one[0])[1]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(float(value), 1.0)
    except ValueError:
        return 0.0

"""The names that can be resolved, and those that a text resembles (drug-safety.md 2.2)."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from typing import Final

from contracts.drug_names.spelling import REMEMBERED_MAX, fold, key

SUGGESTIONS_MAX: Final = 5
SUGGESTED_FROM: Final = 0.45


@dataclass(frozen=True, slots=True)
class Name:
    """One row of the names table; `kind` is inn, alias, abbreviation, brand or combination."""

    text: str
    ingredients: tuple[str, ...]
    kind: str = "inn"
    country: str = ""
    language: str = ""

    @property
    def row(self) -> str:
        """What a verdict cites: the kind, the name and what it stands for."""
        return f"{self.kind}:{self.text}={'+'.join(self.ingredients)}"


@dataclass(frozen=True, slots=True)
class Names:
    """The names that can be resolved, compiled once; between two `lookalikes` nothing is guessed."""

    by_folded: Mapping[str, Name]
    by_key: Mapping[str, tuple[Name, ...]]
    brands: Mapping[tuple[str, str], tuple[Name, ...]]
    lookalikes: frozenset[frozenset[str]] = frozenset()
    resembling: "Resembling | None" = field(default=None, repr=False)

    @classmethod
    def of(cls, rows: Iterable[Name], lookalikes: Iterable[frozenset[str]] = ()) -> "Names":
        by_folded: dict[str, Name] = {}
        by_key: defaultdict[str, list[Name]] = defaultdict(list)
        brands: defaultdict[tuple[str, str], list[Name]] = defaultdict(list)
        for row in rows:
            folded = fold(row.text)
            if row.kind == "brand":
                brands[row.country, folded].append(row)
                continue
            by_folded.setdefault(folded, row)
            if row.kind != "abbreviation":  # Two or three letters are too few for a key.
                by_key[key(row.text)].append(row)
        return cls(
            by_folded,
            {k: tuple(found) for k, found in by_key.items()},
            {k: tuple(found) for k, found in brands.items()},
            frozenset(lookalikes),
            Resembling.to(folded for folded, row in by_folded.items() if row.kind in ("inn", "alias")),
        )


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An ingredient whose name resembles the text; a resemblance never resolves anything."""

    ingredient: str
    similarity: float


def similarity(a: str, b: str) -> float:
    """Trigram similarity of two texts, as PostgreSQL's pg_trgm defines it, on their folded forms."""
    left, right = _trigrams(fold(a)), _trigrams(fold(b))
    return len(left & right) / len(left | right) if left | right else 0.0


def suggest(text: str, names: Names) -> tuple[Suggestion, ...]:
    """The five ingredients whose names resemble the text most, the best first."""
    best: dict[str, float] = {}
    for folded, score in names.resembling.names(_trigrams(fold(text))) if names.resembling else ():
        for ingredient in names.by_folded[folded].ingredients:
            best[ingredient] = max(best.get(ingredient, 0.0), score)
    ranked = sorted((-score, ingredient) for ingredient, score in best.items())
    return tuple(Suggestion(ingredient, round(-score, 4)) for score, ingredient in ranked[:SUGGESTIONS_MAX])


@dataclass(frozen=True, slots=True)
class Resembling:
    """Names by their rarest trigrams: two texts similar enough always share one of these."""

    rarity: Mapping[str, int]
    by_trigram: Mapping[str, frozenset[str]]
    trigrams: Mapping[str, frozenset[str]]

    @classmethod
    def to(cls, names: Iterable[str]) -> "Resembling":
        trigrams = {name: _trigrams(name) for name in names}
        rarity = Counter(trigram for theirs in trigrams.values() for trigram in theirs)
        by_trigram: defaultdict[str, list[str]] = defaultdict(list)
        for name, theirs in trigrams.items():
            for trigram in _rarest(theirs, rarity):
                by_trigram[trigram].append(name)
        return cls(rarity, {trigram: frozenset(found) for trigram, found in by_trigram.items()}, trigrams)

    def names(self, wanted: frozenset[str]) -> Iterator[tuple[str, float]]:
        """All names that are similar enough to be suggested, with their similarity."""
        shared = (self.by_trigram.get(trigram, frozenset()) for trigram in _rarest(wanted, self.rarity))
        size = len(wanted)
        least, most = SUGGESTED_FROM * size, size / SUGGESTED_FROM
        for name in frozenset[str]().union(*shared):
            theirs = self.trigrams[name]
            # Much shorter or longer, a name cannot have enough of them in common, whichever they are.
            if not least <= len(theirs) <= most:
                continue
            common = len(wanted & theirs)
            if (score := common / (size + len(theirs) - common)) >= SUGGESTED_FROM:
                yield name, score


def _rarest(trigrams: frozenset[str], rarity: Mapping[str, int]) -> list[str]:
    """So many of the rarest that whoever shares none of them shares too few of all (prefix filtering)."""
    rarest_first = sorted(trigrams, key=lambda trigram: (rarity.get(trigram, 0), trigram))
    return rarest_first[: len(trigrams) - ceil(SUGGESTED_FROM * len(trigrams)) + 1]


@lru_cache(maxsize=REMEMBERED_MAX)
def _trigrams(folded: str) -> frozenset[str]:
    return frozenset(_each_trigram(folded))


def _each_trigram(folded: str) -> Iterator[str]:
    for word in re.findall(r"\w+", folded.replace("_", " ")):
        padded = f"  {word} "
        yield from (padded[i : i + 3] for i in range(len(padded) - 2))

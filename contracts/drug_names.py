"""From the text of a medicine to its ingredients, by steps on which all services agree to the letter."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from math import ceil
from typing import Final

TEXT_CHARACTERS_MAX: Final = 500
SUGGESTIONS_MAX: Final = 5
SUGGESTED_FROM: Final = 0.45
PROBABLE_FROM: Final = 0.60
PROBABLE_AHEAD_BY: Final = 0.05
_KEYS_REMEMBERED_MAX: Final = 20_000

# --- Folding and the INN key: drug-safety.md 2.3, K1 to K8 ------------------------------------------------

_STOP_WORDS: Final = frozenset(
    [
        *("de", "del", "do", "da", "dos", "das", "of", "the", "and", "et", "en", "em"),
        *("con", "com", "with", "para", "la", "el", "los", "las"),
    ]
)
_ROMAN: Final = frozenset("ivx")
_LIGATURES: Final = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss"})
_PARENTHESES: Final = re.compile(r"\([^()]*\)")
_HYPHEN_BESIDE_DIGIT: Final = re.compile(r"(?<=[0-9])[-\u2010\u2013]|[-\u2010\u2013](?=[0-9])")
_JOINERS: Final = str.maketrans("", "", "-\u2010\u2013'\u2019")
_TOKEN: Final = re.compile(r"[a-z0-9]+")
_SOFT: Final = re.compile(r"(?:ch|ck|qu|k|c)(?=[ei])")
_HARD: Final = re.compile(r"ch|ck|qu|k")
_SOFT_G: Final = re.compile(r"g(?=[ei])")
_RUN: Final = re.compile(r"(.)\1+")
_M_BEFORE: Final = re.compile(r"m(?=[cdfgjlnrstv])")
_N_BEFORE: Final = re.compile(r"n(?=[bp])")
_BEGINNINGS: Final = (("esp", "sp"), ("est", "st"), ("ps", "s"))
_ENDS: Final = (("gue", "g"), ("que", "c"), ("ideo", "id"), ("om", "on"))
_EVERYWHERE: Final = (("ph", "f"), ("th", "t"), ("rh", "r"), ("w", "v"), ("z", "s"))
_ENDINGS: Final = (
    *((ending, "A") for ending in ("atum", "ato", "ate", "at")),
    *((ending, "I") for ending in ("ium", "iun", "iona", "ione", "ion", "io")),
    *((ending, "") for ending in ("um", "us", "a", "e", "i", "o")),
)


def fold(text: str) -> str:
    """The text without case, accents and surplus spaces (K1)."""
    text = text[:TEXT_CHARACTERS_MAX]
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    # Casefold can itself bring back a combining mark (from a dotted capital I).
    folded = bare.casefold().translate(_LIGATURES).replace("\u0307", "")
    return " ".join(folded.split())


@lru_cache(maxsize=_KEYS_REMEMBERED_MAX)
def key(text: str) -> str:
    """The spelling key of an INN: equal for one substance in English, Spanish and Portuguese (K1 to K8)."""
    spelled = [_spelled(token) for token in _tokens(fold(text))]
    kept = [token for token in spelled if token not in _SALT_WORDS and not _is_water(token)]
    if all(token in _MINERAL_WORDS or token == "acid" for token in kept):
        dry = [token for token in spelled if not _is_water(token)] or spelled
        kept = [_SALT_WORDS.get(token) or _MINERAL_WORDS.get(token, token) for token in dry]
    if "acid" in kept and any(token.endswith("ic") for token in kept):
        kept = [f"{token[:-2]}A" if token.endswith("ic") else token for token in kept if token != "acid"]
    return " ".join(sorted(kept))


def _tokens(folded: str) -> list[str]:
    open_text = _HYPHEN_BESIDE_DIGIT.sub(" ", _PARENTHESES.sub(" ", folded)).translate(_JOINERS)
    return [token for token in _TOKEN.findall(open_text) if token not in _STOP_WORDS]


@lru_cache(maxsize=_KEYS_REMEMBERED_MAX)
def _spelled(token: str) -> str:
    if len(token) <= 3 or not token.isalpha() or _ROMAN.issuperset(token):  # K3
        return token
    if token in ("acid", "acido", "acide", "acidum"):
        return "acid"
    t = token.replace("ae", "e").replace("oe", "e").replace("y", "i")  # K4, a to i
    t = _first_change(t, _BEGINNINGS, at_end=False)
    t = _first_change(t, _ENDS, at_end=True)
    for old, new in _EVERYWHERE:
        t = t.replace(old, new)
    t = _HARD.sub("c", _SOFT.sub("s", t))
    t = _SOFT_G.sub("j", t).replace("h", "")
    t = _RUN.sub(r"\1", t)
    t = _N_BEFORE.sub("m", _M_BEFORE.sub("n", t))
    return _first_change(t, _ENDINGS, at_end=True)


def _first_change(token: str, changes: Iterable[tuple[str, str]], *, at_end: bool) -> str:
    for old, new in changes:
        if at_end and token.endswith(old):
            return token[: -len(old)] + new
        if not at_end and token.startswith(old):
            return new + token[len(old) :]
    return token


def _is_water(token: str) -> bool:
    return token.endswith(("idratad", "idrA"))


def _spelled_words(kind: str) -> dict[str, str]:
    """Each spelling of a list, as K4 leaves it, with the English spelling."""
    rows = (line.split() for line in _lines("drug_salt_words.txt"))
    return {_spelled(spelling): row[1] for row in rows if row[0] == kind for spelling in row[1:]}


def _lines(file: str) -> list[str]:
    text = files(__package__).joinpath(file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


_SALT_WORDS: Final = _spelled_words("salt")
_MINERAL_WORDS: Final = _spelled_words("mineral")

# --- The names table ---------------------------------------------------------------------------------------


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


class MatchStatus(StrEnum):
    """How an item's words became ingredients."""

    LINKED = "linked"
    EXACT = "exact"
    SYNONYM = "synonym"
    PROBABLE = "probable"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An ingredient whose name resembles the text; a resemblance never resolves anything."""

    ingredient: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a text stands for; `assumed` is what a misspelling probably means: checked, never relied on."""

    ingredients: tuple[str, ...] = ()
    status: MatchStatus = MatchStatus.UNMATCHED
    score: float | None = None  # Of what is only probable.
    removed: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    assumed: str | None = None
    names_disagree: bool = False


# --- Resolution: drug-safety.md 2.1 ------------------------------------------------------------------------

_NUMBER: Final = r"[0-9]+(?:[.,][0-9]+)*"
_UNIT: Final = r"(?:mg|mcg|\u03bcg|ug|g|kg|ng|ml|l|dl|ui|iu|u|meq|mmol|%|h|hr|doses?|dosis)(?![a-z0-9])"
_STRENGTH: Final = re.compile(
    rf"(?<![a-z0-9.,]){_NUMBER}(?:\s*/\s*{_NUMBER})*\s*{_UNIT}(?:\s*/\s*(?:{_NUMBER}\s*)?{_UNIT})*"
)
_NUMBER_AT_END: Final = re.compile(rf"(?:^|(?<=\s)){_NUMBER}(?:\s*/\s*{_NUMBER})*\s*$")
_SEPARATOR: Final = re.compile(r"[+/;,]|\s(?:and|y|e|con|com|with)\s")
_EDGES: Final = " \t,;.:+/-()[]"


def resolve(text: str, country: str, names: Names) -> Resolution:
    """Find the ingredients of a text; brands count in their own country only."""
    folded = fold(text)
    if found := _whole(folded, country, names):
        return found
    bare, removed = _without_strength_and_form(folded)
    if found := _whole(bare, country, names):
        return replace(found, removed=removed)
    parts = [part for raw in _SEPARATOR.split(bare) if (part := raw.strip(_EDGES))]
    if len(parts) > 1:
        return replace(_of_parts(parts, country, names), removed=removed)
    return replace(_resembling(bare or folded, names), removed=removed)


def resolve_item(
    *,
    linked: tuple[str, ...],
    active_ingredient: str | None,
    medication_name: str | None,
    country: str,
    names: Names,
) -> Resolution:
    """Resolve an item by its catalogue link, else its active ingredient, else its name."""
    texts = [text for text in (active_ingredient, medication_name) if text and text.strip()]
    if linked:
        link = Resolution(linked, MatchStatus.LINKED, rows=("link:" + "+".join(linked),))
        named = resolve(active_ingredient, country, names) if active_ingredient else Resolution()
        if not named.ingredients or set(named.ingredients) == set(linked):
            return link
        both = tuple(dict.fromkeys((*linked, *named.ingredients)))
        return replace(link, ingredients=both, rows=link.rows + named.rows, names_disagree=True)
    found = [resolve(text, country, names) for text in texts]
    whole = (one for one in found if one.ingredients and not one.unresolved)
    partial = (one for one in found if one.ingredients or one.assumed)
    return next(whole, None) or next(partial, None) or next(iter(found), Resolution())


def _whole(folded: str, country: str, names: Names) -> Resolution | None:
    """The text as one name: by its folded form, as a brand of the country, then by its key."""
    if not folded:
        return None
    row = names.by_folded.get(folded)
    if row is None:
        branded = names.brands.get((country, folded), ())
        if branded:
            return _resolved(branded[0]) if len({brand.ingredients for brand in branded}) == 1 else None
        keyed = names.by_key.get(key(folded), ())
        row = keyed[0] if len({name.ingredients for name in keyed}) == 1 else None
        # The INN among several spellings of one key: a match by key is as good as its best name.
        row = next((name for name in keyed if name.kind == "inn"), row) if row else None
    return _resolved(row) if row else None


def _resolved(row: Name) -> Resolution:
    status = MatchStatus.EXACT if row.kind == "inn" else MatchStatus.SYNONYM
    return Resolution(row.ingredients, status, rows=(row.row,))


def _of_parts(parts: list[str], country: str, names: Names) -> Resolution:
    found = [(part, _part(part, country, names)) for part in parts]
    resolved = [one for _, one in found if one]
    ingredients = tuple(dict.fromkeys(i for one in resolved for i in one.ingredients))
    rows = tuple(row for one in resolved for row in one.rows)
    unresolved = tuple(part for part, one in found if not one)
    if not unresolved:
        exact = all(one.status is MatchStatus.EXACT for one in resolved)
        return Resolution(ingredients, MatchStatus.EXACT if exact else MatchStatus.SYNONYM, rows=rows)
    suggestions = suggest(" ".join(unresolved), names)
    status = MatchStatus.PROBABLE if resolved else MatchStatus.UNMATCHED
    score = round(len(resolved) / len(parts), 2) if resolved else None
    return Resolution(ingredients, status, score, rows=rows, unresolved=unresolved, suggestions=suggestions)


def _part(part: str, country: str, names: Names) -> Resolution | None:
    return _whole(part, country, names) or _whole(_without_strength_and_form(part)[0], country, names)


def _resembling(folded: str, names: Names) -> Resolution:
    suggestions = suggest(folded, names)
    best, others = suggestions[:1], suggestions[1:]
    sure = (
        best
        and best[0].similarity >= PROBABLE_FROM
        and all(best[0].similarity - other.similarity >= PROBABLE_AHEAD_BY for other in others)
        and not any(frozenset((best[0].ingredient, o.ingredient)) in names.lookalikes for o in others)
    )
    if not sure:
        return Resolution(unresolved=(folded,), suggestions=suggestions)
    return Resolution(
        status=MatchStatus.PROBABLE,
        score=best[0].similarity,
        unresolved=(folded,),
        suggestions=suggestions,
        assumed=best[0].ingredient,
    )


def _without_strength_and_form(folded: str) -> tuple[str, tuple[str, ...]]:
    removed: list[str] = []

    def note(match: re.Match[str]) -> str:
        removed.append(match.group().strip())
        return " "

    bare = _FORM_AND_ROUTE.sub(note, _STRENGTH.sub(note, folded))
    bare = _NUMBER_AT_END.sub(note, bare.strip(_EDGES))
    return " ".join(bare.split()).strip(_EDGES), tuple(removed)


def _form_and_route() -> re.Pattern[str]:
    words = {fold(line) for line in _lines("drug_form_words.txt")}
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, longest_first))})(?![a-z0-9])")


_FORM_AND_ROUTE: Final = _form_and_route()

# --- Resemblance, for suggestions only: drug-safety.md 2.2 -------------------------------------------------


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
    by_trigram: Mapping[str, tuple[str, ...]]

    @classmethod
    def to(cls, names: Iterable[str]) -> "Resembling":
        all_names = tuple(names)
        rarity = Counter(trigram for name in all_names for trigram in _trigrams(name))
        by_trigram: defaultdict[str, list[str]] = defaultdict(list)
        for name in all_names:
            for trigram in _rarest(_trigrams(name), rarity):
                by_trigram[trigram].append(name)
        return cls(rarity, {trigram: tuple(found) for trigram, found in by_trigram.items()})

    def names(self, wanted: frozenset[str]) -> Iterator[tuple[str, float]]:
        """All names that are similar enough to be suggested, with their similarity."""
        shared = (self.by_trigram.get(trigram, ()) for trigram in _rarest(wanted, self.rarity))
        for name in set().union(*shared):
            theirs = _trigrams(name)
            common = len(wanted & theirs)
            if (score := common / (len(wanted) + len(theirs) - common)) >= SUGGESTED_FROM:
                yield name, score


def _rarest(trigrams: frozenset[str], rarity: Mapping[str, int]) -> list[str]:
    """So many of the rarest that whoever shares none of them shares too few of all (prefix filtering)."""
    rarest_first = sorted(trigrams, key=lambda trigram: (rarity.get(trigram, 0), trigram))
    return rarest_first[: len(trigrams) - ceil(SUGGESTED_FROM * len(trigrams)) + 1]


@lru_cache(maxsize=_KEYS_REMEMBERED_MAX)
def _trigrams(folded: str) -> frozenset[str]:
    return frozenset(_each_trigram(folded))


def _each_trigram(folded: str) -> Iterator[str]:
    for word in re.findall(r"\w+", folded.replace("_", " ")):
        padded = f"  {word} "
        yield from (padded[i : i + 3] for i in range(len(padded) - 2))

"""From the text of a medicine to its ingredients: the spelling key and the steps on which all services agree.

It knows no table and reads none but its own word list: names are handed in as a `Names` value.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Final

TEXT_CHARACTERS_MAX: Final = 500
SUGGESTIONS_MAX: Final = 5
SUGGESTED_FROM: Final = 0.45
PROBABLE_FROM: Final = 0.60
PROBABLE_AHEAD_BY: Final = 0.05
_KEYS_REMEMBERED_MAX: Final = 20_000

# --- Folding and the INN key: drug-safety.md 2.3, K1 to K8 ------------------------------------------------

_STOP_WORDS: Final = frozenset("de del do da dos das of the and et en em con com with para la el los las".split())
_SALTS: Final = """
chloride=cloruro=cloreto hydrochloride=clorhidrato=hidrocloruro dihydrochloride=diclorhidrato
monohydrochloride=monoclorhidrato bromide=bromuro=brometo hydrobromide=bromhidrato=hidrobromuro
iodide=yoduro=iodeto sodium=sodico disodium=disodico monosodium=monosodico potassium=potasico
dipotassium=dipotasico calcium=calcico magnesium=magnesico sulfate hemisulfate bisulfate
hydrogensulfate=hidrogenosulfato phosphate diphosphate dihydrogenphosphate=dihidrogenofosfato nitrate mononitrate
acetate diacetate succinate hydrogensuccinate=hidrogenosuccinato maleate=hidrogenomaleato dimaleate malate fumarate
hemifumarate tartrate=tartarato bitartrate=bitartarato hemitartrate=hemitartarato citrate lactate
gluconate=gliconato digluconate=digliconato oxalate aspartate mesylate dimesylate besylate tosylate ditosylate
edisilate isetionate hyclate benzoate pamoate=embonate stearate estolate ethylsuccinate valerate propionate
dipropionate furoate xinafoate decanoate enantate cypionate palmitate undecanoate=undecilato butyrate acetonide
hexacetonide pivalate resinate betadex=betaciclodextrina anhydrous=anhidro tromethamine=trometamol lysine lysinate
arginine erbumine terbutylamine meglumine dimeglumine olamine diethylamine diethylammonium benzathine
procaine=procainica axetil cilexetil medoxomil proxetil pivoxil dipivoxil etexilate mofetil disoproxil
"""
_MINERALS: Final = """
lithium iron=hierro=ferro ferrous=ferroso ferric zinc aluminium=aluminum bismuth silver=plata=prata copper=cobre
selenium iodine=yodo manganese strontium=estroncio lanthanum ammonium barium carbonate
bicarbonate=hidrogenocarbonato=hydrogencarbonate oxide hydroxide silicate trisilicate
"""
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
    decomposed = unicodedata.normalize("NFKD", text[:TEXT_CHARACTERS_MAX])
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


def _spelled_words(table: str) -> dict[str, str]:
    """Each spelling of a list, as K4 leaves it, with the English spelling."""
    rows = (row.split("=") for row in table.split())
    return {_spelled(spelling): row[0] for row in rows for spelling in row}


_SALT_WORDS: Final = _spelled_words(_SALTS)
_MINERAL_WORDS: Final = _spelled_words(_MINERALS)

# --- The names table ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name:
    """One row of the names table; `kind` is inn, alias, abbreviation, brand or combination."""

    text: str
    ingredients: tuple[str, ...]
    kind: str = "inn"
    country: str = ""

    @property
    def row(self) -> str:
        """What a verdict cites: the kind, the name and what it stands for."""
        return f"{self.kind}:{self.text}={'+'.join(self.ingredients)}"


@dataclass(frozen=True, slots=True)
class Names:
    """The names that can be resolved, compiled once; `lookalikes` are pairs of ingredients never guessed between."""

    by_folded: Mapping[str, Name]
    by_key: Mapping[str, tuple[Name, ...]]
    brands: Mapping[tuple[str, str], tuple[Name, ...]]
    lookalikes: frozenset[frozenset[str]] = frozenset()
    trigrams: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, rows: Iterable[Name], lookalikes: Iterable[frozenset[str]] = ()) -> "Names":
        by_folded: dict[str, Name] = {}
        by_key: defaultdict[str, list[Name]] = defaultdict(list)
        brands: defaultdict[tuple[str, str], list[Name]] = defaultdict(list)
        trigrams: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows:
            folded = fold(row.text)
            if row.kind == "brand":
                brands[row.country, folded].append(row)
                continue
            by_folded.setdefault(folded, row)
            if row.kind == "abbreviation":
                continue  # Two or three letters are too few for a key, or for a resemblance.
            by_key[key(row.text)].append(row)
            if row.kind != "combination":
                for trigram in _trigrams(folded):
                    trigrams[trigram].append(folded)
        return cls(
            by_folded,
            {k: tuple(found) for k, found in by_key.items()},
            {k: tuple(found) for k, found in brands.items()},
            frozenset(lookalikes),
            {k: tuple(found) for k, found in trigrams.items()},
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
    """What a text stands for, and how that was found.

    `assumed` is the one ingredient that a misspelling probably means: checked in addition, never relied on.
    """

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
    *, linked: tuple[str, ...], active_ingredient: str | None, medication_name: str | None, country: str, names: Names
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
    lines = files(__package__).joinpath("drug_form_words.txt").read_text(encoding="utf-8").splitlines()
    words = {fold(line) for line in lines if line and not line.startswith("#")}
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
    wanted = _trigrams(fold(text))
    shared = Counter(name for trigram in wanted for name in names.trigrams.get(trigram, ()))
    best: dict[str, float] = {}
    for folded, common in shared.items():
        if common < SUGGESTED_FROM * len(wanted):
            continue  # The union holds at least all of `wanted`.
        score = common / (len(wanted) + len(_trigrams(folded)) - common)
        for ingredient in names.by_folded[folded].ingredients:
            best[ingredient] = max(best.get(ingredient, 0.0), score)
    ranked = sorted(((-score, ingredient) for ingredient, score in best.items() if score >= SUGGESTED_FROM))
    return tuple(Suggestion(ingredient, round(-score, 4)) for score, ingredient in ranked[:SUGGESTIONS_MAX])


@lru_cache(maxsize=_KEYS_REMEMBERED_MAX)
def _trigrams(folded: str) -> frozenset[str]:
    return frozenset(_each_trigram(folded))


def _each_trigram(folded: str) -> Iterator[str]:
    for word in re.findall(r"\w+", folded.replace("_", " ")):
        padded = f"  {word} "
        yield from (padded[i : i + 3] for i in range(len(padded) - 2))

"""From the text of a medicine to its ingredients, step by step (drug-safety.md 2.1)."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.drug_names.names import Name, Names, Suggestion, suggest
from contracts.drug_names.spelling import fold, key
from contracts.drug_names.stripping import EDGES, without_strength_and_form

PROBABLE_FROM: Final = 0.60
PROBABLE_AHEAD_BY: Final = 0.05
_SEPARATOR: Final = re.compile(r"[+/;,]|\s(?:and|y|e|con|com|with)\s")


class MatchStatus(StrEnum):
    """How an item's words became ingredients."""

    LINKED = "linked"
    EXACT = "exact"
    SYNONYM = "synonym"
    PROBABLE = "probable"
    UNMATCHED = "unmatched"


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


def resolve(text: str, country: str, names: Names) -> Resolution:
    """Find the ingredients of a text; brands count in their own country only."""
    folded = fold(text)
    if found := _whole(folded, country, names):
        return found
    bare, removed = without_strength_and_form(folded)
    if found := _whole(bare, country, names):
        return replace(found, removed=removed)
    parts = _parts(bare)
    if len(parts) > 1:
        return replace(_of_parts(parts, country, names), removed=removed)
    return replace(_resembling(bare or folded, names), removed=removed)


def looked_up(text: str) -> frozenset[str]:
    """All folded forms that `resolve` looks up for a text, each as it stands and by its key."""
    folded = fold(text)
    bare, _ = without_strength_and_form(folded)
    parts = _parts(bare)
    forms = {folded, bare, *parts, *(without_strength_and_form(part)[0] for part in parts)}
    return frozenset(form for form in forms if form)


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


def _parts(bare: str) -> list[str]:
    return [part for raw in _SEPARATOR.split(bare) if (part := raw.strip(EDGES))]


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
    return _whole(part, country, names) or _whole(without_strength_and_form(part)[0], country, names)


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

"""What the checks could not answer: silence about an item never means that it is harmless."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from services.safety_check.domain.allergies import Recorded, named_alike
from services.safety_check.domain.resolved import NOT_UNDERSTOOD, Pair, ResolvedItem
from services.safety_check.domain.values import Coverage, NotEvaluated

# Checks of every item for which this release has no table at all.
_WITHOUT_TABLE: Final = (("contraindication", "list_missing"), ("controlled_substance", "list_missing"))


def not_evaluated(
    own: Sequence[ResolvedItem], pairs: Sequence[Pair], on_file: Sequence[Recorded]
) -> Iterator[NotEvaluated]:
    """Every check's gaps, item by item where suggestions may help, together elsewhere."""
    for one in own:
        if one.silence in NOT_UNDERSTOOD:
            suggestions = tuple(s.ingredient for s in one.resolution.suggestions)
            allergy = ("allergy",) if on_file else ()
            for check in ("interaction", "duplicate_therapy", *allergy):
                yield NotEvaluated(check, one.silence, (one.item.id,), suggestions)
    yield from _of_pairs(pairs)
    everything = tuple(one.item.id for one in own)
    for why in dict.fromkeys(known.silence for known in on_file if known.silence):
        if items := _ids(one for one in own for known in on_file if _unsaid(one, known) == why):
            yield NotEvaluated("allergy", why, items)
    yield from (NotEvaluated(check, why, everything) for check, why in _WITHOUT_TABLE)
    for why in (*NOT_UNDERSTOOD, "no_maximum"):
        if items := _ids(one for one in own if _dose_reason(one) == why):
            yield NotEvaluated("dose", why, items)


def coverage(
    own: Sequence[ResolvedItem], pairs: Sequence[Pair], on_file: Sequence[Recorded]
) -> dict[str, Coverage]:
    """In pairs of items for what compares, else in items; allergies in items times allergies."""
    silent = sum(bool(pair.first.silence or pair.second.silence) for pair in pairs)
    unlike = sum(not (pair.first.classed and pair.second.classed) for pair in pairs)
    unsaid = sum(bool(_unsaid(one, known)) for one in own for known in on_file)
    nobody = Coverage(0, len(own))
    return {
        "interaction": Coverage(len(pairs) - silent, silent),
        "duplicate_therapy": Coverage(len(pairs) - unlike, unlike),
        "allergy": Coverage(len(own) * len(on_file) - unsaid, unsaid, len(on_file)),
        "controlled_substance": nobody,
        "dose": nobody,
        "contraindication": nobody,
    }


def _of_pairs(pairs: Sequence[Pair]) -> Iterator[NotEvaluated]:
    compared = [one for pair in pairs for one in (pair.first, pair.second) if one.prescription_id is None]
    if unreviewed := _ids(one for one in compared if one.silence == "ingredient_not_reviewed"):
        yield NotEvaluated("interaction", "ingredient_not_reviewed", unreviewed)
    # The patient's other prescriptions may hold what nobody understood: each pair with it is a gap too.
    for why in ("name_assumed", "ingredient_unresolved", "ingredient_not_reviewed"):
        beside = (pair for pair in pairs if pair.other_prescription_id)
        if items := _ids(pair.first for pair in beside if pair.second.silence == why):
            yield NotEvaluated("interaction", why, items)
    if unclassed := _ids(one for one in compared if not one.classed):
        yield NotEvaluated("duplicate_therapy", "list_incomplete", unclassed)


def _unsaid(one: ResolvedItem, known: Recorded) -> str | None:
    """Why nothing certain can be said of an item and an allergy; None when something can, or was found."""
    if one.silence in NOT_UNDERSTOOD:
        return one.silence
    return None if known.silence == "allergen_unresolved" and named_alike(one, known) else known.silence


def _ids(items: Iterable[ResolvedItem]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.item.id for one in items))


def _dose_reason(one: ResolvedItem) -> str:
    return one.silence if one.silence in NOT_UNDERSTOOD else "no_maximum"

"""From the text of a medicine to its ingredients, by steps on which all services agree to the letter."""

from contracts.drug_names.names import (
    SUGGESTED_FROM,
    SUGGESTIONS_MAX,
    Name,
    Names,
    Suggestion,
    similarity,
    suggest,
)
from contracts.drug_names.resolving import (
    PROBABLE_AHEAD_BY,
    PROBABLE_FROM,
    MatchStatus,
    Resolution,
    looked_up,
    resolve,
    resolve_item,
)
from contracts.drug_names.spelling import TEXT_CHARACTERS_MAX, fold, key
from contracts.drug_names.stripping import bare, strengths

__all__ = [
    "PROBABLE_AHEAD_BY",
    "PROBABLE_FROM",
    "SUGGESTED_FROM",
    "SUGGESTIONS_MAX",
    "TEXT_CHARACTERS_MAX",
    "MatchStatus",
    "Name",
    "Names",
    "Resolution",
    "Suggestion",
    "bare",
    "fold",
    "key",
    "looked_up",
    "resolve",
    "resolve_item",
    "similarity",
    "strengths",
    "suggest",
]

"""One spelling for a name: folded, and the key that is the same in three languages (drug-safety.md 2.3)."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Final

TEXT_CHARACTERS_MAX: Final = 500
REMEMBERED_MAX: Final = 20_000

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


@lru_cache(maxsize=REMEMBERED_MAX)
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


@lru_cache(maxsize=REMEMBERED_MAX)
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
    rows = (line.split() for line in lines("drug_salt_words.txt"))
    return {_spelled(spelling): row[1] for row in rows if row[0] == kind for spelling in row[1:]}


def lines(file: str) -> list[str]:
    """The lines of one of the word lists beside this package."""
    text = files("contracts").joinpath(file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


_SALT_WORDS: Final = _spelled_words("salt")
_MINERAL_WORDS: Final = _spelled_words("mineral")

"""The Spanish código nacional: six digits of a pack, and the control digit printed behind them."""

import re
from typing import Final

from services.signing.domain.canonical import Json
from services.signing.domain.faults import Malformed

_SHAPE: Final = re.compile(r"(?P<cn6>[0-9]{6})(\.?(?P<control>[0-9]))?", re.ASCII)
_GTIN_PREFIX: Final = "847000"
_MEDICINES: Final = frozenset("6789")


def normal(value: Json) -> Json:
    """CN6 of a CN6 or CN7. Raises Malformed for a medicine with a wrong control digit."""
    found = _SHAPE.fullmatch(value.strip(" ")) if isinstance(value, str) else None
    if found is None:
        raise Malformed.at("", "not a national code")
    code, control = found["cn6"], found["control"]
    # Products other than medicines carry wrong digits in the wild, so theirs do not stop a prescription.
    if control is not None and code[0] in _MEDICINES and int(control) != control_digit(code):
        raise Malformed.at("", "a wrong control digit")
    return code


def control_digit(cn6: str) -> int:
    """The EAN-13 check digit of 847000 and the code."""
    weighted = sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(_GTIN_PREFIX + cn6))
    return -weighted % 10

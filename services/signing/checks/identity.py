"""Spanish identity numbers with their check letters, as es-rx-hash/1 wants them."""

import re
from typing import Final

from stdnum.es import dni, nie
from stdnum.exceptions import ValidationError

from services.signing.domain.faults import Malformed
from services.signing.domain.values import compact, pattern

_PASSPORT: Final = re.compile(r"[A-Z0-9]{3,20}", re.ASCII)
_COMPACT: Final = compact(pattern("[A-Z0-9]{3,20}"))


def identity_number(kind: str, number: str) -> str:
    """The number without separators. Raises Malformed for a wrong letter, also for a NIE called a DNI."""
    text = str(_COMPACT(number))
    try:
        if kind == "DNI":
            return str(dni.validate(text))
        if kind == "NIE":
            return str(nie.validate(text))
    except ValidationError as error:
        raise Malformed.at("id_number", "not valid for its kind") from error
    if kind == "PASSPORT" and _PASSPORT.fullmatch(text):
        return text
    raise Malformed.at("id_type", "no such kind")

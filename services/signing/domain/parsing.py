"""Reads JSON that strangers wrote, refusing whatever two readers could understand differently."""

import json
from collections.abc import Mapping
from typing import Final, NoReturn

from services.signing.domain.canonical import Json
from services.signing.domain.faults import Malformed

DEPTH_MAX: Final = 8
INTEGER_BELOW: Final = 2**53
_DIGITS_MAX: Final = len(str(INTEGER_BELOW)) + 1


def parse(data: bytes, *, bytes_max: int) -> Json:
    """Raises Malformed for what the profiles refuse: duplicate keys, floats, lone surrogates and more."""
    if len(data) > bytes_max:
        raise Malformed.at("", f"longer than {bytes_max} bytes")
    try:
        value: Json = _DECODER.decode(data.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Malformed.at("", f"not JSON ({type(error).__name__})") from None
    _inspect(value)
    return value


def members(
    value: Json, required: frozenset[str], *, optional: frozenset[str] = frozenset()
) -> Mapping[str, Json]:
    """The value as an object that has exactly these members. Raises Malformed."""
    if not isinstance(value, Mapping):
        raise Malformed.at("", "not an object")
    if not required <= value.keys() <= required | optional:
        raise Malformed.at("", "members missing or unknown")
    return value


def _inspect(value: Json) -> None:
    waiting: list[tuple[Json, int]] = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, str):
            _refuse_surrogates(one)
        elif isinstance(one, dict | list):
            if depth == DEPTH_MAX:
                raise Malformed.at("", f"deeper than {DEPTH_MAX}")
            if isinstance(one, dict):
                waiting.extend((key, depth) for key in one)
            inner = one.values() if isinstance(one, dict) else one
            waiting.extend((member, depth + 1) for member in inner)


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed.at("", "a lone surrogate") from None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed.at("", "a duplicate key")  # The standard reader keeps the last one in silence.
    return found


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS_MAX or abs(number := int(digits)) >= INTEGER_BELOW or digits == "-0":
        raise Malformed.at("", "an integer out of range")
    return number


def _refused(_: str) -> NoReturn:
    raise Malformed.at("", "a number with fraction or exponent, NaN or Infinity")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_refused, parse_constant=_refused, strict=True
)

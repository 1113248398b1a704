"""The normal form of each kind of value, as rules that are idempotent and refuse what they cannot keep.

Sealing applies a rule. A verifier never does: it checks that a value equals what its rule makes of it.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Final, TypeAlias
from uuid import UUID

from services.signing.domain.canonical import Json
from services.signing.domain.faults import Fault, Malformed

Rule: TypeAlias = Callable[[Json], Json]
Fields: TypeAlias = Mapping[str, Rule]

_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNSEALABLE: Final = frozenset({"Cc", "Cf", "Cs"})
_BREAKS: Final = {ord(character): " " for character in "\n\r\t\u2028\u2029"}
_SEPARATORS: Final = re.compile("[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000.-]")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INSTANT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


def normal(fields: Fields, data: Json, path: str = "") -> dict[str, Json]:
    """An object with exactly these keys, each value null or normal. Raises Malformed with every fault."""
    if not isinstance(data, Mapping):
        raise Malformed.at(path, "not an object")
    if data.keys() != fields.keys():
        raise Malformed.at(path, "keys missing or unknown")
    result: dict[str, Json] = {}
    faults: list[Fault] = []
    for name, rule in fields.items():
        value = data[name]
        try:
            result[name] = None if value is None else rule(value)
        except Malformed as refused:
            faults += refused.under(f"{path}.{name}" if path else name).faults
    if faults:
        raise Malformed(faults)
    return result


def printable(length_max: int) -> Rule:
    """Text of one line out of assigned characters, trimmed, in NFC; empty is refused."""

    def rule(value: Json) -> Json:
        text = _trimmed(_string(value), _UNPRINTABLE)
        _limit(text, length_max)
        if not text:
            raise Malformed.at("", "empty")
        return text

    return rule


def sealable(length_max: int) -> Rule:
    """Whatever text the dialects accept: line breaks and tabs become spaces, nothing but blanks null."""

    def rule(value: Json) -> Json:
        text = _string(value)
        text = _trimmed(text if text.isprintable() else text.translate(_BREAKS), _UNSEALABLE)
        _limit(text, length_max)
        return text or None

    return rule


def unbroken(inner: Rule) -> Rule:
    """The same with spaces for line breaks and tabs, before anything else looks at it."""

    def rule(value: Json) -> Json:
        return inner(_string(value).translate(_BREAKS))

    return rule


def upper(inner: Rule) -> Rule:
    """The same in upper case, as codes are written."""

    def rule(value: Json) -> Json:
        return inner(_string(value).upper())

    return rule


def compact(inner: Rule) -> Rule:
    """The same in upper case without spaces, dots and hyphens, as identity numbers are compared."""

    def rule(value: Json) -> Json:
        return inner(_SEPARATORS.sub("", _string(value)).upper())

    return rule


def without_separators(inner: Rule) -> Rule:
    """The same without spaces, dots and hyphens, as licence and telephone numbers are compared."""

    def rule(value: Json) -> Json:
        return inner(_SEPARATORS.sub("", _string(value)))

    return rule


def pattern(expression: str) -> Rule:
    """A trimmed text that matches the whole expression."""
    compiled = re.compile(expression, re.ASCII)

    def rule(value: Json) -> Json:
        text = _string(value).strip(" ")
        if compiled.fullmatch(text) is None:
            raise Malformed.at("", "does not match its pattern")
        return text

    return rule


def one_of(*words: str) -> Rule:
    allowed = frozenset(words)

    def rule(value: Json) -> Json:
        if not isinstance(value, str) or value not in allowed:
            raise Malformed.at("", "not one of the allowed words")
        return value

    return rule


def integer(lowest: int, highest: int) -> Rule:
    def rule(value: Json) -> Json:
        if type(value) is not int or not lowest <= value <= highest:
            raise Malformed.at("", f"not an integer from {lowest} to {highest}")
        return value

    return rule


def decimal(digits_max: int, places_max: int, *, above_zero: bool = False) -> Rule:
    """A decimal string without sign, exponent, leading zeros or zeros at the end of the fraction."""
    shape = re.compile(rf"[0-9]{{1,{digits_max}}}(\.[0-9]{{1,{places_max}}})?", re.ASCII)

    def rule(value: Json) -> Json:
        text = _string(value)
        if shape.fullmatch(text) is None:
            raise Malformed.at("", "not a decimal number")
        whole, _, fraction = text.partition(".")
        whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
        if above_zero and whole == "0" and not fraction:
            raise Malformed.at("", "not above zero")
        return f"{whole}.{fraction}" if fraction else whole

    return rule


def boolean(value: Json) -> Json:
    if type(value) is not bool:
        raise Malformed.at("", "not a boolean")
    return value


def uuid(value: Json) -> Json:
    text = _string(value)
    if _UUID.fullmatch(text) is None:
        raise Malformed.at("", "not a UUID")
    return str(UUID(text))


def day(value: Json) -> Json:
    """A real calendar date."""
    text = _string(value)
    try:
        if _DATE.fullmatch(text) is not None:
            date.fromisoformat(text)
            return text
    except ValueError:
        pass
    raise Malformed.at("", "not a date")


def instant(value: Json) -> Json:
    """A second in UTC, written with Z."""
    text = _string(value)
    try:
        if _INSTANT.fullmatch(text) is not None:
            datetime.fromisoformat(text[:-1])
            return text
    except ValueError:
        pass
    raise Malformed.at("", "not an instant")


def many(inner: Rule, count_max: int) -> Rule:
    """An array of 1 to `count_max` values, whose order is kept."""

    def rule(value: Json) -> Json:
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= count_max:
            raise Malformed.at("", f"not an array of 1 to {count_max}")
        result: list[Json] = []
        faults: list[Fault] = []
        for index, one in enumerate(value):
            try:
                result.append(inner(one))
            except Malformed as refused:
                faults += refused.under(f"[{index}]").faults
        if faults:
            raise Malformed(faults)
        return result

    return rule


def record(fields: Fields) -> Rule:
    """An object inside a group, with exactly these keys."""

    def rule(value: Json) -> Json:
        return normal(fields, value)

    return rule


def _string(value: Json) -> str:
    if not isinstance(value, str):
        raise Malformed.at("", "not a string")
    return value


def _trimmed(text: str, refused: frozenset[str]) -> str:
    # isprintable() is false for every category in question, so most texts need no look at each character.
    if not text.isprintable() and any(unicodedata.category(character) in refused for character in text):
        raise Malformed.at("", "a control or format character")
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    # strip() takes more than category Zs, but whatever else it would take has been refused or replaced above.
    return text.strip()


def _limit(text: str, length_max: int) -> None:
    if len(text) > length_max:
        raise Malformed.at("", f"longer than {length_max} characters")

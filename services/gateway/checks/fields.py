"""Reading a JSON body strictly, field by field in document order, noting all that is wrong with it.

A value that fails its form is noted and read as None; it is not checked further (osigu-dialect 1.6).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn, TypeVar
from uuid import UUID

from services.gateway.messages import countries, ids
from services.gateway.messages.errors import Entry, Problem

T = TypeVar("T")

DEPTH_MAX: Final = 32
DIGITS_MAX: Final = 40
TEXT_MAX: Final = 256 * 1024
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:[0-5]\d)")
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_STEP: Final = re.compile(r"[.\[]")
MONEY_DECIMALS_MAX: Final = 4
MONEY_MAX: Final = Decimal("999999999.9999")


def _refuse(*_: Any) -> NoReturn:
    raise ValueError("not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


class Unreadable:
    """A number that is JSON and of no use: its digits or its exponent go on and on."""


UNREADABLE: Final = Unreadable()


def _integer(digits: str) -> int | Unreadable:
    return int(digits) if len(digits) <= DIGITS_MAX else UNREADABLE


def _fraction(digits: str) -> Decimal | Unreadable:
    if len(digits) > DIGITS_MAX:
        return UNREADABLE
    try:
        return Decimal(digits)
    except InvalidOperation:
        return UNREADABLE


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse, parse_int=_integer, parse_float=_fraction
)


def _depth(text: str) -> int:
    """How deep the brackets of a text nest at the most, counted without those inside strings."""
    deepest = depth = 0
    for character in re.sub(r'"(?:[^"\\]|\\.)*"', "", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def decode(raw: bytes) -> Any:
    """A body as JSON, none as an empty object; numbers with a fraction are Decimals.

    Raises Problem `malformed_json`: duplicate keys, NaN, a byte order mark, lone surrogates and unreasonable
    depth are malformed.
    """
    try:
        text = raw.decode("utf-8")
        if _depth(text) > DEPTH_MAX:
            _refuse()
        found: Any = _DECODER.decode(text) if text.strip() else {}
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False, default=str).encode("utf-8")
    except (ValueError, RecursionError):
        raise Problem("malformed_json") from None
    return found


def parse(raw: bytes) -> dict[str, Any]:
    """A body as one JSON object. Raises Problem `malformed_json`."""
    found = decode(raw)
    if not isinstance(found, dict):
        raise Problem.of([Entry("", "wrong_type", "Must be a JSON object.")])
    return found


def plain(value: Any) -> str | None:
    """A text as `Form.text` reads it, to look something up by; None for what it would refuse."""
    if not isinstance(value, str):
        return None
    text = composed(value)
    return None if has_control(text) else text.strip() or None


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n")


def has_control(text: str) -> bool:
    return any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") and letter not in "\n\t" for letter in text)


class Checks:
    """The failing checks of one request, told in document order whatever the order they were found in."""

    def __init__(self) -> None:
        self._order: dict[str, int] = {}
        self._entries: list[Entry] = []

    def place(self, path: str) -> None:
        """Give a field its place in the document's order."""
        self._order.setdefault(path, len(self._order))

    def fail(self, path: str, code: str, message: str, **data: Any) -> None:
        self.place(path)
        self._entries.append(Entry(path, code, message, data))

    def failed(self, path: str) -> bool:
        return any(entry.path == path for entry in self._entries)

    @property
    def entries(self) -> list[Entry]:
        return sorted(self._entries, key=lambda entry: self._rank(entry.path))

    def _rank(self, path: str) -> tuple[int, ...]:
        """The places of a path and of all it lies in, outermost first: elements stay together."""
        ends = [*(match.start() for match in _STEP.finditer(path)), len(path)]
        return tuple(self._order.get(path[:end], -1) for end in ends)

    def settle(self) -> None:
        """Raise everything that has failed, at once."""
        if self._entries:
            raise Problem.of(self.entries)


class Form:
    """One JSON object being read; call its readers in the order of the document's table, then `done`."""

    def __init__(self, body: Mapping[str, Any], checks: Checks, path: str = "") -> None:
        self._body = body
        self._path = path
        self._known: set[str] = set()
        self.checks = checks

    def at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def fail(self, name: str, code: str, message: str, **data: Any) -> None:
        self.checks.fail(self.at(name), code, message, **data)

    def has(self, name: str) -> bool:
        """Whether the field was sent with a value."""
        return self._body.get(name) is not None

    def raw(self, name: str, *, required: bool = False, alias: str | None = None) -> Any:
        """The value as sent; null counts as absent. A name and its alias sent together must be equal."""
        self.checks.place(self.at(name))
        self._known.add(name)
        value = self._body.get(name)
        if alias is not None:
            self._known.add(alias)
            self.checks.place(self.at(alias))
            other = self._body.get(alias)
            if value is None:
                value = other
            elif other is not None and other != value:
                self.fail(alias, "conflicting_fields", f"Must equal {name}.")
        if value is None and required:
            self.fail(name, "required", "Must be present.")
        return value

    def _read(self, name: str, value: Any, kind: type | tuple[type, ...], words: str) -> Any:
        if value is None:
            return None
        if value is UNREADABLE:
            self.fail(name, "invalid_format", "Must be a number that can be read.")
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.fail(name, "wrong_type", f"Must be {words}.")
            return None
        return value

    def text(
        self,
        name: str,
        *,
        limit: int,
        least: int = 1,
        required: bool = False,
        alias: str | None = None,
        pattern: str | None = None,
    ) -> str | None:
        """NFC, trimmed; control characters but line feed and tab are refused; lengths are code points."""
        value = self._read(name, self.raw(name, required=required, alias=alias), str, "a string")
        if value is None:
            return None
        text = composed(value)
        if has_control(text):
            self.fail(name, "invalid_value", "Must not hold control characters.")
            return None
        # What Python trims besides white space are control characters.
        text = text.strip()
        if not text:
            if required:
                self.fail(name, "required", "Must not be blank.")
            return None
        elif len(text) > limit:
            self.fail(name, "too_long", f"Must have at most {limit} characters.")
        elif len(text) < least:
            self.fail(name, "out_of_range", f"Must have at least {least} characters.")
        elif pattern is not None and not re.fullmatch(pattern, text):
            self.fail(name, "invalid_format", "Must have the documented form.")
        else:
            return text
        return None

    def word(
        self, name: str, words: Collection[str], *, required: bool = False, alias: str | None = None
    ) -> str | None:
        """One of a closed set of words, exactly."""
        value: str | None = self._read(name, self.raw(name, required=required, alias=alias), str, "a string")
        if value is not None and value not in words:
            self.fail(name, "invalid_value", f"Must be one of {', '.join(sorted(words))}.")
            return None
        return value

    def country(self, name: str, *, required: bool = False) -> str | None:
        """ISO 3166-1 alpha-2."""
        text = self.text(name, limit=TEXT_MAX, required=required)
        if text is not None and text not in countries.CODES:
            self.fail(name, "invalid_value", "Must be a country code of two capital letters (ISO 3166-1).")
            return None
        return text

    def integer(self, name: str, low: int, high: int, *, required: bool = False) -> int | None:
        value: int | None = self._read(name, self.raw(name, required=required), int, "an integer")
        if value is not None and not low <= value <= high:
            self.fail(name, "out_of_range", f"Must be {low} to {high}.")
            return None
        return value

    def boolean(self, name: str) -> bool | None:
        value: bool | None = self._read(name, self.raw(name), bool, "true or false")
        return value

    def money(self, name: str, *, required: bool = False) -> Decimal | None:
        """An amount of at least 0 with at most four decimals, exact."""
        value = self._read(name, self.raw(name, required=required), (int, Decimal), "a number")
        if value is None:
            return None
        amount = Decimal(value)
        exponent = amount.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > MONEY_DECIMALS_MAX:
            self.fail(name, "invalid_format", f"Must have at most {MONEY_DECIMALS_MAX} decimals.")
        elif not 0 <= amount <= MONEY_MAX:
            self.fail(name, "out_of_range", f"Must be 0 to {MONEY_MAX}.")
        else:
            # Neither a minus zero nor a zero of a million digits goes further.
            return abs(amount) if isinstance(exponent, int) and exponent <= 0 else Decimal(int(amount))
        return None

    def _parsed(
        self, name: str, text: str | None, form: re.Pattern[str], reader: Callable[[str], T]
    ) -> T | None:
        if text is None:
            return None
        try:
            if form.fullmatch(text) and text.isascii():
                return reader(text)
        except (ValueError, OverflowError):
            pass
        self.fail(name, "invalid_format", "Must have the documented form.")
        return None

    def moment(self, name: str, *, required: bool = False) -> datetime | None:
        """RFC 3339 with an offset, as UTC."""
        value = self._read(name, self.raw(name, required=required), str, "a timestamp")
        return self._parsed(name, value, MOMENT, instant)

    def day(self, name: str, *, required: bool = False) -> date | None:
        value = self._read(name, self.raw(name, required=required), str, "a date")
        return self._parsed(name, value, DAY, date.fromisoformat)

    def id(
        self, name: str, prefix: str, *, unknown: str = "invalid_value", required: bool = False
    ) -> UUID | None:
        """An id in this dialect's spelling; any other spelling is simply not known."""
        value = self._read(name, self.raw(name, required=required), str, "a string")
        if value is None:
            return None
        found = ids.find(prefix, value)
        if found is None:
            self.fail(name, unknown, "Must name an existing one.")
        return found

    def form(self, name: str, *, required: bool = False, alias: str | None = None) -> Form | None:
        value = self._read(name, self.raw(name, required=required, alias=alias), dict, "an object")
        return None if value is None else Form(value, self.checks, self.at(name))

    def forms(
        self, name: str, low: int, high: int, *, required: bool = False, alias: str | None = None
    ) -> Sequence[Form]:
        """The objects of an array of `low` to `high`; an element that is no object is noted and left out."""
        value = self._read(name, self.raw(name, required=required, alias=alias), list, "an array")
        if value is None:
            return ()
        if len(value) > high:
            self.fail(name, "too_many", f"Must have at most {high} elements.")
            return ()
        if len(value) < low:
            self.fail(name, "out_of_range", f"Must have at least {low} elements.")
            return ()
        found = []
        for index, element in enumerate(value):
            path = f"{self.at(name)}[{index}]"
            self.checks.place(path)
            if isinstance(element, dict):
                found.append(Form(element, self.checks, path))
            else:
                self.checks.fail(path, "wrong_type", "Must be an object.")
        return found

    def unsupported(self, *names: str) -> None:
        """Fields that are known and not taken here."""
        for name in names:
            if self.raw(name) is not None:
                self.fail(name, "field_not_supported", "Not supported in this version.")

    def done(self) -> None:
        """Note what was sent and not read: a field that nobody reads is never dropped in silence."""
        for name in self._body:
            if name not in self._known:
                self.fail(name, "unknown_field", "Unknown field.")


def instant(text: str) -> datetime:
    whole, _, rest = text.partition(".")
    if rest:
        digits = re.match(r"\d+", rest)
        fraction = digits.group() if digits else ""
        text = f"{whole}.{fraction[:6].ljust(6, '0')}{rest[len(fraction) :]}"
    return datetime.fromisoformat(text.upper().replace("Z", "+00:00")).astimezone(UTC)

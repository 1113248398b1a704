"""Ids as the Osigu dialect spells them: a prefix and 26 characters of Crockford's base32 (section 1.4)."""

from __future__ import annotations

from typing import Final
from uuid import UUID

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES: Final = {letter: value for value, letter in enumerate(ALPHABET)}
_LENGTH: Final = 26
_BITS_A_LETTER: Final = 5
# Ids are spelled dozens of times in one answer: two letters at a time is twice as fast.
_PAIRS: Final = tuple(first + second for first in ALPHABET for second in ALPHABET)
_SHIFTS: Final = tuple(range((_LENGTH - 2) * _BITS_A_LETTER, -1, -2 * _BITS_A_LETTER))


def spell(prefix: str, id: UUID) -> str:
    number = id.int
    return f"{prefix}_" + "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])


def find(prefix: str, text: str) -> UUID | None:
    """The id that this exact spelling names; None for any other spelling: it is simply not found."""
    head = f"{prefix}_"
    letters = text[len(head) :]
    if not text.startswith(head) or len(letters) != _LENGTH:
        return None
    number = 0
    for letter in letters:
        value = _VALUES.get(letter)
        if value is None:
            return None
        number = (number << _BITS_A_LETTER) | value
    return UUID(int=number) if number < 1 << 128 else None

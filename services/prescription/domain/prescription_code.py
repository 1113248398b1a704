"""The code that a pharmacy redeems: a year, fifteen random digits, and a digit that catches slips."""

import re
from collections.abc import Callable
from typing import Final

RANDOM_DIGITS: Final = 15

# The order-10 quasigroup of H. M. Damm, "Total anti-symmetrische Quasigruppen" (2004).
_DAMM: Final = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)

_CANONICAL: Final = re.compile(r"RX-([0-9]{4})-([0-9]{16})")
_IGNORED: Final = re.compile(r"[\s-]")
_SPOKEN: Final = re.compile(r"RX([0-9]{4})([0-9]{16})")


def check_digit(digits: str) -> str:
    """Damm's digit: a number followed by its own digit has the digit 0."""
    interim = 0
    for digit in digits:
        interim = int(_DAMM[interim][int(digit)])
    return str(interim)


def allocate(year: int, below: Callable[[int], int]) -> str:
    """A new code for the UTC year of allocation; `below(n)` draws from a cryptographic source, 0 to n - 1."""
    drawn = f"{below(10**RANDOM_DIGITS):0{RANDOM_DIGITS}d}"
    return f"RX-{year:04d}-{drawn}{check_digit(f'{year:04d}{drawn}')}"


def canonical(spoken: str) -> str | None:
    """The one spelling of what was read aloud or typed; None for what has not the form of a code."""
    match = _SPOKEN.fullmatch(_IGNORED.sub("", spoken).upper())
    return f"RX-{match[1]}-{match[2]}" if match else None


def is_valid(code: str) -> bool:
    """Whether a code in its canonical spelling has the right check digit."""
    match = _CANONICAL.fullmatch(code)
    return match is not None and check_digit(match[1] + match[2]) == "0"


def masked(code: str) -> str:
    """What logs and traces may show of a code."""
    return f"RX-****-************{code[-4:]}"

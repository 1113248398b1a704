"""How the domain says no: with the code that a client gets, and what it needs to know besides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

Detail = str | int | bool | datetime | None | Sequence["Detail"] | Mapping[str, "Detail"]

# Words for an entry of a refusal that never become its code (rulings 2.12).
ENTRY_WORDS: Final = frozenset(
    {"required", "unknown_field", "field_not_supported", "wrong_type", "invalid_format", "invalid_value"}
    | {"out_of_range", "too_long", "too_many", "duplicate", "conflicting_fields"}
)

_UNRESOLVED: Final = {
    "unknown_reference": "There is nothing with this id.",
    "inactive_reference": "Is not active at present.",
}


@dataclass(frozen=True, slots=True)
class Failing:
    """One check that failed, at its place in the request."""

    path: str
    code: str
    message: str
    details: Mapping[str, Detail] = field(default_factory=dict)


def unresolved(told: Mapping[str, str]) -> list[Failing]:
    """What a request names and may not, by its path, with the code that says why."""
    return [Failing(path, code, _UNRESOLVED[code]) for path, code in told.items()]


class Refused(Exception):
    """The command cannot be carried out as things stand; nothing has changed. `cell`: the table's word."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Mapping[str, Detail] | None = None,
        errors: tuple[Failing, ...] = (),
        cell: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Mapping[str, Detail] = details or {}
        self.errors = errors
        self.cell = cell


def missing(path: str) -> Refused:
    """The refusal of a step without a field that it demands."""
    message = "Is required."
    return Refused("validation_failed", message, errors=(Failing(path, "missing", message),))


def read_as(version: int | None, expected: int | None) -> None:
    """Raise Refused unless something stands as whoever asks has read it. None: it is not there; did not say.

    0 is whatever version there is.
    """
    if expected is None or version == expected or (expected == 0 and version is not None):
        return
    details = {"current_version": version}
    raise Refused("version_mismatch", "It has changed since it was read.", details=details)


def refuse_if(failing: Sequence[Failing]) -> None:
    """Raise one refusal for all checks that failed, under their business code where they share one."""
    if not failing:
        return
    codes = {one.code for one in failing}
    shared = codes.pop() if len(codes) == 1 else "validation_failed"
    code = "validation_failed" if shared in ENTRY_WORDS else shared
    message = failing[0].message if len(failing) == 1 else f"{len(failing)} checks failed."
    raise Refused(code, message, errors=tuple(failing))

"""The two kinds of failure, and what may be said about each.

    Rejected        it can never succeed
    ├── Unreadable  not a CloudEvent, not JSON, or not the shape of its class
    ├── NotFound    the thing is not there
    ├── Conflict    its state forbids it
    ├── TooLarge    more bytes than may travel
    └── GaveUp      a command that could not be executed: what its client is told
    Unavailable     it may succeed later
    └── Overloaded  because too much is under way here
    anything else   a bug

`messaging.ON_ERROR` says what each means for a message, `http.STATUS` what it means for a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class Rejected(Exception):
    """It can never succeed. `code` is stable for ever; neither text nor details are ever about a patient."""

    default_code: ClassVar[str] = "rejected"

    def __init__(
        self, message: str = "", *, code: str | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.details: Mapping[str, Any] = details or {}


class Unreadable(Rejected):
    default_code = "unreadable"


class NotFound(Rejected):
    default_code = "not_found"


class Conflict(Rejected):
    default_code = "conflict"


class TooLarge(Rejected):
    default_code = "too_large"


class GaveUp(Rejected):
    default_code = "internal_error"


class Unavailable(Exception):
    """It may succeed later: whoever asked waits and asks again."""


class Overloaded(Unavailable):
    """All that is under way here leaves no room for more; nothing of what was asked has begun."""


def code(error: BaseException) -> str:
    """The code of a refusal, else the class of a bug: all that may be told of an error to strangers."""
    found = getattr(error, "code", None)
    return found if isinstance(found, str) and found else type(error).__name__
